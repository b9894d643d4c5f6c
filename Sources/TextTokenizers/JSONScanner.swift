internal import FileBytes

/// A forward-only reader over a large JSON document.
///
/// `tokenizer.json` holds hundreds of thousands of strings, of which some differ only in Unicode normalisation;
/// Foundation's decoders would be slow on it and would merge such keys. This scanner visits members and elements
/// one by one and hands over each string exactly as stored. It reads nothing outside its buffer.
struct JSONScanner {
  /// The document.
  let bytes: UnsafeRawBufferPointer
  /// The name that errors give.
  let file: String
  /// The position of the next byte.
  private(set) var offset = 0

  /// The nesting that skipped values may have.
  static let nestingLimit = 256

  init(_ bytes: UnsafeRawBufferPointer, file: String) {
    self.bytes = bytes
    self.file = file
    if bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF { offset = 3 }
  }

  /// The error for what stands at the current position.
  func failure(expected: String) -> TokenizerError {
    let found =
      offset < bytes.count
      ? "byte 0x\(String(bytes[offset], radix: 16)) at offset \(offset)" : "the end of the file"
    return TokenizerError(.malformedJSON, Fault(file: file, expected: expected, found: found))
  }

  /// The next byte that is not white space, without taking it.
  mutating func peek() throws -> UInt8 {
    while offset < bytes.count {
      let byte = bytes[offset]
      if byte != 0x20 && byte != 0x0A && byte != 0x0D && byte != 0x09 { return byte }
      offset += 1
    }
    throw failure(expected: "a JSON value")
  }

  private mutating func take(_ wanted: UInt8, _ expected: String) throws {
    guard try peek() == wanted else { throw failure(expected: expected) }
    offset += 1
  }

  /// Checks that nothing but white space is left.
  mutating func finish() throws {
    while offset < bytes.count {
      guard [0x20, 0x0A, 0x0D, 0x09].contains(bytes[offset]) else {
        throw failure(expected: "the end of the document")
      }
      offset += 1
    }
  }

  /// Visits the members of an object; `body` must take exactly one value each time.
  mutating func forEachMember(_ body: (_ key: String, _ scanner: inout JSONScanner) throws -> Void) throws {
    try take(UInt8(ascii: "{"), "an object")
    if try peek() == UInt8(ascii: "}") {
      offset += 1
      return
    }
    while true {
      guard try peek() == UInt8(ascii: "\"") else { throw failure(expected: "a key in quotes") }
      let key = try string()
      try take(UInt8(ascii: ":"), "a colon")
      try body(key, &self)
      let next = try peek()
      guard next == UInt8(ascii: ",") || next == UInt8(ascii: "}") else {
        throw failure(expected: "a comma or a closing brace")
      }
      offset += 1
      if next == UInt8(ascii: "}") { return }
    }
  }

  /// Visits the elements of an array; `body` must take exactly one value each time.
  mutating func forEachElement(_ body: (_ scanner: inout JSONScanner) throws -> Void) throws {
    try take(UInt8(ascii: "["), "an array")
    if try peek() == UInt8(ascii: "]") {
      offset += 1
      return
    }
    while true {
      try body(&self)
      let next = try peek()
      guard next == UInt8(ascii: ",") || next == UInt8(ascii: "]") else {
        throw failure(expected: "a comma or a closing bracket")
      }
      offset += 1
      if next == UInt8(ascii: "]") { return }
    }
  }

  /// Takes a string.
  mutating func string() throws -> String {
    try take(UInt8(ascii: "\""), "a string")
    let start = offset
    while offset < bytes.count {
      let byte = bytes[offset]
      if byte == UInt8(ascii: "\"") {
        let text = try decoded(UnsafeRawBufferPointer(rebasing: bytes[start..<offset]))
        offset += 1
        return text
      }
      if byte == UInt8(ascii: "\\") { return try escapedString(from: start) }
      guard byte >= 0x20 else { throw failure(expected: "no control character inside a string") }
      offset += 1
    }
    throw failure(expected: "the end of a string")
  }

  private func decoded(_ utf8: UnsafeRawBufferPointer) throws -> String {
    guard let text = String(validating: utf8, as: UTF8.self) else {
      throw failure(expected: "valid UTF-8 in the string that ends here")
    }
    return text
  }

  private mutating func escapedString(from start: Int) throws -> String {
    var text = [UInt8](bytes[start..<offset])
    while offset < bytes.count {
      let byte = bytes[offset]
      if byte == UInt8(ascii: "\"") {
        let result = try text.withUnsafeBytes { try decoded($0) }
        offset += 1
        return result
      }
      guard byte >= 0x20 else { throw failure(expected: "no control character inside a string") }
      offset += 1
      if byte == UInt8(ascii: "\\") { try appendEscape(to: &text) } else { text.append(byte) }
    }
    throw failure(expected: "the end of a string")
  }

  private mutating func appendEscape(to text: inout [UInt8]) throws {
    guard offset < bytes.count else { throw failure(expected: "an escape sequence") }
    let kind = bytes[offset]
    offset += 1
    switch kind {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(kind)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0C)
    case UInt8(ascii: "n"): text.append(0x0A)
    case UInt8(ascii: "r"): text.append(0x0D)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"):
      var code = try hexadecimalUnit()
      if (0xD800..<0xDC00).contains(code) {
        guard offset + 1 < bytes.count, bytes[offset] == UInt8(ascii: "\\"),
          bytes[offset + 1] == UInt8(ascii: "u")
        else { throw failure(expected: "the second half of a surrogate pair") }
        offset += 2
        let low = try hexadecimalUnit()
        guard (0xDC00..<0xE000).contains(low) else {
          throw failure(expected: "the second half of a surrogate pair")
        }
        code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let scalar = Unicode.Scalar(code) else { throw failure(expected: "a Unicode scalar value") }
      text.append(contentsOf: Array(String(Character(scalar)).utf8))
    default:
      throw failure(expected: "an escape sequence")
    }
  }

  private mutating func hexadecimalUnit() throws -> UInt32 {
    guard offset + 4 <= bytes.count else { throw failure(expected: "four hexadecimal digits") }
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = Character(Unicode.Scalar(bytes[offset])).hexDigitValue else {
        throw failure(expected: "four hexadecimal digits")
      }
      code = code << 4 | UInt32(digit)
      offset += 1
    }
    return code
  }

  /// Takes a whole number that is not negative.
  mutating func count() throws -> Int {
    guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(try peek()) else {
      throw failure(expected: "a whole number")
    }
    var value = 0
    while offset < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[offset]) {
      guard value < 1 << 40 else { throw failure(expected: "a smaller number") }
      value = value * 10 + Int(bytes[offset] - UInt8(ascii: "0"))
      offset += 1
    }
    if offset < bytes.count,
      [UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E")].contains(bytes[offset])
    {
      throw failure(expected: "a whole number")
    }
    return value
  }

  /// Takes any value and returns where it stands; its inside is checked for balance only.
  mutating func skipValue() throws -> Range<Int> {
    _ = try peek()
    let start = offset
    var open: [UInt8] = []
    repeat {
      let byte = try peek()
      switch byte {
      case UInt8(ascii: "\""):
        _ = try string()
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        guard open.count < Self.nestingLimit else {
          throw failure(expected: "at most \(Self.nestingLimit) levels of nesting")
        }
        open.append(byte == UInt8(ascii: "{") ? UInt8(ascii: "}") : UInt8(ascii: "]"))
        offset += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        guard open.popLast() == byte else { throw failure(expected: "balanced brackets") }
        offset += 1
      case UInt8(ascii: ","), UInt8(ascii: ":"):
        guard !open.isEmpty else { throw failure(expected: "a JSON value") }
        offset += 1
      default:
        let before = offset
        while offset < bytes.count, isLiteral(bytes[offset]) { offset += 1 }
        guard offset > before else { throw failure(expected: "a JSON value") }
      }
    } while !open.isEmpty
    return start..<offset
  }

  private func isLiteral(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
      || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
      || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
      || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
  }

  /// Takes any value and parses it with Foundation.
  mutating func value() throws -> JSONValue {
    let range = try skipValue()
    return try JSONValue(parsing: [UInt8](bytes[range]), file: file)
  }
}
