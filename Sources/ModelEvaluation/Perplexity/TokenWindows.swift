package import FileBytes

/// Tokens cut into windows of equal length, each evaluated on its own; the end of each is scored.
///
/// Two procedures, both llama-perplexity's. By default windows follow each other, the rest after the last whole one is
/// dropped, position p of `length / 2 ... length - 2` is scored by the probability it gives to token p + 1, and
/// vocabularies with a BOS token see it in place of each window's first token. With a stride S, windows begin every S
/// tokens and the last S predictions of each are scored, so that every scored token but the first ones has at least
/// `length - S` tokens before it; nothing is replaced.
package struct TokenWindows: Hashable, Sendable {
  /// All tokens of the windows, as the tokenizer made them; `[count, length]` unless windows overlap.
  package let tokens: [Int32]
  /// Tokens per window.
  package let length: Int
  /// Windows.
  package private(set) var count: Int
  /// What replaces the first token of each window.
  package let beginning: Int32?
  /// Tokens from the start of one window to the start of the next.
  package let step: Int
  /// The first scored position of a window.
  package let firstScored: Int
  /// All windows of the text, of which these may be a part.
  package let wholeCount: Int
  /// The number of the first one among all windows, and the distance from one to the next.
  private var firstNumber = 0
  private var distance = 1

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
  package init(
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
    try Self.checkLength(tokens.count, length, file)
    let whole = tokens.count / length
    guard skip < whole else {
      throw EvaluationError(
        .badWindow,
        Fault(file: file, subject: "skipped windows", expected: "fewer than \(whole)", found: "\(skip)"))
    }
    let count = min(whole - skip, limit ?? whole)
    self.init(
      tokens: Array(tokens[(skip * length)..<((skip + count) * length)]), length: length, beginning: beginning
    )
  }

  /// Cuts tokens into windows that overlap.
  ///
  /// - Parameters:
  ///   - tokens: All tokens of a text.
  ///   - length: Tokens per window, at least 4.
  ///   - stride: Tokens from window to window, as many as are scored in each; from 1 to `length - 1`.
  ///   - limit: The most windows, `nil` for all.
  ///   - file: The file named in messages.
  /// - Throws: ``EvaluationError`` with `badWindow` or `textTooShort`.
  package init(tokens: [Int32], length: Int, stride: Int, limit: Int? = nil, file: String = "") throws {
    guard length >= 4, stride >= 1, stride < length, limit ?? 1 > 0 else {
      throw EvaluationError(
        .badWindow,
        Fault(
          file: file, subject: "stride",
          expected: "from 1 to \(length - 1), the window being \(length) tokens",
          found: "\(stride)"))
    }
    try Self.checkLength(tokens.count, length, file)
    count = min((tokens.count - length + stride - 1) / stride, limit ?? .max)
    wholeCount = count
    self.tokens = Array(tokens[..<((count - 1) * stride + length)])
    self.length = length
    beginning = nil
    step = stride
    firstScored = length - stride - 1
  }

  /// The window that llama-perplexity uses for `-c length --ppl-stride stride`.
  ///
  /// Half the stride is added, and its contexts are multiples of 256 tokens.
  package static func stridedLength(_ length: Int, stride: Int) -> Int {
    let (sum, overflow) = length.addingReportingOverflow(stride / 2)
    return overflow || sum > 1 << 40 ? length : (sum + 255) / 256 * 256
  }

  private static func checkLength(_ count: Int, _ length: Int, _ file: String) throws {
    let (needed, overflow) = length.multipliedReportingOverflow(by: 2)
    guard !overflow, count >= needed else {
      throw EvaluationError(
        .textTooShort,
        Fault(
          file: file, expected: "at least two windows of \(length) tokens", found: "\(count) tokens",
          remedy: "use a longer text or a shorter window (\(.contextLength))"))
    }
  }

  /// Takes windows that follow each other, as those of a base file; `tokens.count` is a multiple of `length`.
  init(tokens: [Int32], length: Int, beginning: Int32?) {
    self.tokens = tokens
    self.length = length
    count = tokens.count / length
    wholeCount = count
    self.beginning = beginning
    step = length
    firstScored = length / 2
  }

  /// The first windows alone, of windows that follow each other.
  func prefix(_ limit: Int) -> TokenWindows {
    TokenWindows(tokens: Array(tokens.prefix(limit * length)), length: length, beginning: beginning)
  }

  /// Whether windows overlap.
  package var isStrided: Bool { step != length }
  /// Neighbouring windows that count as one independent unit in intervals: one, or where windows overlap as many as
  /// begin within the length of a window, since neighbours then score tokens that follow each other.
  package var windowsPerUnit: Int { (length + step - 1) / step }
  /// Scored positions of a window of `length` tokens that neighbours do not overlap.
  package static func scoredCount(length: Int) -> Int { length - 1 - length / 2 }

  /// Scored positions per window.
  package var scoredPerWindow: Int { length - 1 - firstScored }

  /// Every so manyth window, as one of several runs measures them: of part 2 of 4 the windows 1, 5, 9 and so on, counted
  /// from 0.
  ///
  /// Neighbours go to different runs, so that a text that becomes harder is not one run's alone, and all runs have as many
  /// windows, or one more than others.
  package func part(_ part: RunPart) -> TokenWindows {
    precondition(firstNumber == 0 && distance == 1, "a part of a part")
    var result = self
    result.count = max(0, count - part.index + part.count - 1) / part.count
    result.firstNumber = part.index
    result.distance = part.count
    return result
  }

  /// The number of window `index` among all windows of the text.
  package func number(_ index: Int) -> Int { firstNumber + index * distance }

  /// The index of the first token of window `index`.
  package func start(_ index: Int) -> Int { number(index) * step }

  /// The tokens that the model sees in window `index`.
  package func input(_ index: Int) -> [Int32] {
    var result = Array(tokens[start(index)..<(start(index) + length)])
    if let beginning { result[0] = beginning }
    return result
  }

  /// The token that position `position` of window `index` has to predict.
  package func target(_ index: Int, position: Int) -> Int { Int(tokens[start(index) + position + 1]) }

  /// The procedure in words.
  package var protocolText: String {
    let replaced = beginning == nil ? "" : ", the first token of each replaced by BOS"
    return isStrided
      ? "\(count) windows of \(length) tokens, one every \(step), the last \(scoredPerWindow) predictions of each scored"
      : "\(count) windows of \(length) tokens, the last \(scoredPerWindow) predictions of each scored\(replaced)"
  }

  /// A hash of everything above: tokens, lengths, BOS.
  package var fingerprint: UInt64 {
    var numbers = tokens.map(Int64.init)
    numbers += [Int64(length), Int64(count), Int64(step), Int64(firstScored), Int64(beginning ?? -1)]
    return numbers.withUnsafeBytes { XXHash64.hash($0) }
  }
}
