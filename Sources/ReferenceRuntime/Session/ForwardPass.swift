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
    let width = weights.embedding.weights.columns
    let scratch = try StreamScratch(context, count: tokens.count, width: width)
    let (h, x, y) = (scratch.stream, scratch.normed, scratch.branch)

    for (row, token) in tokens.enumerated() {
      context.engine.decode(weights.embedding, row: Int(token), into: h.row(row))
    }
    context.scale(h, by: weights.ends.embeddingScale)
    context.tap("token_embd", h)

    for (index, layer) in weights.layers.enumerated() {
      StreamNorm.run(h, layer.mixerNorm, into: x, context)
      context.tap("blk.\(index).attn_norm", x)
      try mix(x, layer.mixer, states[index], into: y, context)
      context.tap("blk.\(index).attn_out", y)
      if let norm = layer.mixerOutputNorm { StreamNorm.run(y, norm, into: y, context) }
      context.add(y, times: layer.branchFactor, to: h)

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
    return h
  }

  /// Mixes positions.
  private static func mix(
    _ x: FloatRows, _ mixer: DecoderLayer.Mixer, _ state: LayerState, into y: FloatRows,
    _ context: BlockContext
  ) throws {
    switch (mixer, state) {
    case (.attention(let attention, let weights), .attention(let cache)):
      try SoftmaxAttention.run(x, attention, weights, cache: cache, into: y, context)
    case (.latent(let part, let weights), .attention(let cache)):
      try LatentAttentionMixer.run(x, part, weights, cache: cache, into: y, context)
    case (.deltaNet(let net, let weights), .deltaNet(let state)):
      try DeltaNetMixer.run(x, weights, net, state: state, into: y, context)
    case (.shortConvolution(let part, let weights), .shortConvolution(let state)):
      try ShortConvolutionMixer.run(x, part, weights, state: state, into: y, context)
    default: preconditionFailure("layer states are made for the layers")
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

/// The residual stream, its norm, and what a branch adds to it, `[tokens, hidden]` each.
struct StreamScratch {
  let stream, normed, branch: FloatRows

  init(_ source: some ScratchSource, count: Int, width: Int) throws {
    stream = try source.scratch("stream", count, width)
    normed = try source.scratch("normed", count, width)
    branch = try source.scratch("branch", count, width)
  }
}

/// What a layer carries from batch to batch.
enum LayerState {
  case attention(KeyValueCache)
  case deltaNet(DeltaNetState)
  case shortConvolution(ShortConvolutionState)

  /// Bytes reserved.
  var byteCount: Int {
    switch self {
    case .attention(let cache): cache.byteCount
    case .deltaNet(let state): state.byteCount
    case .shortConvolution(let state): state.byteCount
    }
  }

  /// Forgets what is not overwritten by positions from 0 on.
  func clear() {
    switch self {
    case .attention(let cache): cache.clear()
    case .deltaNet(let state): state.clear()
    case .shortConvolution(let state): state.clear()
    }
  }
}
