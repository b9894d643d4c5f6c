internal import ReferenceRuntime

/// Collects importance data while a model reads windows of text.
package struct ImportanceRun {
  /// The windows.
  package let windows: TokenWindows
  /// Whether perplexity is measured along the way.
  package var measuresPerplexity: Bool
  /// Whether the output matrix sees all positions.
  package var needsOutput: Bool

  /// The window to begin with, after those of an earlier run.
  package var firstWindow = 0
  /// Where the sums of each window are kept, in place of adding them up.
  package var state: ImportanceState?

  /// Creates a run.
  package init(windows: TokenWindows, measuresPerplexity: Bool, needsOutput: Bool) {
    self.windows = windows
    self.measuresPerplexity = measuresPerplexity
    self.needsOutput = needsOutput
  }

  /// Runs the windows from the first one on.
  ///
  /// - Parameters:
  ///   - evaluator: The model.
  ///   - collector: Receives the activations.
  ///   - onStep: Called after each piece of work on a group of windows; `false` ends the run, after which the collector
  ///     holds parts of the group.
  ///   - onWindow: Called after each window; `false` ends the run.
  /// - Returns: The perplexity, without tokens when it was not measured.
  /// - Throws: `RuntimeError`, ``EvaluationError``, and what `onWindow` throws.
  package func run(
    _ evaluator: WindowEvaluator, _ collector: ImportanceCollector,
    onStep: (GroupStep) -> Bool = { _ in true },
    onWindow: (_ done: Int, _ soFar: PerplexityStatistics) throws -> Bool
  ) throws -> PerplexityStatistics {
    let windows = windows
    try evaluator.check(windows)
    evaluator.observer = collector
    // The first window of those whose rows come together.
    var groupStart = 0
    if let state {
      collector.recorder = ImportanceCollector.Recorder { name, sequence, columns, sums, counts in
        try state.add(
          window: windows.number(groupStart + sequence), name: name, columns: columns, sums: sums,
          counts: counts)
      }
    }
    defer {
      evaluator.observer = nil
      collector.recorder = nil
    }
    var result = PerplexityStatistics(windowsPerUnit: windows.windowsPerUnit)
    let scored = windows.firstScored..<(windows.length - 1)
    for index in min(firstWindow, windows.count)..<windows.count {
      if !evaluator.continuesGroup(index) { groupStart = index }
      guard try evaluator.prepare(windows, index, onStep: onStep) else {
        break
      }
      var kept: [Double] = []
      let wanted = needsOutput ? 0..<windows.length : measuresPerplexity ? scored : 0..<0
      try evaluator.read(windows, index, logits: wanted) { first, rows in
        guard measuresPerplexity else { return }
        let surprises: [Double?] = try evaluator.map(rows, rowLength: evaluator.vocabularySize) {
          row, logits in
          guard scored.contains(first + row) else { return nil }
          return try LogitSummary(logits).surprise(logits[windows.target(index, position: first + row)])
        }
        for surprise in surprises.compactMap(\.self) {
          result.add(surprise)
          if state != nil { kept.append(surprise) }
        }
      }
      result.endWindow()
      try collector.endWindow()
      try state?.finish(window: windows.number(index), surprises: kept)
      guard try onWindow(index + 1, result) else { break }
    }
    return result
  }
}
