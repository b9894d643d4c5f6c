package import ModelEvaluation
package import TensorCompute

/// How sensitivities are measured.
package struct SensitivityOptions: Sendable {
  /// The way.
  package var method = SensitivityTable.Method.local
  /// How matrix products are computed.
  package var mode = ComputeMode.fast
  /// Threads; all cores when `nil`.
  ///
  /// Without effect on results.
  package var threads: Int?
  /// The most tokens computed together.
  ///
  /// Without effect on results.
  package var batchLength = 512
  /// The memory.
  ///
  /// Without effect on results.
  package var limits = MeasuringPlan.Limits()
  /// Windows that divergences are measured on to find gains; `nil` for the usual number.
  package var gainWindows: Int?

  /// Creates options.
  package init() {}
}
