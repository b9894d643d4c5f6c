/// A value as a key: Python's equality and hash of what can be hashed.
enum HashableValue: Hashable {
  case none
  case undefined
  case number(Int)
  case fraction(Double)
  case text(Text)
  case tuple([HashableValue])
  case identity(ObjectIdentifier)
  case range(NumberRange)
  case function(GlobalFunction)

  init(_ text: Text) { self = .text(text) }

  init(_ value: Value) throws {
    switch value {
    case .none: self = .none
    case .undefined, .unsafe: self = .undefined
    case .bool(let flag): self = .number(flag ? 1 : 0)
    case .int(let number): self = .number(number)
    case .float(let number): self = Int(exactly: number).map { .number($0) } ?? .fraction(number)
    case .string(let text): self = .text(text)
    case .tuple(let elements): self = .tuple(try elements.items.map { try HashableValue($0) })
    case .range(let range): self = .range(range)
    case .function(let function): self = .function(function)
    case .namespace(let object): self = .identity(ObjectIdentifier(object))
    case .macro(let object): self = .identity(ObjectIdentifier(object))
    case .loop(let object): self = .identity(ObjectIdentifier(object))
    case .cycler(let object): self = .identity(ObjectIdentifier(object))
    case .joiner(let object): self = .identity(ObjectIdentifier(object))
    case .iterator(let object): self = .identity(ObjectIdentifier(object))
    case .list, .dictionary, .view, .method:
      throw TemplateError(.type, "unhashable type: '\(value.typeName)'")
    }
  }
}

extension Value {
  /// Python's `==`.
  static func equal(_ a: Value, _ b: Value) -> Bool {
    switch (a, b) {
    case (.string(let a), .string(let b)): return a == b
    case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)): return equal(a.items, b.items)
    case (.dictionary(let a), .dictionary(let b)): return equal(a, b)
    case (.view(let a), .view(let b)):
      guard a.kind == b.kind, a.kind != .values else { return false }
      return equal(a.dictionary, b.dictionary, keysOnly: a.kind == .keys)
    case (.range(let a), .range(let b)):
      guard a.count == b.count else { return false }
      return a.count == 0 || (a.start == b.start && (a.count == 1 || a.step == b.step))
    default: break
    }
    if let a = a.integer, let b = b.integer { return a == b }
    if let a = a.double, let b = b.double { return a == b }
    guard let a = try? HashableValue(a), let b = try? HashableValue(b) else { return false }
    return a == b
  }

  private static func equal(_ a: [Value], _ b: [Value]) -> Bool {
    a.count == b.count && zip(a, b).allSatisfy { equal($0, $1) }
  }

  private static func equal(_ a: Dictionary, _ b: Dictionary, keysOnly: Bool = false) -> Bool {
    guard a.count == b.count else { return false }
    for (key, value) in zip(a.keys, a.values) {
      guard let other = try? b.get(key), keysOnly || equal(value, other) else { return false }
    }
    return true
  }

  /// Python's `<`.
  static func less(_ a: Value, _ b: Value, sign: String = "<") throws -> Bool {
    try a.requireDefined()
    try b.requireDefined()
    switch (a, b) {
    case (.string(let a), .string(let b)): return a < b
    case (.list(let x), .list(let y)), (.tuple(let x), .tuple(let y)):
      for (first, second) in zip(x.items, y.items) where !equal(first, second) {
        return try less(first, second, sign: sign)
      }
      return x.count < y.count
    default: break
    }
    if let a = a.integer, let b = b.integer { return a < b }
    if let a = a.double, let b = b.double { return a < b }
    throw TemplateError(
      .type, "'\(sign)' not supported between instances of '\(a.typeName)' and '\(b.typeName)'")
  }
}
