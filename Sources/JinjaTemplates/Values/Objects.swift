/// A namespace: the one kind of object whose attributes a template sets.
final class Namespace {
  private(set) var attributes: [(name: String, value: Value)] = []

  subscript(name: String) -> Value? { attributes.first { $0.name == name }?.value }

  func set(_ name: String, _ value: Value) throws {
    guard !name.hasPrefix("_") else {
      throw TemplateError(.security, "a namespace has no attribute that begins with an underscore: \(name)")
    }
    if let place = attributes.firstIndex(where: { $0.name == name }) {
      attributes[place].value = value
    } else {
      attributes.append((name, value))
    }
  }

  /// Lets go of everything, so that namespaces which hold each other are released.
  func clear() { attributes = [] }
}

/// A generator.
final class ValueIterator {
  private let source: () throws -> Value?
  private var ahead: Value?
  /// How many generators feed each other, and how deep their values nest.
  let depth: Int

  init(depth: Int, _ source: @escaping () throws -> Value?) throws {
    guard depth < Value.depthLimit else {
      throw TemplateError(.limit, "filters on top of each other, more than \(Value.depthLimit)")
    }
    self.depth = depth + 1
    self.source = source
  }

  convenience init(_ items: [Value]) throws {
    var rest = items[...]
    try self.init(depth: try Value.depth(above: items)) { rest.popFirst() }
  }

  func next() throws -> Value? {
    if let value = ahead {
      ahead = nil
      return value
    }
    return try source()
  }

  /// The next value, which stays.
  func peek() throws -> Value? {
    if ahead == nil { ahead = try source() }
    return ahead
  }
}

/// A function, a filter's name or a method with the value it belongs to.
struct Method {
  /// The value, boxed: methods are values themselves.
  let receiver: [Value]
  let name: String
  let depth: Int

  init(_ receiver: Value, _ name: String) throws {
    self.receiver = [receiver]
    self.name = name
    depth = try Value.depth(above: [receiver])
  }
}

/// The functions that every template can call.
enum GlobalFunction: String, CaseIterable {
  case range, dict, namespace, cycler, joiner, lipsum
  case raiseException = "raise_exception"
  case now = "strftime_now"
  case dictFromKeys = "fromkeys"
}

/// A macro, or the body of a call block, with the names it sees.
final class Macro {
  let declaration: MacroDeclaration
  let scope: Scope

  init(_ declaration: MacroDeclaration, _ scope: Scope) {
    self.declaration = declaration
    self.scope = scope
  }
}

/// `loop` inside a for loop.
final class LoopContext {
  private let source: ValueIterator
  private var known: Int?
  private var rest: ArraySlice<Value>?
  private(set) var index0 = -1
  private(set) var current: Value?
  private(set) var previous: Value?
  let depth0: Int
  /// How deep the values nest.
  var depth: Int { source.depth + 1 }
  /// What the last call of `changed` was given.
  var lastChanged: [Value]?
  /// Renders the loop's body for other values, in recursive loops.
  let recurse: ((Value, Int) throws -> Text)?

  init(
    _ source: ValueIterator, count: Int?, depth0: Int, recurse: ((Value, Int) throws -> Text)?
  ) {
    self.source = source
    known = count
    self.depth0 = depth0
    self.recurse = recurse
  }

  /// The number of rounds; a generator is read to its end for that.
  func count() throws -> Int {
    if let known { return known }
    var items: [Value] = []
    while let value = try source.next() { items.append(value) }
    rest = items[...]
    known = items.count + index0 + 1
    return items.count + index0 + 1
  }

  /// The value of the next round, which stays.
  func next() throws -> Value? {
    if let rest { return rest.first }
    return try source.peek()
  }

  /// Goes to the next round.
  func advance() throws -> Value? {
    let value: Value?
    if rest != nil {
      value = rest?.popFirst()
    } else {
      value = try source.next()
    }
    guard let value else { return nil }
    index0 += 1
    previous = current
    current = value
    return value
  }
}

/// What `cycler()` gives.
final class Cycler {
  let items: Elements
  var position = 0

  init(_ items: Elements) { self.items = items }
}

/// What `joiner()` gives.
final class Joiner {
  let separator: Value
  let depth: Int
  var isUsed = false

  init(_ separator: Value) throws {
    self.separator = separator
    depth = try Value.depth(above: [separator])
  }
}

/// The variables of a part of the template with names of its own.
final class Scope {
  let parent: Scope?
  /// The values by number of the name; `nil` for a name that the part sets later, which hides others.
  private var values: [(name: Int, value: Value?)] = []

  init(parent: Scope?, hidden: [Int]) {
    self.parent = parent
    values = hidden.map { ($0, nil) }
  }

  func set(_ name: Int, _ value: Value) {
    for place in values.indices where values[place].name == name {
      values[place].value = value
      return
    }
    values.append((name, value))
  }

  /// The value of a name in this part or around it: `.some(nil)` if it has none yet, `nil` if no part knows it.
  func lookUp(_ name: Int) -> Value?? {
    var scope: Scope? = self
    while let part = scope {
      for entry in part.values where entry.name == name { return .some(entry.value) }
      scope = part.parent
    }
    return nil
  }

  /// Lets go of all values, so that macros and the scopes they see are released one by one.
  func clear() { values = [] }
}
