/// What a tokenizer that is not at hand may take in a GGUF.
///
/// Per row of the embedding: token text (8 bytes of length and 1 to 20 of text), its type (4 bytes), and a score
/// (4 bytes) or the merge that made it (8 bytes of length and 3 to 24 of text). Tokenizers of 32,000 to 250,000 tokens
/// measure from 22 (Llama 2, SentencePiece) to 61 bytes (Llama 3, byte pairs) a row. Names, template and sampling
/// settings add up to some kilobytes.
enum VocabularySize {
  /// Bytes per row of the embedding, from the leanest to the richest tokenizer known.
  static let bytesPerToken = 20...64
  /// Chat template, names and settings.
  static let otherBytes = 0...65_536

  /// The bytes that header and metadata grow by.
  static func interval(tokenCount: Int) -> ClosedRange<Int> {
    let low = bytesPerToken.lowerBound * tokenCount + otherBytes.lowerBound
    return low...(bytesPerToken.upperBound * tokenCount + otherBytes.upperBound)
  }
}
