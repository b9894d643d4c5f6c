internal import FileBytes

/// A strict forward scanner over the JSON text of a header or an index.
///
/// It exists beside the system's JSON decoder because a header must be checked for
/// what a decoder hides (duplicate keys, numbers written as fractions) and because a
/// header of a hundred thousand tensors should be read in a fraction of a second.
/// Positions in messages are byte offsets into `bytes`.
struct JSONScanner {
  /// How deep skipped values may nest.
  static let nestingLimit = 32

  /// The text.
  let bytes: UnsafeRawBufferPointer
  /// The offset of the next byte; never past the end.
  private(set) var position: Int
  /// The name used in messages.
  let file: String

  init(_ bytes: UnsafeRawBufferPointer, from position: Int = 0, file: String) {
    self.bytes = bytes
    self.position = min(position, bytes.count)
    self.file = file
  }

  /// The next byte, if there is one.
  private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  /// An error about the text at the current position.
  @inline(never)
  func failure(
    _ code: SafetensorsError.Code = .malformedJSON, subject: String = "", expected: String,
    at place: Int? = nil
  ) -> SafetensorsError {
    let place = place ?? position
    let found: String
    if place >= bytes.count {
      found = "the end of the header at byte \(place)"
    } else if bytes[place] >= 0x21, bytes[place] < 0x7F {
      found = "\"\(Character(UnicodeScalar(bytes[place])))\" at byte \(place)"
    } else {
      found = "byte 0x\(String(bytes[place], radix: 16)) at byte \(place)"
    }
    return SafetensorsError(
      code,
      Fault(
        file: file, subject: subject, expected: expected, found: found,
        remedy: "the file is damaged or was not written by a safetensors writer; fetch it again"))
  }

  /// Moves past white space.
  mutating func skipSpace() {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x09, 0x0A, 0x0D: position += 1
      default: return
      }
    }
  }

  /// True when only white space is left.
  mutating func isAtEnd() -> Bool {
    skipSpace()
    return position == bytes.count
  }

  /// The next byte that is not white space, without taking it.
  mutating func peek() -> UInt8? {
    skipSpace()
    return current
  }

  /// Takes `byte` if it is the next one.
  mutating func takeIf(_ byte: UInt8) -> Bool {
    skipSpace()
    guard current == byte else { return false }
    position += 1
    return true
  }

  /// Takes `byte` or throws.
  mutating func expect(_ byte: UInt8, _ what: String) throws(SafetensorsError) {
    guard takeIf(byte) else { throw failure(expected: what) }
  }

  /// Calls `member` for each key of an object, positioned at the value, which `member` must take.
  mutating func object(
    _ what: String, _ member: (inout JSONScanner, String) throws(SafetensorsError) -> Void
  ) throws(SafetensorsError) {
    try expect(UInt8(ascii: "{"), what)
    if takeIf(UInt8(ascii: "}")) { return }
    while true {
      let key = try string("a key in quotes")
      try expect(UInt8(ascii: ":"), "a colon after the key")
      try member(&self, key)
      if takeIf(UInt8(ascii: ",")) { continue }
      try expect(UInt8(ascii: "}"), "a comma or the end of the object")
      return
    }
  }

  /// Calls `element` for each element of an array, positioned at it.
  mutating func array(
    _ what: String, _ element: (inout JSONScanner) throws(SafetensorsError) -> Void
  ) throws(SafetensorsError) {
    try expect(UInt8(ascii: "["), what)
    if takeIf(UInt8(ascii: "]")) { return }
    while true {
      try element(&self)
      if takeIf(UInt8(ascii: ",")) { continue }
      try expect(UInt8(ascii: "]"), "a comma or the end of the array")
      return
    }
  }

  /// Takes a string.
  mutating func string(_ what: String) throws(SafetensorsError) -> String {
    try expect(UInt8(ascii: "\""), what)
    let start = position
    while let byte = current, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 {
      position += 1
    }
    guard let stop = current else { throw failure(expected: "the closing quote of a string") }
    if stop == UInt8(ascii: "\"") {
      let text = try text(UnsafeRawBufferPointer(rebasing: bytes[start..<position]), at: start)
      position += 1
      return text
    }
    return try escapedString(from: start)
  }

  /// Continues a string in which an escape (or a bad byte) was met; `start` is its first byte.
  private mutating func escapedString(from start: Int) throws(SafetensorsError) -> String {
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
  private mutating func appendEscape(to units: inout [UInt8]) throws(SafetensorsError) {
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
  private mutating func hexadecimal() throws(SafetensorsError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = current, let digit = Character(UnicodeScalar(byte)).hexDigitValue, byte < 0x80 else {
        throw failure(expected: "four hexadecimal digits")
      }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }

  /// Checks and copies a run of bytes as text.
  private func text(_ run: UnsafeRawBufferPointer, at start: Int) throws(SafetensorsError) -> String {
    guard let text = String(utf8: run) else { throw failure(.notUTF8, expected: "text in UTF-8", at: start) }
    return text
  }

  /// Takes a non-negative whole number written with digits alone.
  mutating func count(_ what: String, subject: String) throws(SafetensorsError) -> Int {
    skipSpace()
    let start = position
    var value = 0
    while let byte = current, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") {
      let (scaled, overflow1) = value.multipliedReportingOverflow(by: 10)
      let (sum, overflow2) = scaled.addingReportingOverflow(Int(byte - UInt8(ascii: "0")))
      guard !overflow1, !overflow2 else {
        throw failure(.numberOverflow, subject: subject, expected: "\(what) below 2^63", at: start)
      }
      value = sum
      position += 1
    }
    let digits = position - start
    guard digits > 0, digits == 1 || bytes[start] != UInt8(ascii: "0") else {
      throw failure(
        .badNumber, subject: subject, expected: "\(what), a whole number of at least 0", at: start)
    }
    if let byte = current, byte == UInt8(ascii: ".") || byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E")
    {
      throw failure(
        .badNumber, subject: subject, expected: "\(what), a whole number of at least 0", at: position)
    }
    return value
  }

  /// Takes any JSON number.
  mutating func number() throws(SafetensorsError) -> Double {
    skipSpace()
    let start = position
    if current == UInt8(ascii: "-") { position += 1 }
    let first = position
    guard skipDigits() > 0, position == first + 1 || bytes[first] != UInt8(ascii: "0") else {
      throw failure(expected: "a number", at: start)
    }
    if current == UInt8(ascii: ".") {
      position += 1
      guard skipDigits() > 0 else { throw failure(expected: "digits after the decimal point") }
    }
    if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
      position += 1
      if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
      guard skipDigits() > 0 else { throw failure(expected: "digits in the exponent") }
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    guard let value = Double(text) else { throw failure(expected: "a number", at: start) }
    return value
  }

  /// Moves past decimal digits and returns how many there were.
  private mutating func skipDigits() -> Int {
    let start = position
    while let byte = current, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") { position += 1 }
    return position - start
  }

  /// Moves past one value of any kind.
  mutating func skipValue(depth: Int = 0) throws(SafetensorsError) {
    guard depth < Self.nestingLimit else {
      throw failure(.nestingTooDeep, expected: "at most \(Self.nestingLimit) levels of nesting")
    }
    switch peek() {
    case UInt8(ascii: "{"):
      try object("an object") { (scanner, _) throws(SafetensorsError) in
        try scanner.skipValue(depth: depth + 1)
      }
    case UInt8(ascii: "["):
      try array("an array") { (scanner) throws(SafetensorsError) in try scanner.skipValue(depth: depth + 1) }
    case UInt8(ascii: "\""): _ = try string("a string")
    case UInt8(ascii: "t"): try word("true")
    case UInt8(ascii: "f"): try word("false")
    case UInt8(ascii: "n"): try word("null")
    default: _ = try number()
    }
  }

  /// Moves past a literal.
  private mutating func word(_ text: String) throws(SafetensorsError) {
    let start = position
    for byte in text.utf8 {
      guard current == byte else { throw failure(expected: text, at: start) }
      position += 1
    }
  }
}
