internal import ModelDescriptions
internal import TensorCompute

/// The forward pass of all supported families.
///
/// ```
/// h = embedding[token]
/// for each layer:
///   h = h + mixer(rms(h))            softmax or latent attention, or a gated delta net in hybrid models
///   h = h + feedForward(rms(h))      dense, or a mixture of experts
/// logits = W_out rms(h)
/// ```
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
    context.tap("token_embd", h)

    for (index, layer) in weights.layers.enumerated() {
      RMSNorm.run(h, layer.mixerNorm, into: x, context)
      context.tap("blk.\(index).attn_norm", x)
      switch (layer.mixer, states[index]) {
      case (.attention(let attention, let weights), .attention(let cache)):
        try SoftmaxAttention.run(x, attention, weights, cache: cache, into: y, context)
      case (.latent(let part, let weights), .attention(let cache)):
        try LatentAttentionMixer.run(x, part, weights, cache: cache, into: y, context)
      case (.deltaNet(let net, let weights), .deltaNet(let state)):
        try DeltaNetMixer.run(x, weights, net, state: state, into: y, context)
      default: preconditionFailure("layer states are made for the layers")
      }
      context.tap("blk.\(index).attn_out", y)
      context.add(y, to: h)

      RMSNorm.run(h, layer.feedForwardNorm, into: x, context)
      context.tap("blk.\(index).ffn_norm", x)
      switch layer.feedForward {
      case .dense(let weights): try DenseFeedForward.run(x, weights, into: y, name: "dense", context)
      case .experts(let experts, let weights):
        try ExpertMixture.run(x, weights, experts, layer: index, into: y, context)
      }
      context.tap("blk.\(index).ffn_out", y)
      context.add(y, to: h)
      context.tap("blk.\(index).out", h)
    }
    return h
  }

  /// The logits of some rows of the residual stream, `[rows, vocabulary]`.
  static func logits(
    _ h: FloatRows, _ weights: DecoderWeights, into logits: FloatRows, _ context: BlockContext
  ) throws {
    let x = try context.scratch("normed.last", h.count, h.width)
    RMSNorm.run(h, weights.outputNorm, into: x, context)
    context.tap("output_norm", x)
    try context.multiply(x, Product(matrix: weights.output, output: logits))
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

  /// Bytes reserved.
  var byteCount: Int {
    switch self {
    case .attention(let cache): cache.byteCount
    case .deltaNet(let state): state.byteCount
    }
  }
}
