internal import FileBytes
package import ReferenceRuntime
package import TensorCompute

/// How models are run for a measurement.
package struct EvaluationOptions: Hashable, Sendable {
  /// How matrix products are computed.
  package var mode: ComputeMode
  /// Threads; all cores when `nil`.
  ///
  /// Without effect on results.
  package var threads: Int?
  /// How keys and values are kept.
  package var cacheType: CacheType
  /// The most tokens computed together.
  ///
  /// Without effect on results.
  package var batchLength: Int
  /// The order of windows and layers.
  ///
  /// Without effect on results.
  package var schedule: WindowSchedule

  /// Creates options.
  package init(
    mode: ComputeMode = .fast, threads: Int? = nil, cacheType: CacheType = .f32, batchLength: Int = 512,
    schedule: WindowSchedule = .windows
  ) {
    self.mode = mode
    self.threads = threads
    self.cacheType = cacheType
    self.batchLength = batchLength
    self.schedule = schedule
  }
}

/// One model running over windows, each for itself or in groups, see ``WindowSchedule``.
package final class WindowEvaluator {
  private enum Runner {
    case single(Session)
    case group(GroupSession, size: Int)
  }

  /// The model.
  package let model: LoadedModel
  /// Watches intermediate values; not retained.
  package weak var observer: (any TapObserver)? {
    didSet {
      switch runner {
      case .single(let session): session.observer = observer
      case .group(let session, _): session.observer = observer
      }
    }
  }
  private let runner: Runner
  /// The windows of the group whose streams are there.
  private var group = 0..<0
  private let threadCount: Int
  /// Groups end before windows whose number is a multiple of it, as far as it is not `nil`.
  package var groupBoundary: Int?

  /// Prepares a model for windows of `length` tokens.
  ///
  /// - Throws: `RuntimeError` when memory is short, or heads do not hold whole blocks of a cache's type.
  package init(_ model: LoadedModel, length: Int, options: EvaluationOptions) throws {
    self.model = model
    switch options.schedule {
    case .windows:
      runner = .single(
        try Session(
          model: model, contextLength: length, mode: options.mode, threads: options.threads,
          cacheType: options.cacheType, batchLength: options.batchLength))
    case .layers(let size, let groupOptions):
      runner = .group(
        GroupSession(
          model: model, contextLength: length, mode: options.mode, threads: options.threads,
          cacheType: options.cacheType, options: groupOptions), size: size)
    }
    threadCount = max(1, options.threads ?? Processor.threadCount)
  }

  /// Values per row of logits.
  package var vocabularySize: Int { model.vocabularySize }

  /// Makes sure that all tokens are in the vocabulary, so that targets can be looked up without further ado.
  ///
  /// - Throws: ``EvaluationError`` with `vocabularyMismatch`.
  func check(_ windows: TokenWindows) throws { try Self.check(model, windows) }

  /// Makes sure that a model can read windows: that all tokens are in its vocabulary.
  ///
  /// - Throws: ``EvaluationError`` with `vocabularyMismatch`.
  package static func check(_ model: LoadedModel, _ windows: TokenWindows) throws {
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
  package static func checkContext(_ model: LoadedModel, _ length: Int) throws {
    guard let limit = model.contextLength, length > limit else { return }
    throw EvaluationError(
      .contextTooLong,
      Fault(
        file: model.source, subject: "context", expected: "windows of at most \(limit) tokens",
        found: "\(length)", remedy: "use \(.contextLength) \(limit) or less"))
  }

  /// Makes sure that a window can be read: where windows go in groups, takes the group that begins with it through
  /// all layers, unless the window is of the last group.
  ///
  /// - Parameters:
  ///   - windows: The windows.
  ///   - index: Which one.
  ///   - onStep: Called after each piece of work; `false` ends it.
  /// - Returns: Whether the window can be read.
  /// - Throws: `RuntimeError`.
  func prepare(
    _ windows: TokenWindows, _ index: Int, onStep: (GroupStep) -> Bool
  ) throws -> Bool {
    guard case .group(let session, let size) = runner, !group.contains(index) else { return true }
    let end = groupBoundary.map { (index / $0 + 1) * $0 } ?? windows.count
    let next = index..<min(index + size, end, windows.count)
    group = 0..<0
    let isWhole = try session.run(next.map(windows.input)) { step in
      onStep(GroupStep(model: model, windows: next, step: step))
    }
    if isWhole { group = next }
    return isWhole
  }

  /// Whether a window belongs to a group that is still to be prepared.
  func startsGroup(_ index: Int) -> Bool {
    if case .group = runner { !group.contains(index) } else { false }
  }

  /// Whether a window is of the group whose streams are there; false where each goes for itself.
  func continuesGroup(_ index: Int) -> Bool {
    if case .group = runner { group.contains(index) } else { false }
  }

  /// Whether a window that was prepared is the last of its group; true where each goes for itself.
  package func endsGroup(_ index: Int) -> Bool {
    if case .group = runner { index + 1 == group.upperBound } else { true }
  }

  /// Gives back what was needed for the logits of a group.
  func endGroup() {
    if case .group(let session, _) = runner { session.releaseOutput() }
  }

  /// Evaluates the unscored part of a window that was prepared.
  func begin(_ windows: TokenWindows, _ index: Int) throws {
    guard case .single(let session) = runner else { return }
    session.reset()
    guard windows.firstScored > 0 else { return }
    try located(windows, index) {
      try session.evaluate(
        tokens: Array(windows.input(index)[..<windows.firstScored]), logits: .none, body: { _, _ in })
    }
  }

  /// Says in errors about values that are not finite which model and window they are from.
  func located<Result>(_ windows: TokenWindows, _ index: Int, _ body: () throws -> Result) throws -> Result {
    let place: Wording = "window \(windows.number(index) + 1) of \(windows.wholeCount)"
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
    let scored = positions.clamped(to: 0..<(windows.length - 1))
    return try located(windows, index) {
      switch runner {
      case .single(let session):
        try session.evaluate(
          tokens: Array(windows.input(index)[positions]),
          logits: scored.isEmpty ? .none : .range(0..<scored.count))
      case .group(let session, _):
        try session.logits(sequence: index - group.lowerBound, positions: scored)
      }
    }
  }

  /// Evaluates a window that was prepared and hands out logits.
  ///
  /// - Parameters:
  ///   - windows: The windows.
  ///   - index: Which one.
  ///   - positions: Whose logits are wanted.
  ///   - body: Receives the first position and consecutive rows of logits, valid during the call alone.
  /// - Throws: `RuntimeError`, and what `body` throws.
  func read(
    _ windows: TokenWindows, _ index: Int, logits positions: Range<Int>,
    body: (_ first: Int, _ rows: UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    switch runner {
    case .single(let session):
      session.reset()
      try session.evaluate(
        tokens: windows.input(index), logits: positions.isEmpty ? .none : .range(positions), body: body)
    case .group(let session, _):
      try session.logits(sequence: index - group.lowerBound, positions: positions, body: body)
    }
  }

  /// Evaluates a window that was prepared and gives the scored rows to `body` on several threads.
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
    var results: [Result] = []
    try located(windows, index) {
      try read(windows, index, logits: windows.firstScored..<(windows.length - 1)) { start, rows in
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
