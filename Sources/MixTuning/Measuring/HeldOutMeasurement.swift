package import ModelEvaluation
package import ReferenceRuntime

/// Measures what a mix lost, on text that had no part in its choice.
package struct HeldOutMeasurement {
  private let windows: TokenWindows
  private let options: EvaluationOptions
  private let limits: MeasuringPlan.Limits

  /// Describes a measurement.
  ///
  /// - Parameters:
  ///   - windows: The windows.
  ///   - options: How models are run; the schedule in it is not looked at.
  ///   - limits: The memory.
  package init(windows: TokenWindows, options: EvaluationOptions, limits: MeasuringPlan.Limits) {
    self.windows = windows
    self.options = options
    self.limits = limits
  }

  /// Compares a model with its base in lock-step.
  ///
  /// - Parameters:
  ///   - tested: The model.
  ///   - base: The base.
  ///   - onWindow: Called with the number of windows that are done; `false` ends the measurement.
  /// - Returns: The divergence; `nil` when it was ended.
  /// - Throws: `EvaluationError`, `RuntimeError`.
  package func divergence(
    of tested: LoadedModel, from base: LoadedModel, onWindow: (Int) -> Bool
  ) throws -> TunedMix.Actual? {
    let plan = try MeasuringPlan(
      [base, tested], windowCount: windows.count, length: windows.length, options: options, request: .auto,
      limits: limits)
    var options = options
    options.schedule = plan.schedule
    let evaluators = try [base, tested].map {
      try WindowEvaluator($0, length: windows.length, options: options)
    }
    let statistics = try DivergenceRun(windows: windows).run([evaluators[1]], base: evaluators[0]) {
      done, _ in
      onWindow(done)
    }[0]
    guard statistics.windowCount == windows.count else { return nil }
    let estimate = statistics.meanDivergence
    return TunedMix.Actual(
      divergence: estimate.value, low: estimate.interval95?.lowerBound, high: estimate.interval95?.upperBound,
      windows: windows.count)
  }
}
