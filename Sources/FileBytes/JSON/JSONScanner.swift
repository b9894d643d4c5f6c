/// A forward-only reader over a JSON text.
///
/// It exists beside the system's decoder for three reasons: a safetensors header must be checked for what a decoder
/// hides (two equal keys, numbers written as fractions); vocabularies hold hundreds of thousands of strings, some of
/// which differ only in Unicode normalisation and must stay apart; and files that Python wrote hold `NaN` and
/// `Infinity`. Members and elements are visited one by one, each string is handed over exactly as stored, and nothing
/// outside the buffer is read. Positions in messages are byte offsets.
package struct JSONScanner {
  /// Which texts are accepted.
  package enum Dialect: Hashable, Sendable {
    /// The grammar of RFC 8259, without a byte order mark.
    case strict
    /// What Python's `json` module reads: `NaN`, `Infinity` and `-Infinity` are numbers, and a byte order mark may
    /// come first. That the last of two equal keys counts is up to who visits the members.
    case python
  }

  /// The text.
  package let bytes: UnsafeRawBufferPointer
  /// The name that errors give.
  package let file: String
  /// The offset of the next byte; never past the end.
  package internal(set) var position: Int
  /// Which texts are accepted.
  package let dialect: Dialect
  /// How deep values may nest.
  package let nestingLimit: Int

  /// Starts at the first byte of a text.
  ///
  /// - Parameters:
  ///   - bytes: The text; it outlives the scanner.
  ///   - file: The name that errors give.
  ///   - dialect: Which texts are accepted.
  ///   - nestingLimit: How deep values may nest.
  package init(
    _ bytes: UnsafeRawBufferPointer, file: String, dialect: Dialect = .python, nestingLimit: Int = 256
  ) {
    self.bytes = bytes
    self.file = file
    self.dialect = dialect
    self.nestingLimit = nestingLimit
    let hasMark = bytes.count >= 3 && bytes[0] == 0xEF && bytes[1] == 0xBB && bytes[2] == 0xBF
    position = dialect == .python && hasMark ? 3 : 0
  }

  /// The next byte, if there is one.
  var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  /// An error about the text at a position, that of the next byte by default.
  ///
  /// - Parameters:
  ///   - code: The kind.
  ///   - subject: The key in question.
  ///   - expected: What had to be there.
  ///   - place: A byte offset.
  /// - Returns: The error, to be thrown.
  @inline(never)
  package func failure(
    _ code: JSONError.Code = .malformed, subject: String = "", expected: String, at place: Int? = nil
  ) -> JSONError {
    let place = place ?? position
    let found: String
    if place >= bytes.count {
      found = "the end of the text at byte \(place)"
    } else if bytes[place] >= 0x21, bytes[place] < 0x7F {
      found = "\"\(Character(UnicodeScalar(bytes[place])))\" at byte \(place)"
    } else {
      found = "byte 0x\(String(bytes[place], radix: 16)) at byte \(place)"
    }
    return JSONError(
      code,
      Fault(
        file: file, subject: subject, expected: expected, found: found,
        remedy: "the file may be incomplete; fetch it again"))
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

  /// The next byte that is not white space, without taking it; `nil` at the end.
  package mutating func next() -> UInt8? {
    skipSpace()
    return current
  }

  /// The next byte that is not white space, without taking it.
  ///
  /// - Throws: ``JSONError`` at the end of the text.
  package mutating func peek() throws(JSONError) -> UInt8 {
    guard let byte = next() else { throw failure(expected: "a JSON value") }
    return byte
  }

  /// Takes `byte` if it is the next one.
  mutating func takeIf(_ byte: UInt8) -> Bool {
    skipSpace()
    guard current == byte else { return false }
    position += 1
    return true
  }

  /// Takes `byte` or throws.
  mutating func expect(_ byte: UInt8, _ what: String) throws(JSONError) {
    guard takeIf(byte) else { throw failure(expected: what) }
  }

  /// Checks that nothing but white space is left.
  ///
  /// - Throws: ``JSONError``.
  package mutating func finish() throws(JSONError) {
    guard next() == nil else { throw failure(expected: "nothing but spaces after the document") }
  }

  /// Visits the members of an object; `body` must take exactly one value each time.
  ///
  /// - Throws: ``JSONError``, and what `body` throws.
  package mutating func forEachMember(
    _ body: (_ key: String, _ scanner: inout JSONScanner) throws -> Void
  ) throws {
    try expect(UInt8(ascii: "{"), "an object")
    if takeIf(UInt8(ascii: "}")) { return }
    while true {
      let key = try string("a key in quotes")
      try expect(UInt8(ascii: ":"), "a colon after the key")
      try body(key, &self)
      if takeIf(UInt8(ascii: ",")) { continue }
      try expect(UInt8(ascii: "}"), "a comma or the end of the object")
      return
    }
  }

  /// Visits the elements of an array; `body` must take exactly one value each time.
  ///
  /// - Throws: ``JSONError``, and what `body` throws.
  package mutating func forEachElement(_ body: (_ scanner: inout JSONScanner) throws -> Void) throws {
    try expect(UInt8(ascii: "["), "an array")
    if takeIf(UInt8(ascii: "]")) { return }
    while true {
      try body(&self)
      if takeIf(UInt8(ascii: ",")) { continue }
      try expect(UInt8(ascii: "]"), "a comma or the end of the array")
      return
    }
  }

  /// Takes any value and returns where it stands.
  ///
  /// - Throws: ``JSONError``; `nestingTooDeep` for more than ``nestingLimit`` levels.
  @discardableResult
  package mutating func skipValue() throws -> Range<Int> {
    _ = try peek()
    let start = position
    try skipValue(depth: 0)
    return start..<position
  }

  private mutating func skipValue(depth: Int) throws {
    guard depth < nestingLimit else {
      throw failure(.nestingTooDeep, expected: "at most \(nestingLimit) levels of nesting")
    }
    switch next() {
    case UInt8(ascii: "{"):
      try forEachMember { (_, scanner) in try scanner.skipValue(depth: depth + 1) }
    case UInt8(ascii: "["):
      try forEachElement { scanner in try scanner.skipValue(depth: depth + 1) }
    case UInt8(ascii: "\""): _ = try string("a string")
    case UInt8(ascii: "t"): try word("true")
    case UInt8(ascii: "f"): try word("false")
    case UInt8(ascii: "n"): try word("null")
    default: _ = try number()
    }
  }

  /// Takes a literal such as `true`.
  mutating func word(_ text: String) throws(JSONError) {
    skipSpace()
    let start = position
    for byte in text.utf8 {
      guard current == byte else { throw failure(expected: text, at: start) }
      position += 1
    }
  }
}
