internal import Foundation

/// How Python writes values: `str()` and `repr()`.
extension Value {
  /// `str(value)`.
  func text() throws -> Text {
    switch self {
    case .string(let text): return text
    case .undefined: return Text(utf8: [])
    case .unsafe: return Text(utf8: [])
    default:
      var result = Text(utf8: [])
      try appendRepresentation(to: &result)
      return result
    }
  }

  /// `repr(value)`.
  func representation() throws -> Text {
    var result = Text(utf8: [])
    try appendRepresentation(to: &result)
    return result
  }

  /// The most bytes of a text.
  static let textLimit = 16 << 20

  private func appendRepresentation(to result: inout Text) throws {
    guard result.utf8.count <= Self.textLimit else {
      throw TemplateError(.limit, "a text of more than \(Self.textLimit) bytes")
    }
    switch self {
    case .none: result.append("None")
    case .bool(let flag): result.append(flag ? "True" : "False")
    case .int(let number): result.append(String(number))
    case .float(let number): result.append(Self.text(of: number))
    case .string(let text):
      if text.isMarkup { result.append("Markup(") }
      result.append(text.representation)
      if text.isMarkup { result.append(")") }
    case .list(let elements):
      result.append("[")
      try Self.append(elements.items, to: &result)
      result.append("]")
    case .tuple(let elements):
      result.append("(")
      try Self.append(elements.items, to: &result)
      result.append(elements.count == 1 ? ",)" : ")")
    case .dictionary(let dictionary):
      result.append("{")
      for (index, (key, value)) in zip(dictionary.keys, dictionary.values).enumerated() {
        if index > 0 { result.append(", ") }
        try key.appendRepresentation(to: &result)
        result.append(": ")
        try value.appendRepresentation(to: &result)
      }
      result.append("}")
    case .undefined, .unsafe: result.append("Undefined")
    case .range(let range):
      result.append("range(\(range.start), \(range.stop)")
      result.append(range.step == 1 ? ")" : ", \(range.step))")
    case .view(let view):
      result.append("dict_\(view.kind.rawValue)([")
      try Self.append(view.items, to: &result)
      result.append("])")
    case .iterator, .function, .method, .namespace, .cycler, .joiner:
      // Python writes the place in memory.
      throw TemplateError(.notSupported, "the text of an object of the kind \(typeName)")
    case .macro(let macro): result.append("<Macro \(Text(macro.declaration.name).representation.string)>")
    case .loop(let loop): result.append("<LoopContext \(loop.index0 + 1)/\(try loop.count())>")
    }
  }

  private static func append(_ items: [Value], to result: inout Text) throws {
    for (index, item) in items.enumerated() {
      if index > 0 { result.append(", ") }
      try item.appendRepresentation(to: &result)
    }
  }

  /// `repr` of a floating-point number: the shortest digits that give the same number.
  static func text(of number: Double) -> String {
    if number.isNaN { return "nan" }
    if number.isInfinite { return number < 0 ? "-inf" : "inf" }
    let (digits, exponent) = shortestDigits(number.magnitude)
    let sign = number.sign == .minus ? "-" : ""
    if exponent < -4 || exponent >= 16 {
      let rest = digits.dropFirst()
      let power = exponent.magnitude < 10 ? "0\(exponent.magnitude)" : "\(exponent.magnitude)"
      return sign + String(digits.prefix(1)) + (rest.isEmpty ? "" : "." + rest)
        + (exponent < 0 ? "e-" : "e+") + power
    }
    if exponent < 0 { return sign + "0." + String(repeating: "0", count: -exponent - 1) + digits }
    let whole = exponent + 1
    if digits.count <= whole {
      return sign + digits + String(repeating: "0", count: whole - digits.count) + ".0"
    }
    return sign + digits.prefix(whole) + "." + digits.dropFirst(whole)
  }

  /// The digits of a number that is not negative, and the power of ten of the first one.
  private static func shortestDigits(_ number: Double) -> (digits: String, exponent: Int) {
    if number == 0 { return ("0", 0) }
    let parts = "\(number)".split(separator: "e")
    let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
    let whole = String(mantissa[0])
    let fraction = mantissa.count > 1 ? String(mantissa[1]) : ""
    var exponent = (parts.count > 1 ? Int(parts[1]) ?? 0 : 0) + whole.count - 1
    var digits = Array(whole + fraction)
    while digits.count > 1, digits.first == "0" {
      digits.removeFirst()
      exponent -= 1
    }
    while digits.count > 1, digits.last == "0" { digits.removeLast() }
    return (String(digits), exponent)
  }
}

extension Text {
  /// `repr` of a string.
  var representation: Text {
    let scalars = self.scalars
    let quote: Unicode.Scalar = scalars.contains("'") && !scalars.contains("\"") ? "\"" : "'"
    var result = Text(utf8: [])
    result.append(quote)
    for scalar in scalars {
      switch scalar {
      case "\\": result.append("\\\\")
      case "\n": result.append("\\n")
      case "\r": result.append("\\r")
      case "\t": result.append("\\t")
      case quote:
        result.append("\\")
        result.append(quote)
      case _ where scalar.isPythonPrintable: result.append(scalar)
      default: result.append(scalar.pythonEscape)
      }
    }
    result.append(quote)
    return result
  }

  /// The text with everything outside of ASCII as an escape.
  var asciiEscaped: String {
    scalars.map { $0.isASCII ? String($0) : $0.pythonEscape }.joined()
  }
}

extension Unicode.Scalar {
  /// `\xNN`, `\uNNNN` or `\UNNNNNNNN`.
  var pythonEscape: String {
    let digits = String(value, radix: 16)
    func padded(_ count: Int) -> String { String(repeating: "0", count: count - digits.count) + digits }
    if value < 0x100 { return "\\x" + padded(2) }
    return value < 0x10000 ? "\\u" + padded(4) : "\\U" + padded(8)
  }
}
