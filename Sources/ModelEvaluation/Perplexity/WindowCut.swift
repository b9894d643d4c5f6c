package import TextTokenizers

/// How a text is cut into windows.
package struct WindowCut: Hashable, Sendable {
  /// Tokens per window, before those that a stride adds.
  package var length: Int
  /// Tokens from the start of one window to that of the next; `nil` for windows side by side.
  package var stride: Int?
  /// Windows left out at the start; not with a stride.
  package var skip: Int
  /// The most windows; `nil` for all.
  package var limit: Int?

  /// Creates a rule.
  package init(length: Int = 512, stride: Int? = nil, skip: Int = 0, limit: Int? = nil) {
    self.length = length
    self.stride = stride
    self.skip = skip
    self.limit = limit
  }

  /// Cuts the tokens of a text.
  ///
  /// - Parameters:
  ///   - tokens: All tokens of the text.
  ///   - tokenizer: What made them.
  ///   - file: Where the text came from, for errors.
  /// - Returns: The windows.
  /// - Throws: ``EvaluationError`` with `badWindow` or `textTooShort`.
  package func windows(of tokens: [Int32], _ tokenizer: Tokenizer, file: String) throws -> TokenWindows {
    guard let stride else {
      return try TokenWindows(
        tokens: tokens, length: length, skip: skip, limit: limit,
        beginning: tokenizer.addBOS ? tokenizer.bos : nil, file: file)
    }
    return try TokenWindows(
      tokens: tokens, length: TokenWindows.stridedLength(length, stride: stride), stride: stride,
      limit: limit, file: file)
  }
}
