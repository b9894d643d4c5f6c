extension JSONValue {
  /// The value as a document for people and programs: members in the order of their keys, a line each, indented by four
  /// blanks; ASCII alone, numbers that are not finite as Python writes them.
  ///
  /// Reading it back gives an equal value.
  package var indentedText: String {
    var text = ""
    write(to: &text, indent: "")
    return text
  }

  private func write(to text: inout String, indent: String) {
    let inner = indent + "    "
    switch self {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .integer(let value): text += "\(value)"
    case .number: text += summary
    case .string(let value): Self.write(value, to: &text)
    case .array(let elements):
      guard !elements.isEmpty else { return text += "[]" }
      text += "["
      for (index, element) in elements.enumerated() {
        text += (index > 0 ? ",\n" : "\n") + inner
        element.write(to: &text, indent: inner)
      }
      text += "\n" + indent + "]"
    case .object(let members):
      guard !members.isEmpty else { return text += "{}" }
      text += "{"
      for (index, member) in members.sorted(by: { $0.key < $1.key }).enumerated() {
        text += (index > 0 ? ",\n" : "\n") + inner
        Self.write(member.key, to: &text)
        text += ": "
        member.value.write(to: &text, indent: inner)
      }
      text += "\n" + indent + "}"
    }
  }

  private static func write(_ string: String, to text: inout String) {
    text += "\""
    for unit in string.utf16 {
      switch unit {
      case 0x22: text += "\\\""
      case 0x5C: text += "\\\\"
      case 0x0A: text += "\\n"
      case 0x20...0x7E: text.unicodeScalars.append(Unicode.Scalar(UInt8(unit)))
      default:
        let hex = String(unit, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      }
    }
    text += "\""
  }
}
