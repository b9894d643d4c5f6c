extension JSONScanner {
  /// Takes a string, scalar for scalar as it is stored.
  ///
  /// - Parameter what: What it is, for messages.
  /// - Returns: The text, escapes decoded.
  /// - Throws: ``JSONError``; half a surrogate pair is refused in every dialect.
  package mutating func string(_ what: String = "a string") throws(JSONError) -> String {
    try expect(UInt8(ascii: "\""), what)
    let start = position
    while let byte = current, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 {
      position += 1
    }
    guard let stop = current else { throw failure(expected: "the closing quote of a string") }
    if stop == UInt8(ascii: "\"") {
      guard let text = String(utf8: UnsafeRawBufferPointer(rebasing: bytes[start..<position])) else {
        throw failure(.notUTF8, expected: "text in UTF-8", at: start)
      }
      position += 1
      return text
    }
    return try escapedString(from: start)
  }

  /// Continues a string in which an escape (or a bad byte) was met; `start` is its first byte.
  private mutating func escapedString(from start: Int) throws(JSONError) -> String {
    var units = [UInt8](bytes[start..<position])
    while let byte = current {
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let text = units.withUnsafeBytes({ String(utf8: $0) }) else {
          throw failure(.notUTF8, expected: "text in UTF-8", at: start)
        }
        return text
      case UInt8(ascii: "\\"):
        try appendEscape(to: &units)
      case 0..<0x20:
        throw failure(expected: "no control character inside a string", at: position - 1)
      default:
        units.append(byte)
      }
    }
    throw failure(expected: "the closing quote of a string")
  }

  /// Decodes what follows a backslash.
  private mutating func appendEscape(to units: inout [UInt8]) throws(JSONError) {
    guard let byte = current else { throw failure(expected: "an escape sequence") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): units.append(byte)
    case UInt8(ascii: "b"): units.append(0x08)
    case UInt8(ascii: "f"): units.append(0x0C)
    case UInt8(ascii: "n"): units.append(0x0A)
    case UInt8(ascii: "r"): units.append(0x0D)
    case UInt8(ascii: "t"): units.append(0x09)
    case UInt8(ascii: "u"):
      var value = try hexadecimal()
      if value >= 0xD800, value < 0xDC00 {
        guard current == UInt8(ascii: "\\") else {
          throw failure(expected: "the second half of a surrogate pair")
        }
        position += 1
        guard current == UInt8(ascii: "u") else {
          throw failure(expected: "the second half of a surrogate pair")
        }
        position += 1
        let low = try hexadecimal()
        guard low >= 0xDC00, low < 0xE000 else {
          throw failure(expected: "the second half of a surrogate pair", at: position - 4)
        }
        value = 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00)
      }
      guard let scalar = UnicodeScalar(value) else {
        throw failure(expected: "a Unicode scalar, not half a surrogate pair", at: position - 4)
      }
      units.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    default:
      throw failure(expected: "an escape sequence", at: position - 1)
    }
  }

  /// Takes four hexadecimal digits.
  private mutating func hexadecimal() throws(JSONError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = current, byte < 0x80, let digit = Character(UnicodeScalar(byte)).hexDigitValue else {
        throw failure(expected: "four hexadecimal digits")
      }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }
}
