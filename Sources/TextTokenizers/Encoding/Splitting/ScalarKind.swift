/// What the splitting rules ask about a Unicode scalar: exactly one bit of eight.
///
/// The categories are those of llama.cpp's tables; white space is a kind of its own (a few scalars of the
/// categories Z and C), everything that is neither letter, number, mark, punctuation nor symbol is `other`.
struct ScalarKind: OptionSet, Hashable, Sendable {
  let rawValue: UInt8

  static let letter = ScalarKind(rawValue: 1)
  static let number = ScalarKind(rawValue: 2)
  static let mark = ScalarKind(rawValue: 4)
  static let punctuation = ScalarKind(rawValue: 8)
  static let symbol = ScalarKind(rawValue: 16)
  static let space = ScalarKind(rawValue: 32)
  static let other = ScalarKind(rawValue: 64)
  /// Past the end of the piece.
  static let end: ScalarKind = []

  /// The kind of every scalar, one byte each, by scalar value.
  static let table: [UInt8] = {
    var result = [UInt8](repeating: ScalarKind.other.rawValue, count: 0x110000)
    for index in runs.indices {
      let start = Int(runs[index] >> 3)
      let end = index + 1 < runs.count ? Int(runs[index + 1] >> 3) : result.count
      let kind = UInt8(1) << UInt8(runs[index] & 7)
      for scalar in start..<end { result[scalar] = kind }
    }
    return result
  }()
}

/// One scalar of a text, with its kind and the offset behind it.
struct ScannedScalar {
  /// The scalar's value; `UInt32.max` past the end.
  var value: UInt32
  var kind: ScalarKind
  /// The byte offset behind the scalar.
  var end: Int

  @inline(__always)
  func isOne(of kinds: ScalarKind) -> Bool { kind.rawValue & kinds.rawValue != 0 }

  /// Whether it is a carriage return or a line feed.
  var isLineBreak: Bool { value == 0x0D || value == 0x0A }
}

/// A piece of repaired UTF-8 text (see ``RepairedText``) as scalars.
struct ScalarScanner {
  let bytes: [UInt8]
  let kinds: [UInt8]
  /// The byte offset at which the piece ends; nothing behind it is looked at.
  var limit: Int

  init(_ bytes: [UInt8], limit: Int) {
    self.bytes = bytes
    self.kinds = ScalarKind.table
    self.limit = limit
  }

  /// The scalar that begins at byte `offset`.
  @inline(__always)
  func scalar(at offset: Int) -> ScannedScalar {
    guard offset < limit else { return ScannedScalar(value: .max, kind: .end, end: offset) }
    let first = bytes[offset]
    if first < 0x80 {
      return ScannedScalar(
        value: UInt32(first), kind: ScalarKind(rawValue: kinds[Int(first)]), end: offset &+ 1)
    }
    return longScalar(at: offset, first: UInt32(first))
  }

  private func longScalar(at offset: Int, first: UInt32) -> ScannedScalar {
    let length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
    guard first >= 0xC0, offset + length <= limit else {
      return ScannedScalar(value: 0xFFFD, kind: .symbol, end: offset + 1)
    }
    var value = first & (0x7F >> UInt32(length))
    for index in 1..<length { value = value << 6 | UInt32(bytes[offset + index] & 0x3F) }
    guard value < 0x110000 else { return ScannedScalar(value: 0xFFFD, kind: .symbol, end: offset + length) }
    return ScannedScalar(value: value, kind: ScalarKind(rawValue: kinds[Int(value)]), end: offset + length)
  }

  /// The offset behind the run of scalars of `kinds` that begins at `offset`; `offset` if there is none.
  @inline(__always)
  func endOfRun(of kinds: ScalarKind, from offset: Int) -> Int {
    var position = offset
    while true {
      let next = scalar(at: position)
      guard next.isOne(of: kinds) else { return position }
      position = next.end
    }
  }

  /// The offset behind the carriage returns and line feeds (and slashes, if asked for) at `offset`.
  func endOfLineBreaks(from offset: Int, orSlashes: Bool = false) -> Int {
    var position = offset
    while position < limit {
      let byte = bytes[position]
      guard byte == 0x0D || byte == 0x0A || (orSlashes && byte == 0x2F) else { break }
      position += 1
    }
    return position
  }

  /// The offset behind an English contraction ('s, 't, 'm, 'd, 're, 've, 'll) at `offset`, or `nil`.
  func endOfContraction(at offset: Int, ignoringCase: Bool) -> Int? {
    guard offset + 1 < limit, bytes[offset] == 0x27 else { return nil }
    let fold: UInt8 = ignoringCase ? 0x20 : 0
    func letter(_ index: Int) -> UInt8 {
      let byte = bytes[index]
      return 0x41...0x5A ~= byte ? byte | fold : byte
    }
    let first = letter(offset + 1)
    switch first {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return offset + 2
    case UInt8(ascii: "r"), UInt8(ascii: "v"):
      return offset + 2 < limit && letter(offset + 2) == UInt8(ascii: "e") ? offset + 3 : nil
    case UInt8(ascii: "l"):
      return offset + 2 < limit && letter(offset + 2) == UInt8(ascii: "l") ? offset + 3 : nil
    default: return nil
    }
  }

  /// The end of the white space at `offset` as `\s*[\r\n]+|\s+(?!\S)|\s+` takes it.
  ///
  /// The first alternative, white space up to its last line break, is there if `lineBreaks` says so.
  func endOfSpace(from offset: Int, lineBreaks: Bool) -> Int {
    var position = offset
    var last = offset
    var behindLineBreak: Int?
    while true {
      let next = scalar(at: position)
      guard next.kind == .space else { break }
      last = position
      position = next.end
      if next.isLineBreak { behindLineBreak = position }
    }
    if lineBreaks, let behindLineBreak { return behindLineBreak }
    // The last white space before a word is left to the word.
    return last > offset && position < limit ? last : position
  }
}
