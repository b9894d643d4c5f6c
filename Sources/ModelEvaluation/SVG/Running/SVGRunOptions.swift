internal import ReferenceRuntime
package import TensorCompute

/// How an evaluation of drawings is made.
package struct SVGRunOptions: Hashable, Sendable {
  /// How matrix products are computed.
  package var mode: ComputeMode = .fast
  /// Threads; all cores when `nil`, without effect on results.
  package var threads: Int?
  /// The most tokens of an answer.
  package var tokenLimit = 1_024
  /// Seeded draws besides the greedy answer.
  package var sampleCount = 0
  /// The temperature of the draws.
  package var temperature: Float = 0.8
  /// The seed of the first draw; further draws count up.
  package var seed: UInt32 = 1
  /// Whether prompts are rendered by the models' chat templates.
  package var usesChatTemplate = true

  /// Seconds after which what is drawn of unfinished answers is kept again, without effect on results.
  package var secondsBetweenSaves = 60.0

  /// The order of answers and layers, without effect on results.
  package var request = MeasuringPlan.Request.auto
  /// The memory that decides it.
  package var limits = MeasuringPlan.Limits()

  /// The defaults.
  package init() {}

  /// Settings of the draw with a number; 0 is greedy.
  func sampling(_ variant: Int) -> SamplingOptions {
    var options = SamplingOptions()
    if variant == 0 {
      options.temperature = 0
      options.topK = 1
    } else {
      options.temperature = temperature
      options.seed = seed &+ UInt32(variant - 1)
    }
    return options
  }
}
