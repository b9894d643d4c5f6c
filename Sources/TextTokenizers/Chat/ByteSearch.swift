/// Searching and trimming of UTF-8 text by bytes and scalars, as Python's string methods do.
///
/// Swift's own compare characters, for which "\r\n" is one and "a\n" followed by a mark is something else.
enum ByteSearch {
  /// The first place of `needle` at or after `start`.
  static func first(_ needle: [UInt8], in bytes: [UInt8], from start: Int = 0) -> Int? {
    guard let head = needle.first, bytes.count >= needle.count, start >= 0 else { return nil }
    var index = start
    while index <= bytes.count - needle.count {
      if bytes[index] == head, bytes[index..<index + needle.count].elementsEqual(needle) { return index }
      index += 1
    }
    return nil
  }

  /// The part before the first separator: `text.split(separator)[0]`.
  static func before(_ separator: String, in text: String) -> String {
    let bytes = Array(text.utf8)
    guard let index = first(Array(separator.utf8), in: bytes) else { return text }
    return String(decoding: bytes[..<index], as: UTF8.self)
  }

  /// The part behind the last separator: `text.split(separator)[-1]`.
  static func afterLast(_ separator: String, in text: String) -> String {
    let bytes = Array(text.utf8)
    let needle = Array(separator.utf8)
    var start = 0
    while let index = first(needle, in: bytes, from: start) { start = index + needle.count }
    return String(decoding: bytes[start...], as: UTF8.self)
  }

  /// Whether `text` contains `part`.
  static func contains(_ part: String, in text: String) -> Bool {
    first(Array(part.utf8), in: Array(text.utf8)) != nil
  }

  /// `text.strip()`: white space by Python's definition.
  static func stripped(_ text: String) -> String {
    trimmed(text, start: true, end: true) { scalar in
      switch scalar.value {
      case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F,
        0x3000:
        true
      default: false
      }
    }
  }

  /// `text.lstrip('\n')`, `text.rstrip('\n')` or both.
  static func withoutLineFeeds(_ text: String, start: Bool, end: Bool) -> String {
    trimmed(text, start: start, end: end) { $0 == "\n" }
  }

  private static func trimmed(
    _ text: String, start: Bool, end: Bool, _ drops: (Unicode.Scalar) -> Bool
  ) -> String {
    var scalars = text.unicodeScalars[...]
    if start { scalars = scalars.drop(while: drops) }
    while end, let last = scalars.last, drops(last) { scalars.removeLast() }
    return String(String.UnicodeScalarView(scalars))
  }
}
