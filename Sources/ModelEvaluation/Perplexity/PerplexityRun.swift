internal import ReferenceRuntime

/// Measures the perplexity of one model on windows of text, and can keep its probabilities as a base.
public struct PerplexityRun {
  /// The windows.
  public let windows: TokenWindows
  /// Where the probabilities go, if anywhere.
  public var base: BaseFileWriter?

  /// Creates a run.
  public init(windows: TokenWindows, base: BaseFileWriter? = nil) {
    self.windows = windows
    self.base = base
  }

  /// Runs all windows.
  ///
  /// - Parameters:
  ///   - evaluator: The model.
  ///   - onWindow: Called after each window with the number of windows done and the result so far; `false` ends the
  ///     run, which then covers fewer windows.
  /// - Returns: The perplexity over all windows done.
  /// - Throws: `RuntimeError`, ``EvaluationError``, and errors of writing the base file.
  public func run(
    _ evaluator: WindowEvaluator, onWindow: (_ done: Int, _ soFar: Perplexity) -> Bool
  ) throws -> Perplexity {
    try evaluator.check(windows)
    var result = Perplexity()
    let windows = windows
    let encoder = base?.encoder
    for index in 0..<windows.count {
      let scores = try evaluator.score(windows, index) { position, row in
        let target = windows.target(index, position: position)
        let summary = try LogitSummary(row)
        return (
          summary.surprise(row[target]), try encoder?.encode(row, summary, target: target) ?? []
        )
      }
      for (surprise, _) in scores { result.add(surprise) }
      try base?.append(window: scores.map(\.1))
      guard onWindow(index + 1, result) else { break }
    }
    return result
  }
}
