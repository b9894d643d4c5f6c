/// Reads numbers and separators from an attribute's value.
struct NumberScanner {
  let bytes: [UInt8]
  var index = 0

  init(_ text: String) { bytes = Array(text.utf8) }

  var isAtEnd: Bool { index >= bytes.count }
  var current: UInt8? { index < bytes.count ? bytes[index] : nil }

  /// Passes over white space.
  mutating func skipSpace() {
    while let byte = current, byte == 0x20 || (0x09...0x0D).contains(byte) { index += 1 }
  }

  /// Passes over white space with at most one comma in it.
  mutating func skipSeparator() {
    skipSpace()
    if current == UInt8(ascii: ",") {
      index += 1
      skipSpace()
    }
  }

  /// Takes a letter or other byte if it is next.
  mutating func take(_ byte: UInt8) -> Bool {
    guard current == byte else { return false }
    index += 1
    return true
  }

  /// A number by the SVG grammar: sign, digits, point, exponent; `nil`, without moving, when there is none.
  ///
  /// An `e` that no digits follow is left, since it may begin a unit (`em`).
  mutating func number() -> Double? {
    let start = index
    var position = index
    func isDigit(_ at: Int) -> Bool { at < bytes.count && (0x30...0x39).contains(bytes[at]) }
    if position < bytes.count, bytes[position] == 0x2B || bytes[position] == 0x2D { position += 1 }
    var digits = 0
    while isDigit(position) {
      position += 1
      digits += 1
    }
    if position < bytes.count, bytes[position] == UInt8(ascii: "."), isDigit(position + 1) || digits > 0 {
      position += 1
      while isDigit(position) {
        position += 1
        digits += 1
      }
    }
    guard digits > 0 else { return nil }
    if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
      var exponent = position + 1
      if exponent < bytes.count, bytes[exponent] == 0x2B || bytes[exponent] == 0x2D { exponent += 1 }
      if isDigit(exponent) {
        while isDigit(exponent) { exponent += 1 }
        position = exponent
      }
    }
    var text = String(decoding: bytes[start..<position], as: UTF8.self)
    if text.hasSuffix(".") { text.removeLast() }
    guard let value = Double(text) else { return nil }
    index = position
    return value
  }

  /// The letters and `%` that follow a number directly.
  mutating func unit() -> String {
    let start = index
    while let byte = current, (0x61...0x7A).contains(byte | 0x20) || byte == UInt8(ascii: "%") { index += 1 }
    return String(decoding: bytes[start..<index], as: UTF8.self).lowercased()
  }

  /// All numbers of a list separated by white space and commas; reading stops at the first thing that is none.
  static func list(_ text: String) -> [Double] {
    var scanner = NumberScanner(text)
    var values: [Double] = []
    scanner.skipSpace()
    while let value = scanner.number() {
      values.append(value)
      scanner.skipSeparator()
    }
    return values
  }
}

/// A length with the unit it was given in.
struct SVGLength {
  var value: Double
  var unit: String

  /// Parses a length; `nil` when there is no number.
  init?(_ text: String) {
    var scanner = NumberScanner(text)
    scanner.skipSpace()
    guard let value = scanner.number() else { return nil }
    self.value = value
    unit = scanner.unit()
  }

  /// The length in user units.
  ///
  /// - Parameters:
  ///   - whole: What 100 % is.
  ///   - fontSize: What 1 em is.
  /// - Returns: User units.
  func resolved(whole: Double, fontSize: Double) -> Double {
    switch unit {
    case "%": value * whole / 100
    case "pt": value * 4 / 3
    case "pc": value * 16
    case "in": value * 96
    case "cm": value * 96 / 2.54
    case "mm": value * 96 / 25.4
    case "em": value * fontSize
    case "ex": value * fontSize / 2
    default: value
    }
  }
}
