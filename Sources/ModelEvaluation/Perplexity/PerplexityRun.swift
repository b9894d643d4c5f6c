internal import ReferenceRuntime

/// Measures the perplexity of one model on windows of text, and can keep its probabilities as a base.
package struct PerplexityRun {
  /// The windows.
  package let windows: TokenWindows
  /// Where the probabilities go, if anywhere.
  package var base: BaseFileWriter?
  /// Where finished windows are kept, if anywhere.
  package var state: RunState?
  /// The number of this run among those that share the state.
  package var part: Int

  /// Creates a run.
  package init(windows: TokenWindows, base: BaseFileWriter? = nil, state: RunState? = nil, part: Int = 0) {
    self.windows = windows
    self.base = base
    self.state = state
    self.part = part
  }

  /// Runs all windows that are not finished yet.
  ///
  /// - Parameters:
  ///   - evaluator: The model.
  ///   - onStep: Called after each piece of work on a group of windows; `false` ends the run without the group.
  ///   - onWindow: Called after each window, finished earlier or now, with the number of windows done and the result so
  ///     far; `false` ends the run, which then covers fewer windows.
  /// - Returns: The perplexity over all windows done.
  /// - Throws: `RuntimeError`, ``EvaluationError``, and errors of writing the base file.
  package func run(
    _ evaluator: WindowEvaluator, onStep: (GroupStep) -> Bool = { _ in true },
    onWindow: (_ done: Int, _ soFar: PerplexityStatistics) -> Bool
  ) throws -> PerplexityStatistics {
    try evaluator.check(windows)
    var result = PerplexityStatistics(windowsPerUnit: windows.windowsPerUnit)
    let windows = windows
    let encoder = base?.encoder
    var earlier: [(values: [Double], mark: BaseMark)] = []
    while earlier.count < windows.count, let finished = try finished(earlier.count) {
      earlier.append(finished)
    }
    // A base file that lost its end, as after a power cut, is made again from there.
    if let base { earlier.removeLast(earlier.count - (try base.resume(earlier.map(\.mark)))) }
    for index in 0..<windows.count {
      if index < earlier.count {
        for surprise in earlier[index].values { result.add(surprise) }
      } else {
        guard try evaluator.prepare(windows, index, onStep: onStep) else { break }
        let scores = try evaluator.score(windows, index) { position, row in
          let target = windows.target(index, position: position)
          let summary = try LogitSummary(row)
          return (
            summary.surprise(row[target]), try encoder?.encode(row, summary, target: target) ?? []
          )
        }
        for (surprise, _) in scores { result.add(surprise) }
        let mark = try base?.append(window: scores.map(\.1)) ?? BaseMark()
        try state?.append(part: part, window: windows.number(index), surprises: scores.map(\.0), mark: mark)
      }
      result.endWindow()
      guard onWindow(index + 1, result) else { break }
    }
    return result
  }

  private func finished(_ index: Int) throws -> (values: [Double], mark: BaseMark)? {
    try state?.surprises(part: part, window: windows.number(index), count: windows.scoredPerWindow)
  }

  /// Adds up windows that are all in the state, as ``run(_:onStep:onWindow:)`` would.
  ///
  /// - Parameter onWindow: Called after each window with the number of windows done and the result so far.
  /// - Returns: The perplexity over all windows.
  /// - Throws: ``EvaluationError`` with `partsMissing` when a window is not there, or `damagedState`.
  package func join(onWindow: (_ done: Int, _ soFar: PerplexityStatistics) -> Void) throws
    -> PerplexityStatistics
  {
    var result = PerplexityStatistics(windowsPerUnit: windows.windowsPerUnit)
    for index in 0..<windows.count {
      guard let values = try finished(index)?.values else { throw RunState.missing(window: index) }
      for surprise in values { result.add(surprise) }
      result.endWindow()
      onWindow(index + 1, result)
    }
    return result
  }
}
