internal import CheckpointConversion
internal import MemoryEstimation
internal import QuantRecipes

/// The memory that a mix takes when llama.cpp runs it.
enum MixMemory {
  /// Bytes for weights, caches and buffers.
  ///
  /// - Parameters:
  ///   - recipe: The mix.
  ///   - plan: The model.
  ///   - contextLength: Tokens of context.
  /// - Returns: The sum, without what the system keeps.
  /// - Throws: `EstimationError`, errors of the planner.
  static func byteCount(_ recipe: Recipe, _ plan: TuningPlan, contextLength: Int) throws -> Int {
    var run = RunOptions(contextLength: contextLength)
    run.contextLength = contextLength
    try run.check()
    var wishes = plan.request
    wishes.samplesSources = false
    wishes.writesProvenance = true
    let priced = try ModelSource(plan.request.source).price(EstimateRequest(recipe: recipe, wishes: wishes))
    return try priced.memory(of: .llamaCpp, run).totalBytes
  }
}
