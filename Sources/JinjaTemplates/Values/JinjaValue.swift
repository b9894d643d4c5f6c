/// A value that a template is given.
package indirect enum JinjaValue: Hashable, Sendable {
  case null
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JinjaValue])
  /// Members in order; of a repeated key the last one counts.
  case object([Member])

  /// A member of an object.
  package struct Member: Hashable, Sendable {
    /// The key.
    package var key: String
    /// The value.
    package var value: JinjaValue

    /// Creates a member.
    package init(_ key: String, _ value: JinjaValue) {
      self.key = key
      self.value = value
    }
  }
}

extension Value {
  init(_ value: JinjaValue, level: Int = 0) throws {
    guard level < Value.depthLimit else {
      throw TemplateError(.limit, "lists nested deeper than \(Value.depthLimit)")
    }
    switch value {
    case .null: self = .none
    case .bool(let flag): self = .bool(flag)
    case .integer(let number): self = .int(number)
    case .number(let number): self = .float(number)
    case .string(let text): self = .string(Text(text))
    case .array(let items): self = .list(try Elements(items.map { try Value($0, level: level + 1) }))
    case .object(let members):
      var dictionary = Dictionary()
      for member in members {
        try dictionary.set(.string(Text(member.key)), try Value(member.value, level: level + 1))
      }
      self = .dictionary(dictionary)
    }
  }
}
