/// Python's `format.format(…)`, with the sandbox's way to look up attributes.
struct BraceFormat {
  private let arguments: Arguments
  private let interpreter: Interpreter
  private let isMarkup: Bool
  private var next = 0
  private var isNumbered = false

  static func text(_ format: Text, _ arguments: Arguments, _ interpreter: Interpreter) throws -> Text {
    var formatter = BraceFormat(
      arguments: arguments, interpreter: interpreter, isMarkup: format.isMarkup)
    return try formatter.run(format.scalars, level: 0).marked(format.isMarkup)
  }

  private init(arguments: Arguments, interpreter: Interpreter, isMarkup: Bool) {
    self.arguments = arguments
    self.interpreter = interpreter
    self.isMarkup = isMarkup
  }

  private mutating func run(_ format: [Unicode.Scalar], level: Int) throws -> Text {
    guard level < 3 else { throw TemplateError(.value, "Max string recursion exceeded") }
    var result = Text(utf8: [])
    var index = 0
    while index < format.count {
      let scalar = format[index]
      index += 1
      if scalar == "{" || scalar == "}", index < format.count, format[index] == scalar {
        result.append(scalar)
        index += 1
      } else if scalar == "{" {
        let start = index
        var open = 1
        while index < format.count, open > 0 {
          if format[index] == "{" { open += 1 }
          if format[index] == "}" { open -= 1 }
          index += 1
        }
        guard open == 0 else { throw TemplateError(.value, "expected '}' before end of string") }
        result.append(try field(Array(format[start..<index - 1]), level: level))
      } else if scalar == "}" {
        throw TemplateError(.value, "Single '}' encountered in format string")
      } else {
        result.append(scalar)
      }
      guard result.utf8.count <= Value.textLimit else {
        throw TemplateError(.limit, "a text of more than \(Value.textLimit) bytes")
      }
    }
    try interpreter.charge(text: result)
    return result
  }

  private mutating func field(_ field: [Unicode.Scalar], level: Int) throws -> Text {
    let nameEnd = field.firstIndex { $0 == "!" || $0 == ":" } ?? field.count
    var value = try lookUp(Array(field[..<nameEnd]))
    var rest = field[nameEnd...]
    if rest.first == "!" {
      rest = rest.dropFirst()
      switch rest.popFirst() {
      case "s": value = .string(try value.text())
      case "r": value = .string(try value.representation())
      case "a": value = .text(try value.representation().asciiEscaped)
      default: throw TemplateError(.value, "Unknown conversion specifier")
      }
      guard rest.first == nil || rest.first == ":" else {
        throw TemplateError(.value, "expected ':' after conversion specifier")
      }
    }
    let spec = try run(Array(rest.dropFirst()), level: level + 1)
    let text = try Self.format(value, spec)
    return isMarkup ? text.escaped : text
  }

  private mutating func lookUp(_ name: [Unicode.Scalar]) throws -> Value {
    let headEnd = name.firstIndex { $0 == "." || $0 == "[" } ?? name.count
    let head = Text(name[..<headEnd]).string
    var value: Value
    if head.isEmpty || Int(head) != nil {
      let number = Int(head) ?? next
      if head.isEmpty { next += 1 } else { isNumbered = true }
      guard !(isNumbered && next > 0) else {
        throw TemplateError(
          .value, "cannot switch from automatic field numbering to manual field specification")
      }
      guard arguments.positional.indices.contains(number) else {
        throw TemplateError(.lookup, "Replacement index \(number) out of range for positional args tuple")
      }
      value = arguments.positional[number]
    } else {
      guard let found = arguments.keywords.first(where: { $0.name == head }) else {
        throw TemplateError(.lookup, "no argument '\(head)'")
      }
      value = found.value
    }
    var rest = name[headEnd...]
    while let mark = rest.popFirst() {
      if mark == "." {
        let end = rest.firstIndex { $0 == "." || $0 == "[" } ?? rest.endIndex
        value = try interpreter.attribute(Text(rest[..<end]).string, of: value)
        rest = rest[end...]
      } else {
        guard mark == "[", let end = rest.firstIndex(of: "]") else {
          throw TemplateError(.value, "Missing ']' in format string")
        }
        let key = Text(rest[..<end])
        value = try interpreter.item(Int(key.string).map { .int($0) } ?? .string(key), of: value)
        rest = rest[(end + 1)...]
      }
    }
    return value
  }

  /// `format(value, spec)`.
  private static func format(_ value: Value, _ specText: Text) throws -> Text {
    if specText.isEmpty { return try value.text() }
    let spec = try FormatSpec(specText)
    func unknown() -> TemplateError {
      TemplateError(
        .value,
        "Unknown format code '\(spec.kind.map { String($0) } ?? "")' for object of type '\(value.typeName)'")
    }
    switch value {
    case .string(let text):
      guard spec.kind == nil || spec.kind == "s" else { throw unknown() }
      guard spec.sign == "-", spec.separator == nil, spec.alignment != "=", !spec.isAlternate else {
        throw TemplateError(.value, "a format for numbers with a text")
      }
      var own = spec
      if spec.isZeroPadded { own.fill = "0" }
      return own.padded(spec.precision.map { text.slice(0..<min($0, text.count)) } ?? text)
    case .int, .bool, .float:
      if let kind = spec.kind, "fFeEgG%".unicodeScalars.contains(kind) {
        return spec.floating(value.double ?? 0, kind)
      }
      if let number = value.integer {
        guard spec.precision == nil else {
          throw TemplateError(.value, "Precision not allowed in integer format specifier")
        }
        switch spec.kind {
        case nil, "d", "x", "X", "o", "b": return spec.whole(number, spec.kind ?? "d")
        default: throw unknown()
        }
      }
      guard spec.kind == nil, spec.precision == nil, case .float(let number) = value else {
        throw TemplateError(.notSupported, "the format '\(specText.string)' of a number")
      }
      var own = spec
      own.alignment = spec.alignment ?? ">"
      return own.padded(Text(Value.text(of: number)), isNumber: true)
    default: throw TemplateError(.type, "unsupported format string passed to \(value.typeName).__format__")
    }
  }
}
