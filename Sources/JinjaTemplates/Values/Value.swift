/// A value of a running template, after the Python object in its place.
enum Value {
  case none
  case bool(Bool)
  case int(Int)
  case float(Double)
  case string(Text)
  case list(Elements)
  case tuple(Elements)
  case dictionary(Dictionary)
  /// What is not there; the text says what, for when it is used.
  case undefined(String)
  /// What the sandbox hides; the text says so when it is used.
  case unsafe(String)
  case range(NumberRange)
  /// `keys()`, `values()` or `items()` of a dictionary.
  case view(DictionaryView)
  /// A generator: it can be gone through once.
  case iterator(ValueIterator)
  case namespace(Namespace)
  case function(GlobalFunction)
  case method(Method)
  case macro(Macro)
  case loop(LoopContext)
  case cycler(Cycler)
  case joiner(Joiner)

  static var empty: Value { .string(Text(utf8: [])) }

  static func text(_ string: String) -> Value { .string(Text(string)) }
  static func texts(_ texts: [Text]) -> Value { .list(Elements(flat: texts.map { .string($0) })) }
}

/// The elements of a list or tuple.
///
/// Sandboxed templates cannot change a list, so values are shared freely. The depth is known so that nothing nests
/// deeper than what can be gone through, or released, by recursion.
struct Elements {
  let items: [Value]
  let depth: Int

  /// Elements that hold nothing themselves.
  init(flat items: [Value]) {
    self.items = items
    depth = 1
  }

  init(_ items: [Value]) throws {
    self.items = items
    depth = try Value.depth(above: items)
  }

  var count: Int { items.count }
}

/// An ordered dictionary with Python's idea of equal keys.
struct Dictionary {
  private(set) var keys: [Value] = []
  private(set) var values: [Value] = []
  private var places: [HashableValue: Int] = [:]
  private(set) var depth = 1

  init() {}

  var count: Int { keys.count }

  mutating func set(_ key: Value, _ value: Value) throws {
    let hashable = try HashableValue(key)
    depth = max(depth, try Value.depth(above: [key, value]))
    if let place = places[hashable] {
      values[place] = value
    } else {
      places[hashable] = keys.count
      keys.append(key)
      values.append(value)
    }
  }

  func get(_ key: Value) throws -> Value? {
    try places[HashableValue(key)].map { values[$0] }
  }

  func get(_ key: String) -> Value? { places[HashableValue(Text(key))].map { values[$0] } }

  var pairs: [Value] {
    zip(keys, values).map { key, value in .tuple(Elements(pair: key, value, depth: depth)) }
  }
}

extension Elements {
  /// A pair from a dictionary of a known depth.
  init(pair first: Value, _ second: Value, depth: Int) {
    items = [first, second]
    self.depth = depth
  }
}

/// What `keys()`, `values()` and `items()` give.
struct DictionaryView {
  enum Kind: String {
    case keys, values, items
  }

  var kind: Kind
  var dictionary: Dictionary

  var items: [Value] {
    switch kind {
    case .keys: dictionary.keys
    case .values: dictionary.values
    case .items: dictionary.pairs
    }
  }
}

/// What `range()` gives.
struct NumberRange: Hashable {
  var start: Int
  var stop: Int
  var step: Int

  /// As many as the sandbox of Jinja allows.
  static let limit = 100_000

  init(start: Int, stop: Int, step: Int) throws {
    guard step != 0 else { throw TemplateError(.value, "range() arg 3 must not be zero") }
    self.start = start
    self.stop = stop
    self.step = step
    let (distance, overflow) =
      step > 0 ? stop.subtractingReportingOverflow(start) : start.subtractingReportingOverflow(stop)
    let count = distance <= 0 && !overflow ? 0 : UInt(bitPattern: distance - 1) / step.magnitude + 1
    guard overflow == false, count <= UInt(Self.limit) else {
      throw TemplateError(.limit, "a range of more than \(Self.limit) numbers")
    }
    self.count = Int(count)
  }

  let count: Int
  subscript(index: Int) -> Int { start + index * step }
  var items: [Value] { (0..<count).map { .int(self[$0]) } }
}

extension Value {
  /// How deep lists, dictionaries and generators nest at most.
  static let depthLimit = 100

  /// How deep this value nests.
  var depth: Int {
    switch self {
    case .list(let elements), .tuple(let elements): elements.depth
    case .dictionary(let dictionary): dictionary.depth
    case .view(let view): view.dictionary.depth + 1
    case .iterator(let iterator): iterator.depth
    case .method(let method): method.depth
    case .cycler(let cycler): cycler.items.depth + 1
    case .joiner(let joiner): joiner.depth
    case .loop(let loop): loop.depth
    default: 0
    }
  }

  /// The depth of something that holds `items`.
  static func depth(above items: [Value]) throws -> Int {
    var depth = 0
    for item in items { depth = max(depth, item.depth) }
    guard depth < depthLimit else { throw TemplateError(.limit, "lists nested deeper than \(depthLimit)") }
    return depth + 1
  }

  /// The name that Python's messages give the kind.
  var typeName: String {
    switch self {
    case .none: "None"
    case .bool: "bool"
    case .int: "int"
    case .float: "float"
    case .string: "str"
    case .list: "list"
    case .tuple: "tuple"
    case .dictionary: "dict"
    case .undefined, .unsafe: "Undefined"
    case .range: "range"
    case .view(let view): "dict_\(view.kind.rawValue)"
    case .iterator: "generator"
    case .namespace: "Namespace"
    case .function: "function"
    case .method: "method"
    case .macro: "Macro"
    case .loop: "LoopContext"
    case .cycler: "Cycler"
    case .joiner: "Joiner"
    }
  }

  var isUndefined: Bool {
    switch self {
    case .undefined, .unsafe: true
    default: false
    }
  }

  /// Python's truth of the value.
  var isTrue: Bool {
    switch self {
    case .none, .undefined, .unsafe: false
    case .bool(let value): value
    case .int(let value): value != 0
    case .float(let value): value != 0
    case .string(let text): !text.isEmpty
    case .list(let elements), .tuple(let elements): elements.count > 0
    case .dictionary(let dictionary): dictionary.count > 0
    case .range(let range): range.count > 0
    case .view(let view): view.dictionary.count > 0
    default: true
    }
  }

  /// The number, a Boolean counting as 0 or 1.
  var integer: Int? {
    switch self {
    case .int(let value): value
    case .bool(let value): value ? 1 : 0
    default: nil
    }
  }

  /// The number as a floating-point one.
  var double: Double? {
    if case .float(let value) = self { return value }
    return integer.map { Double($0) }
  }

  /// What using an undefined value as something else throws.
  func requireDefined() throws {
    switch self {
    case .undefined(let message): throw TemplateError(.undefined, message)
    case .unsafe(let message): throw TemplateError(.security, message)
    default: break
    }
  }
}
