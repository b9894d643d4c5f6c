public import ModelEvaluation
public import TensorCompute

/// How sensitivities are measured.
public struct SensitivityOptions: Sendable {
  /// The way.
  public var method = SensitivityTable.Method.local
  /// How matrix products are computed.
  public var mode = ComputeMode.fast
  /// Threads; all cores when `nil`.
  ///
  /// Without effect on results.
  public var threads: Int?
  /// The most tokens computed together.
  ///
  /// Without effect on results.
  public var batchLength = 512
  /// The memory.
  ///
  /// Without effect on results.
  public var limits = MeasuringPlan.Limits()
  /// Windows that divergences are measured on to find gains; `nil` for the usual number.
  public var gainWindows: Int?

  /// Creates options.
  public init() {}
}
