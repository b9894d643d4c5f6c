/// Text as llama.cpp's byte-level tokenizers see it: decoded to scalars leniently, then encoded again.
///
/// A byte that does not begin a complete sequence becomes U+FFFD, one for each such byte. Overlong forms are
/// accepted and come out in their shortest form; surrogates pass. Sequences above U+10FFFF, on which llama.cpp
/// fails, are treated as bytes that begin nothing.
enum RepairedText {
  /// The length of the sequence at `offset` if it is already in its final form, else 0.
  @inline(__always)
  private static func finalLength(_ bytes: [UInt8], _ offset: Int, _ limit: Int) -> Int {
    let first = bytes[offset]
    if first < 0x80 { return 1 }
    guard let (value, length) = decode(bytes, offset, limit) else { return 0 }
    let isShortest = length == 2 ? value >= 0x80 : length == 3 ? value >= 0x800 : value >= 0x10000
    return isShortest ? length : 0
  }

  private static func decode(_ bytes: [UInt8], _ offset: Int, _ limit: Int) -> (UInt32, Int)? {
    let first = UInt32(bytes[offset])
    if first < 0x80 { return (first, 1) }
    let length = first < 0xC0 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF8 ? 4 : 0
    guard length > 0, offset + length <= limit else { return nil }
    var value = first & (0x7F >> UInt32(length))
    for index in 1..<length {
      let byte = bytes[offset + index]
      guard byte & 0xC0 == 0x80 else { return nil }
      value = value << 6 | UInt32(byte & 0x3F)
    }
    return value < 0x110000 ? (value, length) : nil
  }

  /// Whether `range` needs no repair.
  static func isIntact(_ bytes: [UInt8], _ range: Range<Int>) -> Bool {
    var offset = range.lowerBound
    while offset < range.upperBound {
      if bytes[offset] < 0x80 {
        offset &+= 1
        continue
      }
      let length = finalLength(bytes, offset, range.upperBound)
      if length == 0 { return false }
      offset += length
    }
    return true
  }

  /// The text of `range`, repaired.
  static func repaired(_ bytes: [UInt8], _ range: Range<Int>) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(range.count + 16)
    var offset = range.lowerBound
    while offset < range.upperBound {
      if let (value, length) = decode(bytes, offset, range.upperBound) {
        appendScalar(value, to: &result)
        offset += length
      } else {
        appendScalar(0xFFFD, to: &result)
        offset += 1
      }
    }
    return result
  }

  /// Calls `body` with every scalar of `bytes`, decoded leniently.
  static func forEachScalar(in bytes: [UInt8], _ body: (UInt32) -> Void) {
    var offset = 0
    while offset < bytes.count {
      if let (value, length) = decode(bytes, offset, bytes.count) {
        body(value)
        offset += length
      } else {
        body(0xFFFD)
        offset += 1
      }
    }
  }

  /// Appends the UTF-8 form of `value`; surrogates get three bytes as any other scalar.
  static func appendScalar(_ value: UInt32, to result: inout [UInt8]) {
    switch value {
    case ..<0x80:
      result.append(UInt8(value))
    case ..<0x800:
      result.append(UInt8(0xC0 | value >> 6))
      result.append(UInt8(0x80 | value & 0x3F))
    case ..<0x10000:
      result.append(UInt8(0xE0 | value >> 12))
      result.append(UInt8(0x80 | value >> 6 & 0x3F))
      result.append(UInt8(0x80 | value & 0x3F))
    default:
      result.append(UInt8(0xF0 | value >> 18 & 7))
      result.append(UInt8(0x80 | value >> 12 & 0x3F))
      result.append(UInt8(0x80 | value >> 6 & 0x3F))
      result.append(UInt8(0x80 | value & 0x3F))
    }
  }
}
