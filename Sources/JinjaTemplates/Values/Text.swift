/// A Python string: Unicode scalars, held as UTF-8.
///
/// Swift's strings compare and count what users see as characters; Python's count code points and compare them
/// one by one, and templates depend on that.
struct Text: Hashable, Sendable {
  /// The bytes, always valid UTF-8.
  var utf8: [UInt8]
  /// Whether this is what Python calls `Markup`: text that counts as HTML already.
  var isMarkup = false

  init(utf8: [UInt8], isMarkup: Bool = false) {
    self.utf8 = utf8
    self.isMarkup = isMarkup
  }

  init(_ string: String) { utf8 = Array(string.utf8) }

  init(_ scalars: some Sequence<Unicode.Scalar>) {
    utf8 = []
    for scalar in scalars { append(scalar) }
  }

  static func == (a: Text, b: Text) -> Bool { a.utf8 == b.utf8 }
  func hash(into hasher: inout Hasher) { hasher.combine(utf8) }

  /// By code points, as Python orders strings; UTF-8 has the same order.
  static func < (a: Text, b: Text) -> Bool { a.utf8.lexicographicallyPrecedes(b.utf8) }

  var string: String { String(decoding: utf8, as: UTF8.self) }
  var isEmpty: Bool { utf8.isEmpty }
  var scalars: [Unicode.Scalar] { Array(string.unicodeScalars) }
  var isASCII: Bool { utf8.allSatisfy { $0 < 0x80 } }

  /// The number of code points.
  var count: Int { utf8.reduce(0) { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) } }

  mutating func append(_ scalar: Unicode.Scalar) {
    if scalar.isASCII {
      utf8.append(UInt8(truncatingIfNeeded: scalar.value))
    } else if let encoded = UTF8.encode(scalar) {
      utf8.append(contentsOf: encoded)
    }
  }

  mutating func append(_ other: Text) { utf8.append(contentsOf: other.utf8) }
  mutating func append(_ other: String) { utf8.append(contentsOf: other.utf8) }

  static func + (a: Text, b: Text) -> Text { Text(utf8: a.utf8 + b.utf8) }

  /// The same text with or without the mark.
  func marked(_ isMarkup: Bool) -> Text { Text(utf8: utf8, isMarkup: isMarkup) }

  /// Code points `start..<end`, which must be in range.
  func slice(_ range: Range<Int>) -> Text {
    if isASCII { return Text(utf8: Array(utf8[range])) }
    return Text(scalars[range])
  }

  func hasPrefix(_ other: Text) -> Bool { utf8.starts(with: other.utf8) }

  func hasSuffix(_ other: Text) -> Bool {
    utf8.count >= other.utf8.count && utf8[(utf8.count - other.utf8.count)...].elementsEqual(other.utf8)
  }

  /// The text with `&`, `<`, `>` and quotes as HTML writes them.
  var escaped: Text {
    if isMarkup { return self }
    var result = Text(utf8: [], isMarkup: true)
    for byte in utf8 {
      switch byte {
      case UInt8(ascii: "&"): result.append("&amp;")
      case UInt8(ascii: "<"): result.append("&lt;")
      case UInt8(ascii: ">"): result.append("&gt;")
      case UInt8(ascii: "'"): result.append("&#39;")
      case UInt8(ascii: "\""): result.append("&#34;")
      default: result.utf8.append(byte)
      }
    }
    return result
  }
}

extension Text: ExpressibleByStringLiteral {
  init(stringLiteral value: String) { self.init(value) }
}
