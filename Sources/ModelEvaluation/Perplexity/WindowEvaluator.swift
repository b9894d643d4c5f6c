internal import FileBytes
public import ReferenceRuntime
public import TensorCompute

/// How models are run for a measurement.
public struct EvaluationOptions: Hashable, Sendable {
  /// How matrix products are computed.
  public var mode: ComputeMode
  /// Threads; all cores when `nil`.
  ///
  /// Without effect on results.
  public var threads: Int?
  /// The most tokens computed together.
  ///
  /// Without effect on results.
  public var batchLength: Int

  /// Creates options.
  public init(mode: ComputeMode = .fast, threads: Int? = nil, batchLength: Int = 512) {
    self.mode = mode
    self.threads = threads
    self.batchLength = batchLength
  }
}

/// One model running over windows.
public final class WindowEvaluator {
  /// The model.
  public let model: LoadedModel
  /// The session, for taps.
  public let session: Session
  private let threadCount: Int

  /// Prepares a model for windows of `length` tokens.
  ///
  /// - Throws: `RuntimeError` when memory is short.
  public init(_ model: LoadedModel, length: Int, options: EvaluationOptions) throws {
    self.model = model
    session = try Session(
      model: model, contextLength: length, mode: options.mode, threads: options.threads,
      batchLength: options.batchLength)
    threadCount = max(1, options.threads ?? 8)
  }

  /// Values per row of logits.
  public var vocabularySize: Int { model.vocabularySize }

  /// Makes sure that all tokens are in the vocabulary, so that targets can be looked up without further ado.
  ///
  /// - Throws: ``EvaluationError`` with `vocabularyMismatch`.
  func check(_ windows: TokenWindows) throws { try Self.check(model, windows) }

  /// Makes sure that a model can read windows: that all tokens are in its vocabulary.
  ///
  /// - Throws: ``EvaluationError`` with `vocabularyMismatch`.
  public static func check(_ model: LoadedModel, _ windows: TokenWindows) throws {
    let size = model.vocabularySize
    guard let bad = windows.tokens.first(where: { $0 < 0 || Int($0) >= size }) else { return }
    throw EvaluationError(
      .vocabularyMismatch,
      Fault(
        file: model.source, subject: "vocabulary", expected: "token ids from 0 to \(size - 1)",
        found: "\(bad)", remedy: "the text was tokenized for another model"))
  }

  /// Makes sure that windows are not longer than the context that a model was made for, when the model tells.
  ///
  /// - Throws: ``EvaluationError`` with `contextTooLong`.
  public static func checkContext(_ model: LoadedModel, _ length: Int) throws {
    guard let limit = model.contextLength, length > limit else { return }
    throw EvaluationError(
      .contextTooLong,
      Fault(
        file: model.source, subject: "context", expected: "windows of at most \(limit) tokens",
        found: "\(length)", remedy: "use -c \(limit) or less"))
  }

  /// Evaluates the unscored part of a window.
  func begin(_ windows: TokenWindows, _ index: Int) throws {
    session.reset()
    guard windows.firstScored > 0 else { return }
    try located(windows, index) {
      try session.evaluate(
        tokens: Array(windows.input(index)[..<windows.firstScored]), logits: .none, body: { _, _ in })
    }
  }

  /// Says in errors about values that are not finite which model and window they are from.
  func located<Result>(_ windows: TokenWindows, _ index: Int, _ body: () throws -> Result) throws -> Result {
    let place = "window \(index + 1) of \(windows.count)"
    do {
      return try body()
    } catch var error as RuntimeError where error.code == .nonFinite {
      error.fault.subject = place + ", " + error.fault.subject
      throw error
    } catch var error as EvaluationError where error.code == .nonFinite {
      if error.fault.file.isEmpty { error.fault.file = model.source }
      error.fault.subject = place + ", " + error.fault.subject
      throw error
    }
  }

  /// Pieces of the scored part, small enough that their logits take 64 MB.
  func pieces(_ windows: TokenWindows) -> [Range<Int>] {
    let room = max(1, (64 << 20) / (4 * max(vocabularySize, 1)))
    return stride(from: windows.firstScored, to: windows.length, by: room).map {
      $0..<min($0 + room, windows.length)
    }
  }

  /// Evaluates positions of a window that follow those evaluated before; the last position of the window, which
  /// predicts nothing, has no logits.
  func logits(_ windows: TokenWindows, _ index: Int, _ positions: Range<Int>) throws -> LogitsBuffer {
    let scored = positions.clamped(to: 0..<(windows.length - 1)).count
    return try located(windows, index) {
      try session.evaluate(
        tokens: Array(windows.input(index)[positions]), logits: scored == 0 ? .none : .range(0..<scored))
    }
  }

  /// Evaluates a whole window and gives the scored rows to `body` on several threads.
  ///
  /// - Parameters:
  ///   - windows: The windows.
  ///   - index: Which one.
  ///   - body: Makes a result of a position and its logits.
  /// - Returns: The results in order of position.
  /// - Throws: `RuntimeError`, and what `body` throws.
  func score<Result: Sendable>(
    _ windows: TokenWindows, _ index: Int,
    _ body: @Sendable (_ position: Int, _ row: UnsafeBufferPointer<Float>) throws -> Result
  ) throws -> [Result] {
    session.reset()
    let first = windows.firstScored
    var results: [Result] = []
    try located(windows, index) {
      try session.evaluate(
        tokens: windows.input(index), logits: .range(first..<(windows.length - 1))
      ) { start, rows in
        results += try map(rows, rowLength: vocabularySize) { try body(start + $0, $1) }
      }
    }
    return results
  }

  /// Makes a result of every row, in order, on several threads.
  func map<Result: Sendable>(
    _ rows: UnsafeBufferPointer<Float>, rowLength: Int,
    _ body: @Sendable (_ row: Int, _ values: UnsafeBufferPointer<Float>) throws -> Result
  ) throws -> [Result] {
    let count = rows.count / rowLength
    // The rows are read alone, and outlive the call.
    nonisolated(unsafe) let rows = rows
    return try parallelMap(count: count, threadCount: threadCount) { row in
      try body(row, UnsafeBufferPointer(rebasing: rows[(row * rowLength)..<((row + 1) * rowLength)]))
    }
  }
}
