/// Where a text that has U+2581 for its spaces can be cut so that no token lies across the cut.
///
/// Where the text has a byte before a mark that no token has there, the parts can be encoded each for itself.
struct MarkBoundaries: Sendable {
  /// U+2581.
  static let mark: [UInt8] = [0xE2, 0x96, 0x81]

  /// For every byte, whether some text has it right before a mark.
  private let precedesMark: [Bool]

  /// - Parameter strings: The tokens, and the texts that encoding makes on the way to them.
  init(_ strings: ByteStringTable) {
    var precedes = [Bool](repeating: false, count: 256)
    for id in 0..<strings.count {
      let text = strings[id]
      for index in text.indices.dropFirst()
      where text[index] == 0xE2 && text[index...].prefix(3).elementsEqual(Self.mark) {
        precedes[Int(text[index - 1])] = true
      }
    }
    precedesMark = precedes
  }

  /// Whether a mark begins at `position`, which is not the start, and the text can be cut before it.
  @inline(__always)
  func allowsCut(_ bytes: [UInt8], at position: Int) -> Bool {
    position + 3 <= bytes.count && bytes[position] == 0xE2 && bytes[position + 1] == 0x96
      && bytes[position + 2] == 0x81 && !precedesMark[Int(bytes[position - 1])]
  }
}
