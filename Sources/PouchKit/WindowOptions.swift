internal import ModelEvaluation
internal import ReferenceRuntime
public import TensorCompute

/// How models are run over the windows of a text.
public struct WindowOptions: Hashable, Sendable {
  /// The most windows; `nil` for all of the text.
  public var windows: Int?
  /// Tokens per window, of which the second half is scored.
  public var length = 512
  /// How weights and activations meet.
  public var mode = ComputeMode.fast
  /// Threads; `nil` for all cores.
  ///
  /// Without effect on results.
  public var threads: Int?
  /// The most bytes of memory that weights and windows take; `nil` for what the machine has.
  ///
  /// Without effect on results: a model that is larger goes layer by layer.
  public var memoryLimit: Int?

  /// Creates options for so many windows.
  public init(windows: Int? = nil) { self.windows = windows }

  var cut: WindowCut { WindowCut(length: length, limit: windows) }

  /// Evaluators for models that take turns with each window.
  func evaluators(_ models: [MeasuredModel], _ windows: TokenWindows) throws -> [WindowEvaluator] {
    var options = EvaluationOptions(mode: mode, threads: threads)
    let models = models.map(\.model)
    options.schedule = try MeasuringPlan(
      models, windowCount: windows.count, length: windows.length, options: options, request: .auto,
      limits: .ofMachine(allowed: memoryLimit)
    ).schedule
    return try models.map { try WindowEvaluator($0, length: windows.length, options: options) }
  }
}
