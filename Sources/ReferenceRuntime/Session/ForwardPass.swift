internal import CRuntimeKernels
internal import ModelDescriptions
internal import TensorCompute

/// The forward pass of all supported families.
///
/// ```
/// h = embedding[token]
/// for each layer:
///   h = h + mixer(norm(h))           softmax or latent attention; in hybrid models a gated delta net or a short
///                                    convolution
///   h = h + feedForward(norm(h))     dense, a mixture of experts, or both side by side
/// logits = W_out norm(h)
/// ```
///
/// Some families multiply embeddings, branches, streams or logits by numbers, norm what branches give, or bound logits.
/// A ``Session`` takes one sequence through all layers, a ``GroupSession`` many sequences through one layer after the
/// other, and a ``GroupDecoder`` does so again and again, a token of each sequence at a time.
///
/// | family                          | mixer                                        | feed-forward                 |
/// |---------------------------------|----------------------------------------------|------------------------------|
/// | llama, mixtral                  | attention, rotary pairs adjacent             | dense; experts               |
/// | qwen2, qwen2_moe                | attention with biases                        | dense; experts and shared    |
/// | qwen3, qwen3_moe                | attention with query and key norms           | dense; experts               |
/// | qwen3_next, qwen3_5_moe, qwen3_5 | gated delta net; gated attention with norms | experts and shared; dense    |
enum ForwardPass {
  /// Runs the trunk on a batch and returns the residual stream, `[tokens, hidden]`.
  static func run(
    _ tokens: ArraySlice<Int32>, _ weights: DecoderWeights, states: [LayerState], _ context: BlockContext
  ) throws -> FloatRows {
    let scratch = try StreamScratch(context, count: tokens.count, width: weights.width)
    let h = scratch.stream
    embed(tokens, weights, into: h, context)
    for (index, layer) in weights.layers.enumerated() {
      try mix(h, layer, at: index, [states[index]], scratch.branch, context)
      try feedForward(h, layer, at: index, scratch.branch, context)
    }
    return h
  }

  /// Starts the residual stream of tokens.
  static func embed(
    _ tokens: ArraySlice<Int32>, _ weights: DecoderWeights, into h: FloatRows, _ context: BlockContext
  ) {
    for (row, token) in tokens.enumerated() {
      context.engine.decode(weights.embedding, row: Int(token), into: h.row(row))
    }
    context.scale(h, by: weights.ends.embeddingScale)
    context.tap("token_embd", h)
  }

  /// The first branch of a layer, for a batch whose parts follow what the states stand for, one for each part.
  static func mix(
    _ h: FloatRows, _ layer: DecoderLayer, at index: Int, _ states: [LayerState], _ scratch: BranchScratch,
    _ context: BlockContext
  ) throws {
    let (x, y) = (scratch.normed, scratch.branch)
    StreamNorm.run(h, layer.mixerNorm, into: x, context)
    context.tap("blk.\(index).attn_norm", x)
    try mix(x, layer.mixer, states, into: y, context)
    context.tap("blk.\(index).attn_out", y)
    if let norm = layer.mixerOutputNorm { StreamNorm.run(y, norm, into: y, context) }
    context.add(y, times: layer.branchFactor, to: h)
  }

  /// The second branch of a layer, which sees each row alone: rows may be of any sequences.
  static func feedForward(
    _ h: FloatRows, _ layer: DecoderLayer, at index: Int, _ scratch: BranchScratch, _ context: BlockContext
  ) throws {
    let (x, y) = (scratch.normed, scratch.branch)
    StreamNorm.run(h, layer.feedForwardNorm, into: x, context)
    context.tap("blk.\(index).ffn_norm", x)
    switch layer.feedForward {
    case .dense(let weights): try DenseFeedForward.run(x, weights, into: y, name: "dense", context)
    case .experts(let experts, let weights):
      try ExpertMixture.run(x, stream: h, weights, experts, layer: index, into: y, context)
    case .parallel(let parallel):
      try ParallelFeedForward.run(x, stream: h, parallel, layer: index, into: y, context)
    }
    context.tap("blk.\(index).ffn_out", y)
    if let norm = layer.feedForwardOutputNorm { StreamNorm.run(y, norm, into: y, context) }
    context.add(y, times: layer.branchFactor, to: h)
    context.scale(h, by: layer.outputScale)
    context.tap("blk.\(index).out", h)
  }

  /// Mixes positions.
  private static func mix(
    _ x: FloatRows, _ mixer: DecoderLayer.Mixer, _ states: [LayerState], into y: FloatRows,
    _ context: BlockContext
  ) throws {
    precondition(states.count == context.parts.count, "every part of a batch has a state")
    switch mixer {
    case .attention(let attention, let weights):
      try SoftmaxAttention.run(x, attention, weights, caches: states.map(\.cache), into: y, context)
    case .latent(let part, let weights):
      try LatentAttentionMixer.run(x, part, weights, caches: states.map(\.cache), into: y, context)
    case .deltaNet(let net, let weights):
      try DeltaNetMixer.run(x, weights, net, states: states.map(\.deltaNetState), into: y, context)
    case .shortConvolution(let part, let weights):
      try ShortConvolutionMixer.run(
        x, part, weights, states: states.map(\.convolutionState), into: y, context)
    }
  }

  /// The logits of some rows of the residual stream, `[rows, vocabulary]`.
  static func logits(
    _ h: FloatRows, _ weights: DecoderWeights, into logits: FloatRows, _ context: BlockContext
  ) throws {
    let x = try context.scratch("normed.last", h.count, h.width)
    StreamNorm.run(h, weights.outputNorm, into: x, context)
    context.tap("output_norm", x)
    try context.multiply(x, Product(matrix: weights.output, output: logits))
    let (level, ends) = (context.level, weights.ends)
    context.add(ends.outputBias, to: logits)
    guard ends.changesLogits else { return }
    context.engine.parallel(logits.count) { row, _ in
      let values = logits.row(row)
      if ends.logitDivisor != 1 { for index in 0..<logits.width { values[index] /= ends.logitDivisor } }
      if let cap = ends.logitCap { crk_soft_cap(level, cap, logits.width, values) }
    }
  }
}

/// The residual stream of a batch, and the rows of its branches.
struct StreamScratch {
  /// `[tokens, hidden]`.
  let stream: FloatRows
  let branch: BranchScratch

  init(_ source: some ScratchSource, count: Int, width: Int) throws {
    stream = try source.scratch("stream", count, width)
    branch = try BranchScratch(source, count: count, width: width)
  }
}

/// The norm of the residual stream, and what a branch adds to it, `[tokens, hidden]` each.
struct BranchScratch {
  let normed, branch: FloatRows

  init(_ source: some ScratchSource, count: Int, width: Int) throws {
    normed = try source.scratch("normed", count, width)
    branch = try source.scratch("branch", count, width)
  }
}
