internal import Foundation

/// Python's `format % values`.
struct PercentFormat {
  private let format: [Unicode.Scalar]
  private var position = 0
  private var values: [Value]
  private let mapping: Dictionary?
  private let isMarkup: Bool
  private let interpreter: Interpreter
  private var result = Text(utf8: [])

  static func text(_ format: Text, _ value: Value, _ interpreter: Interpreter) throws -> Text {
    var formatter = PercentFormat(format, value, interpreter)
    return try formatter.run(value)
  }

  private init(_ format: Text, _ value: Value, _ interpreter: Interpreter) {
    self.format = format.scalars
    isMarkup = format.isMarkup
    self.interpreter = interpreter
    switch value {
    case .tuple(let elements):
      values = elements.items
      mapping = nil
    case .dictionary(let dictionary):
      values = [value]
      mapping = dictionary
    default:
      values = [value]
      mapping = nil
    }
    values.reverse()
  }

  private mutating func run(_ value: Value) throws -> Text {
    var usesMapping = false
    while position < format.count {
      let scalar = format[position]
      position += 1
      guard scalar == "%" else {
        result.append(scalar)
        continue
      }
      if try conversion() { usesMapping = true }
      guard result.utf8.count <= Value.textLimit else {
        throw TemplateError(.limit, "a text of more than \(Value.textLimit) bytes")
      }
    }
    // A mapping or list that is not asked for is no mistake in Python.
    let isSpare: Bool
    switch value {
    case .dictionary, .list, .undefined: isSpare = true
    default: isSpare = usesMapping
    }
    guard values.isEmpty || isSpare else {
      throw TemplateError(.type, "not all arguments converted during string formatting")
    }
    return result.marked(isMarkup)
  }

  private mutating func take() throws -> Value {
    guard let value = values.popLast() else {
      throw TemplateError(.type, "not enough arguments for format string")
    }
    return value
  }

  private mutating func next() throws -> Unicode.Scalar {
    guard position < format.count else { throw TemplateError(.value, "incomplete format") }
    position += 1
    return format[position - 1]
  }

  /// One conversion; whether it took its value by a key.
  private mutating func conversion() throws -> Bool {
    var spec = FormatSpec()
    var keyed: Value?
    var scalar = try next()
    if scalar == "(" {
      var key = Text(utf8: [])
      var level = 1
      while true {
        let part = try next()
        if part == "(" { level += 1 }
        if part == ")" {
          level -= 1
          if level == 0 { break }
        }
        key.append(part)
      }
      guard let mapping else { throw TemplateError(.type, "format requires a mapping") }
      guard let value = mapping.get(key.string) else {
        throw TemplateError(.lookup, "no key \(key.representation.string)")
      }
      keyed = value
      scalar = try next()
    }
    var isLeft = false
    while "-+ #0".unicodeScalars.contains(scalar) {
      switch scalar {
      case "-": isLeft = true
      case "+": spec.sign = "+"
      case " ": if spec.sign != "+" { spec.sign = " " }
      case "#": spec.isAlternate = true
      default: spec.isZeroPadded = true
      }
      scalar = try next()
    }
    spec.width = try number(&scalar) ?? 0
    if spec.width < 0 {
      isLeft = true
      spec.width = -spec.width
    }
    if scalar == "." {
      scalar = try next()
      spec.precision = max(try number(&scalar) ?? 0, 0)
    }
    if "hlL".unicodeScalars.contains(scalar) { scalar = try next() }
    if scalar == "%" {
      result.append("%")
      return keyed != nil
    }
    spec.alignment = isLeft ? "<" : ">"
    if isLeft { spec.isZeroPadded = false }
    let value = try keyed ?? take()
    try append(value, scalar, spec)
    return keyed != nil
  }

  private mutating func number(_ scalar: inout Unicode.Scalar) throws -> Int? {
    if scalar == "*" {
      guard let value = try take().integer else { throw TemplateError(.type, "* wants int") }
      scalar = try next()
      return value
    }
    var value: Int?
    while let digit = "0"..."9" ~= scalar ? Int(scalar.value - 0x30) : nil {
      value = (value ?? 0) * 10 + digit
      guard value ?? 0 <= FormatSpec.widthLimit else {
        throw TemplateError(.limit, "a width of more than \(FormatSpec.widthLimit)")
      }
      scalar = try next()
    }
    return value
  }

  private mutating func append(_ value: Value, _ kind: Unicode.Scalar, _ spec: FormatSpec) throws {
    switch kind {
    case "s", "r", "a":
      var text = kind == "s" ? try value.text() : try value.representation()
      if kind == "a" { text = Text(text.asciiEscaped) }
      if isMarkup { text = text.escaped }
      result.append(spec.padded(spec.precision.map { text.slice(0..<min($0, text.count)) } ?? text))
    case "d", "i", "u", "x", "X", "o":
      try value.requireDefined()
      var number = value.integer
      if number == nil, case .float(let fraction) = value, "diu".unicodeScalars.contains(kind) {
        guard let whole = Int(exactly: fraction.rounded(.towardZero)) else { throw Operators.tooLarge() }
        number = whole
      }
      guard let number else {
        throw TemplateError(.type, "%\(kind) format: a number is required, not \(value.typeName)")
      }
      result.append(
        spec.whole(number, "iu".unicodeScalars.contains(kind) ? "d" : kind, minimum: spec.precision))
    case "f", "F", "e", "E", "g", "G":
      try value.requireDefined()
      guard let number = value.double else {
        throw TemplateError(.type, "must be real number, not \(value.typeName)")
      }
      result.append(spec.floating(number, kind))
    case "c":
      if case .string(let text) = value, text.count == 1 { return result.append(spec.padded(text)) }
      guard let number = value.integer, let code = UInt32(exactly: number), let scalar = Unicode.Scalar(code)
      else { throw TemplateError(.type, "%c requires int or char") }
      result.append(spec.padded(Text([scalar])))
    default:
      throw TemplateError(.value, "unsupported format character '\(kind)'")
    }
  }
}
