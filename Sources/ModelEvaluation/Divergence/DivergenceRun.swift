internal import FileBytes
package import ReferenceRuntime

/// Compares models with a base, in lock-step or against a file.
package struct DivergenceRun {
  /// The windows.
  package let windows: TokenWindows
  /// Where finished windows are kept, if anywhere.
  package var state: RunState?
  /// The number of this run among those that share the state.
  package var part: Int

  /// Creates a run.
  package init(windows: TokenWindows, state: RunState? = nil, part: Int = 0) {
    self.windows = windows
    self.state = state
    self.part = part
  }

  /// Runs the base and the tested models together, window by window; nothing is stored.
  ///
  /// - Parameters:
  ///   - models: The tested models.
  ///   - base: The base.
  ///   - onStep: Called after each piece of work on a group of windows; `false` ends the run without the group.
  ///   - onWindow: Called after each window with the number of windows done and the statistics so far, as many as
  ///     models; `false` ends the run.
  /// - Returns: The statistics, one per model.
  /// - Throws: ``EvaluationError`` with `vocabularyMismatch` or `nonFinite`, `RuntimeError`.
  package func run(
    _ models: [WindowEvaluator], base: WindowEvaluator, onStep: (GroupStep) -> Bool = { _ in true },
    onWindow: (_ done: Int, _ soFar: [DivergenceStatistics]) -> Bool
  ) throws -> [DivergenceStatistics] {
    let size = base.vocabularySize
    for model in models { try Self.check(model, size, base.model.source) }
    try base.check(windows)
    let windows = windows
    var statistics = models.map { _ in DivergenceStatistics(windowsPerUnit: windows.windowsPerUnit) }
    for index in 0..<windows.count {
      let scores: [[PositionScore]]
      if let earlier = try finished(index, models: models.count) {
        scores = earlier
      } else {
        guard try prepare([base] + models, index, onStep) else { break }
        scores = try lockStep(models, base, index)
        try state?.append(part: part, window: windows.number(index), scores: scores)
      }
      for number in models.indices { statistics[number].add(window: scores[number]) }
      guard onWindow(index + 1, statistics) else { break }
    }
    return statistics
  }

  /// Prepares a window for all models, one after the other; false when that was ended.
  private func prepare(_ models: [WindowEvaluator], _ index: Int, _ onStep: (GroupStep) -> Bool) throws
    -> Bool
  {
    // No model's output matrix is in the way of another's layers.
    if models.contains(where: { $0.startsGroup(index) }) { models.forEach { $0.endGroup() } }
    return try models.allSatisfy { try $0.prepare(windows, index, onStep: onStep) }
  }

  private func finished(_ index: Int, models: Int) throws -> [[PositionScore]]? {
    try state?.scores(
      part: part, window: windows.number(index), models: models, positions: windows.scoredPerWindow)
  }

  /// Scores one window, `[models, positions]`.
  private func lockStep(_ models: [WindowEvaluator], _ base: WindowEvaluator, _ index: Int) throws
    -> [[PositionScore]]
  {
    let windows = windows
    let size = base.vocabularySize
    for evaluator in [base] + models { try evaluator.begin(windows, index) }
    var scores = models.map { _ in [PositionScore]() }
    for piece in base.pieces(windows) {
      let expected = try base.logits(windows, index, piece)
      for (number, model) in models.enumerated() {
        let tested = try model.logits(windows, index, piece)
        try expected.values.withUnsafeBufferPointer { p in
          nonisolated(unsafe) let p = p
          try tested.values.withUnsafeBufferPointer { q in
            scores[number] += try model.located(windows, index) {
              try model.map(q, rowLength: size) { row, values in
                let range = (row * size)..<((row + 1) * size)
                return try BaseDistribution.logits(UnsafeBufferPointer(rebasing: p[range])).score(
                  values, target: windows.target(index, position: piece.lowerBound + row))
              }
            }
          }
        }
      }
    }
    return scores
  }

  /// Adds up windows that are all in the state, as the runs would.
  ///
  /// - Parameters:
  ///   - models: How many models were tested together.
  ///   - onWindow: Called after each window with the number of windows done and the statistics so far.
  /// - Returns: The statistics, one per model.
  /// - Throws: ``EvaluationError`` with `partsMissing` when a window is not there, or `damagedState`.
  package func join(
    models: Int, onWindow: (_ done: Int, _ soFar: [DivergenceStatistics]) -> Void
  ) throws -> [DivergenceStatistics] {
    var statistics = (0..<models).map { _ in DivergenceStatistics(windowsPerUnit: windows.windowsPerUnit) }
    for index in 0..<windows.count {
      guard let scores = try finished(index, models: models) else { throw RunState.missing(window: index) }
      for number in statistics.indices { statistics[number].add(window: scores[number]) }
      onWindow(index + 1, statistics)
    }
    return statistics
  }

  /// Compares a model with the probabilities of a base file, whose windows are this run's or begin with them.
  ///
  /// - Throws: As the reader and ``run(_:base:onStep:onWindow:)``.
  package func run(
    _ model: WindowEvaluator, base: BaseFileReader, onStep: (GroupStep) -> Bool = { _ in true },
    onWindow: (_ done: Int, _ soFar: DivergenceStatistics) -> Bool
  ) throws -> DivergenceStatistics {
    try Self.check(model, base.vocabularySize, base.path)
    try model.check(windows)
    var statistics = DivergenceStatistics(windowsPerUnit: windows.windowsPerUnit)
    let windows = windows
    for index in 0..<windows.count {
      // Windows of other parts are passed over.
      let passed = windows.number(index) - (index > 0 ? windows.number(index - 1) + 1 : 0)
      for _ in 0..<passed { try base.nextWindow { _ in } }
      // The base is read in any case: it is a stream, and its hashes are checked.
      let scores: [PositionScore]? = try base.nextWindow { distributions in
        if let earlier = try finished(index, models: 1) { return earlier[0] }
        guard try model.prepare(windows, index, onStep: onStep) else { return nil }
        nonisolated(unsafe) let distributions = distributions
        let scores = try model.score(windows, index) { position, row in
          try distributions[position - windows.firstScored].score(
            row, target: windows.target(index, position: position))
        }
        try state?.append(part: part, window: windows.number(index), scores: [scores])
        return scores
      }
      guard let scores else { break }
      statistics.add(window: scores)
      guard onWindow(index + 1, statistics) else { break }
    }
    return statistics
  }

  private static func check(_ model: WindowEvaluator, _ size: Int, _ base: String) throws {
    try checkVocabulary(model.model, size, base: base)
  }

  /// Makes sure that a model has as many tokens as a base.
  ///
  /// - Throws: ``EvaluationError`` with `vocabularyMismatch`.
  package static func checkVocabulary(_ model: LoadedModel, _ size: Int, base: String) throws {
    guard model.vocabularySize == size else {
      throw EvaluationError(
        .vocabularyMismatch,
        Fault(
          file: model.source, subject: "vocabulary", expected: "\(size) tokens, as in \(base)",
          found: "\(model.vocabularySize)", remedy: "compare models with one tokenizer"))
    }
  }
}
