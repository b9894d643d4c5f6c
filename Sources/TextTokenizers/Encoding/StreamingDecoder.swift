/// Turns tokens into text one by one, holding back bytes until their character is complete.
public struct StreamingDecoder: Sendable {
  private let tokenizer: Tokenizer
  private let showSpecial: Bool
  private var pending: [UInt8] = []
  private var isFirst: Bool

  /// Starts a text.
  ///
  /// - Parameters:
  ///   - tokenizer: The vocabulary.
  ///   - showSpecial: Whether control tokens give their text or nothing.
  ///   - continues: Whether the text continues another, so that a leading space belongs to it.
  public init(_ tokenizer: Tokenizer, showSpecial: Bool = false, continues: Bool = true) {
    self.tokenizer = tokenizer
    self.showSpecial = showSpecial
    isFirst = !continues
  }

  /// Takes a token; returns the characters that are complete now, which may be none.
  public mutating func append(_ token: Int32) -> String {
    var piece = tokenizer.piece(token, showSpecial: showSpecial)[...]
    if isFirst, tokenizer.addSpacePrefix, piece.first == 0x20 { piece.removeFirst() }
    isFirst = false
    pending.append(contentsOf: piece)
    let end = pending.count - Self.incompleteLength(pending)
    defer { pending.removeFirst(end) }
    return String(decoding: pending[..<end], as: UTF8.self)
  }

  /// Ends the text; returns what is left, incomplete characters as U+FFFD.
  public mutating func finish() -> String {
    defer { pending = [] }
    return String(decoding: pending, as: UTF8.self)
  }

  /// The number of bytes at the end that may be the beginning of a longer character, at most 3.
  private static func incompleteLength(_ bytes: [UInt8]) -> Int {
    for back in 1..<4 where back <= bytes.count {
      let byte = bytes[bytes.count - back]
      if byte & 0xC0 == 0x80 { continue }
      let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
      return length > back && byte < 0xF8 ? back : 0
    }
    return 0
  }
}
