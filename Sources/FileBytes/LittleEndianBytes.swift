/// Numbers and texts as bytes; what ``ByteCursor`` reads.
extension [UInt8] {
  /// Appends an integer, low byte first.
  @inlinable
  package mutating func appendLittleEndian(_ value: some FixedWidthInteger) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }

  /// Appends the byte count of a text as u32, and the text in UTF-8.
  package mutating func appendText(_ text: String) {
    appendLittleEndian(UInt32(clamping: text.utf8.count))
    append(contentsOf: text.utf8)
  }
}

extension ByteCursor {
  /// Reads what `appendText` wrote; `nil` when bytes are missing or are not UTF-8.
  package mutating func readText() -> String? {
    guard let count: UInt32 = read(), let bytes = take(Int(count)) else { return nil }
    return String(utf8: bytes)
  }
}
