/// A dense network and a mixture of experts side by side, each between norms of its own.
///
/// ```
/// d = dense(x)                              x: the stream h after the layer's norm
/// e = experts(norm(h))
/// y = norm(d) + norm(e)
/// ```
enum ParallelFeedForward {
  /// Runs it on rows.
  static func run(
    _ x: FloatRows, stream: FloatRows, _ weights: ParallelWeights, layer: Int, into y: FloatRows,
    _ context: BlockContext
  ) throws {
    let scratch = try ParallelScratch(context, count: x.count, width: x.width)
    try DenseFeedForward.run(x, weights.dense, into: y, name: "dense", context)
    StreamNorm.run(y, weights.denseOutputNorm, into: y, context)

    StreamNorm.run(stream, weights.expertInputNorm, into: scratch.input, context)
    try ExpertMixture.run(
      scratch.input, stream: stream, weights.experts, weights.shape, layer: layer, into: scratch.output,
      context)
    StreamNorm.run(scratch.output, weights.expertOutputNorm, into: scratch.output, context)
    context.add(scratch.output, to: y)
  }
}

/// The rows of experts beside a dense network, `[tokens, hidden]`.
struct ParallelScratch {
  let input, output: FloatRows

  init(_ source: some ScratchSource, count: Int, width: Int) throws {
    input = try source.scratch("parallel.input", count, width)
    output = try source.scratch("parallel.output", count, width)
  }
}
