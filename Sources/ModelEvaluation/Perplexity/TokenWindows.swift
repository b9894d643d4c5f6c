internal import FileBytes

/// Tokens cut into windows of equal length, each evaluated on its own; the second half of each is scored.
///
/// The procedure of llama-perplexity: the rest after the last whole window is dropped, position p of
/// `length / 2 ... length - 2` is scored by the probability it gives to token p + 1, and vocabularies with a BOS
/// token see it in place of each window's first token.
public struct TokenWindows: Hashable, Sendable {
  /// All tokens of the windows, `[count, length]`, as the tokenizer made them.
  public let tokens: [Int32]
  /// Tokens per window.
  public let length: Int
  /// Windows.
  public let count: Int
  /// What replaces the first token of each window.
  public let beginning: Int32?

  /// Cuts tokens into windows.
  ///
  /// - Parameters:
  ///   - tokens: All tokens of a text.
  ///   - length: Tokens per window, at least 4.
  ///   - skip: Windows left out at the start.
  ///   - limit: The most windows, `nil` for all.
  ///   - beginning: The BOS token if the vocabulary adds it.
  ///   - file: The file named in messages.
  /// - Throws: ``EvaluationError`` with `badWindow` or `textTooShort`.
  public init(
    tokens: [Int32], length: Int, skip: Int = 0, limit: Int? = nil, beginning: Int32?, file: String = ""
  ) throws {
    guard length >= 4, skip >= 0, limit ?? 1 > 0 else {
      throw EvaluationError(
        .badWindow,
        Fault(
          file: file, subject: "window",
          expected: "at least 4 tokens, 1 window, and none below 0 skipped",
          found: "\(length) tokens, \(limit.map { "\($0)" } ?? "all") windows, \(skip) skipped"))
    }
    let (needed, overflow) = length.multipliedReportingOverflow(by: 2)
    guard !overflow, tokens.count >= needed else {
      throw EvaluationError(
        .textTooShort,
        Fault(
          file: file, expected: "at least two windows of \(length) tokens", found: "\(tokens.count) tokens",
          remedy: "use a longer text or a shorter window (-c)"))
    }
    let whole = tokens.count / length
    guard skip < whole else {
      throw EvaluationError(
        .badWindow,
        Fault(file: file, subject: "skipped windows", expected: "fewer than \(whole)", found: "\(skip)"))
    }
    count = min(whole - skip, limit ?? whole)
    self.tokens = Array(tokens[(skip * length)..<((skip + count) * length)])
    self.length = length
    self.beginning = beginning
  }

  /// Takes the windows of a base file; `tokens.count` is a multiple of `length`.
  init(tokens: [Int32], length: Int, beginning: Int32?) {
    self.tokens = tokens
    self.length = length
    count = tokens.count / length
    self.beginning = beginning
  }

  /// The first windows alone.
  func prefix(_ limit: Int) -> TokenWindows {
    TokenWindows(tokens: Array(tokens.prefix(limit * length)), length: length, beginning: beginning)
  }

  /// The first scored position of a window.
  public var firstScored: Int { length / 2 }
  /// Scored positions per window.
  public var scoredPerWindow: Int { length - 1 - firstScored }

  /// The tokens that the model sees in window `index`.
  public func input(_ index: Int) -> [Int32] {
    var result = Array(tokens[(index * length)..<((index + 1) * length)])
    if let beginning { result[0] = beginning }
    return result
  }

  /// The token that position `position` of window `index` has to predict.
  public func target(_ index: Int, position: Int) -> Int { Int(tokens[index * length + position + 1]) }
}
