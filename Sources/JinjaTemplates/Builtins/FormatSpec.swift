internal import Foundation

/// Width, alignment and precision of a value that is formatted.
struct FormatSpec {
  var fill: Unicode.Scalar = " "
  var alignment: Unicode.Scalar?
  var sign: Unicode.Scalar = "-"
  var isAlternate = false
  var isZeroPadded = false
  var width = 0
  var separator: Unicode.Scalar?
  var precision: Int?
  var kind: Unicode.Scalar?

  static let widthLimit = 100_000

  init() {}

  /// Reads what stands behind the colon in `{:…}`.
  init(_ text: Text) throws {
    let scalars = text.scalars
    var index = 0
    func at(_ place: Int) -> Unicode.Scalar? { place < scalars.count ? scalars[place] : nil }
    func isAlignment(_ scalar: Unicode.Scalar?) -> Bool {
      scalar.map { "<>=^".unicodeScalars.contains($0) } ?? false
    }
    if isAlignment(at(1)) {
      fill = scalars[0]
      alignment = scalars[1]
      index = 2
    } else if isAlignment(at(0)) {
      alignment = scalars[0]
      index = 1
    }
    if let mark = at(index), "+- ".unicodeScalars.contains(mark) {
      sign = mark
      index += 1
    }
    if at(index) == "#" {
      isAlternate = true
      index += 1
    }
    if at(index) == "0" {
      isZeroPadded = alignment == nil
      if alignment != nil, fill == " " { fill = "0" }
      index += 1
    }
    func number() throws -> Int? {
      var value: Int?
      while let scalar = at(index), "0"..."9" ~= scalar {
        value = (value ?? 0) * 10 + Int(scalar.value - 0x30)
        guard value ?? 0 <= Self.widthLimit else {
          throw TemplateError(.limit, "a width of more than \(Self.widthLimit)")
        }
        index += 1
      }
      return value
    }
    width = try number() ?? 0
    if at(index) == "," || at(index) == "_" {
      separator = scalars[index]
      index += 1
    }
    if at(index) == "." {
      index += 1
      guard let digits = try number() else {
        throw TemplateError(.value, "Format specifier missing precision")
      }
      precision = digits
    }
    if let last = at(index) {
      kind = last
      index += 1
    }
    guard index == scalars.count else { throw TemplateError(.value, "Invalid format specifier") }
  }

  /// A text at the width; numbers go to the right unless told otherwise.
  func padded(_ text: Text, isNumber: Bool = false) -> Text {
    let missing = width - text.count
    guard missing > 0 else { return text }
    let pad = Text([fill])
    switch alignment ?? (isNumber ? ">" : "<") {
    case "<": return text + pad.repeated(missing)
    case "^": return pad.repeated(missing / 2) + text + pad.repeated(missing - missing / 2)
    default: return pad.repeated(missing) + text
    }
  }

  /// Sign, prefix and digits at the width.
  private func number(isNegative: Bool, prefix: String, digits: String) -> Text {
    let mark = isNegative ? "-" : sign == "-" ? "" : String(sign)
    var digits = grouped(digits)
    if isZeroPadded || alignment == "=" {
      let missing = width - mark.count - prefix.count - digits.count
      if missing > 0 {
        digits = String(repeating: isZeroPadded ? "0" : String(fill), count: missing) + digits
      }
    }
    return padded(Text(mark + prefix + digits), isNumber: true)
  }

  private func grouped(_ digits: String) -> String {
    guard let separator else { return digits }
    let whole = digits.prefix { $0.isNumber }
    var result = ""
    for (index, digit) in whole.enumerated() {
      if index > 0, (whole.count - index) % 3 == 0 { result.unicodeScalars.append(separator) }
      result.append(digit)
    }
    return result + digits.dropFirst(whole.count)
  }

  func whole(_ value: Int, _ kind: Unicode.Scalar, minimum: Int? = nil) -> Text {
    let radix = kind == "x" || kind == "X" ? 16 : kind == "o" ? 8 : kind == "b" ? 2 : 10
    var digits = String(value.magnitude, radix: radix, uppercase: kind == "X")
    if let minimum, digits.count < minimum {
      digits = String(repeating: "0", count: minimum - digits.count) + digits
    }
    let prefix = isAlternate && radix != 10 ? "0\(kind)" : ""
    return number(isNegative: value < 0, prefix: prefix, digits: digits)
  }

  func floating(_ value: Double, _ kind: Unicode.Scalar) -> Text {
    var plain = self
    if !value.isFinite { plain.isZeroPadded = false }
    let digits: String
    switch kind {
    case "%": digits = Self.c(abs(value) * 100, precision ?? 6, "f") + "%"
    default: digits = Self.c(abs(value), precision ?? 6, kind)
    }
    return plain.number(
      isNegative: value.sign == .minus && !value.isNaN, prefix: "", digits: digits)
  }

  /// As C prints it.
  static func c(_ value: Double, _ precision: Int, _ kind: Unicode.Scalar) -> String {
    if value.isNaN { return kind.properties.isUppercase ? "NAN" : "nan" }
    if value.isInfinite { return kind.properties.isUppercase ? "INF" : "inf" }
    return String(format: "%.\(min(precision, 400))\(kind)", value)
  }
}
