internal import FileBytes

extension DecoderWeights {
  /// Finds every tensor of a model.
  ///
  /// - Throws: ``RuntimeError`` with `missingTensor` or `wrongShape` for the first that is not as expected.
  init(shape: DecoderShape, store: any TensorStore) throws {
    let binder = TensorBinder(shape: shape, store: store)
    let (hidden, vocabulary) = (shape.hiddenSize, shape.vocabularySize)
    embedding = try binder.matrix("token_embd.weight", hidden, vocabulary)
    outputNorm = try binder.vector("output_norm.weight", hidden)
    output = store.has("output.weight") ? try binder.matrix("output.weight", hidden, vocabulary) : embedding
    let pairs = shape.rotary.dimensions / 2
    switch shape.rotary.factorTensors {
    case .one: rotaryFactors = try binder.optionalList("rope_freqs.weight", pairs)
    case .byContext(let original):
      rotaryFactors = try binder.optionalList("rope_factors_short.weight", pairs)
      longRotaryFactors = LongFactors(
        originalContextLength: original,
        factors: try binder.optionalList("rope_factors_long.weight", pairs))
    }
    layers = try (0..<shape.layerCount).map { try binder.layer($0) }
  }
}

/// Names and shapes of one model's tensors (GGUF names; shapes fastest dimension first).
struct TensorBinder {
  let shape: DecoderShape
  let store: any TensorStore

  /// A layer with its mixer and feed-forward network.
  func layer(_ index: Int) throws -> DecoderLayer {
    let block = "blk.\(index)."
    // The norm before the feed-forward network has two names, whatever its place.
    let secondNorm = shape.deltaNet == nil ? "ffn_norm.weight" : "post_attention_norm.weight"
    let mixerNorm = try vector(block + "attn_norm.weight", shape.hiddenSize)
    let mixer: DecoderLayer.Mixer =
      switch shape.mixers[index] {
      case .attention: .attention(try attention(block))
      case .gatedDeltaNet: .gatedDeltaNet(try deltaNet(block))
      }
    let feedForwardNorm = try vector(block + secondNorm, shape.hiddenSize)
    let feedForward: DecoderLayer.FeedForward =
      if let experts = shape.experts {
        .experts(try self.experts(block, experts))
      } else {
        .dense(try dense(block, suffix: "", width: shape.feedForwardSize))
      }
    return DecoderLayer(
      mixerNorm: mixerNorm, mixer: mixer, feedForwardNorm: feedForwardNorm, feedForward: feedForward)
  }

  private func attention(_ block: String) throws -> AttentionWeights {
    let a = shape.attention
    let hidden = shape.hiddenSize
    let queryRows = a.headCount * a.headDim * (a.hasOutputGate ? 2 : 1)
    let keyRows = a.keyValueHeadCount * a.headDim
    return AttentionWeights(
      query: try matrix(block + "attn_q.weight", hidden, queryRows),
      key: try matrix(block + "attn_k.weight", hidden, keyRows),
      value: try matrix(block + "attn_v.weight", hidden, keyRows),
      output: try matrix(block + "attn_output.weight", a.headCount * a.headDim, hidden),
      queryBias: try optional(block + "attn_q.bias", queryRows),
      keyBias: try optional(block + "attn_k.bias", keyRows),
      valueBias: try optional(block + "attn_v.bias", keyRows),
      outputBias: try optional(block + "attn_output.bias", hidden),
      queryNorm: try optional(block + "attn_q_norm.weight", a.headDim),
      keyNorm: try optional(block + "attn_k_norm.weight", a.headDim))
  }

  private func deltaNet(_ block: String) throws -> DeltaNetWeights {
    guard let net = shape.deltaNet else {
      throw RuntimeError(
        .badMetadata, Fault(file: store.source, subject: block, expected: "delta-net sizes", found: "none"))
    }
    let hidden = shape.hiddenSize
    let heads = net.valueHeadCount
    let gates: DeltaNetWeights.Gates =
      store.has(block + "ssm_ba.weight")
      ? .perKeyHead(try matrix(block + "ssm_ba.weight", hidden, 2 * heads))
      : .separate(
        beta: try matrix(block + "ssm_beta.weight", hidden, heads),
        alpha: try matrix(block + "ssm_alpha.weight", hidden, heads))
    let taps = try list(block + "ssm_conv1d.weight", net.kernelLength, net.channelCount)
    let convolution = try FloatBuffer(count: taps.count, purpose: block + "ssm_conv1d.weight")
    for channel in 0..<net.channelCount {
      for tap in 0..<net.kernelLength {
        convolution.base[tap * net.channelCount + channel] = taps[channel * net.kernelLength + tap]
      }
    }
    return DeltaNetWeights(
      queryKeyValue: try matrix(block + "attn_qkv.weight", hidden, net.channelCount),
      gate: try matrix(block + "attn_gate.weight", hidden, net.valueWidth), gates: gates,
      convolution: convolution,
      decay: try list(block + "ssm_a", heads), stepBias: try list(block + "ssm_dt.bias", heads),
      norm: try vector(block + "ssm_norm.weight", net.valueDim),
      output: try matrix(block + "ssm_out.weight", net.valueWidth, hidden))
  }

  private func dense(_ block: String, suffix: String, width: Int) throws -> DenseWeights {
    DenseWeights(
      gate: try matrix(block + "ffn_gate\(suffix).weight", shape.hiddenSize, width),
      up: try matrix(block + "ffn_up\(suffix).weight", shape.hiddenSize, width),
      down: try matrix(block + "ffn_down\(suffix).weight", width, shape.hiddenSize),
      gateBias: try optional(block + "ffn_gate\(suffix).bias", width),
      upBias: try optional(block + "ffn_up\(suffix).bias", width),
      downBias: try optional(block + "ffn_down\(suffix).bias", shape.hiddenSize))
  }

  private func experts(_ block: String, _ experts: DecoderShape.Experts) throws -> ExpertWeights {
    let hidden = shape.hiddenSize
    return ExpertWeights(
      router: try matrix(block + "ffn_gate_inp.weight", hidden, experts.count),
      gate: try stack(block + "ffn_gate_exps.weight", hidden, experts.width, experts.count),
      up: try stack(block + "ffn_up_exps.weight", hidden, experts.width, experts.count),
      down: try stack(block + "ffn_down_exps.weight", experts.width, hidden, experts.count),
      shared: try experts.sharedWidth.map { try dense(block, suffix: "_shexp", width: $0) },
      sharedGate: experts.sharedWidth == nil
        ? nil : try matrix(block + "ffn_gate_inp_shexp.weight", hidden, 1))
  }

  /// A matrix of `outputs` rows of `inputs` values.
  func matrix(_ name: String, _ inputs: Int, _ outputs: Int) throws -> NamedMatrix {
    try store.check(name, [inputs, outputs])
    return NamedMatrix(name: store.storedName(of: name), weights: try store.matrix(name))
  }

  /// One matrix per expert.
  private func stack(_ name: String, _ inputs: Int, _ outputs: Int, _ count: Int) throws -> ExpertStack {
    try store.check(name, [inputs, outputs, count])
    return try store.experts(name)
  }

  /// A small tensor's values.
  func list(_ name: String, _ shape: Int...) throws -> [Float] {
    try store.check(name, shape)
    return try store.values(name)
  }

  /// A small tensor's values, if there is one.
  func optionalList(_ name: String, _ count: Int) throws -> [Float]? {
    store.has(name) ? try list(name, count) : nil
  }

  /// A vector.
  func vector(_ name: String, _ count: Int) throws -> FloatBuffer {
    let values = try list(name, count)
    let buffer = try FloatBuffer(count: count, purpose: name)
    for (index, value) in values.enumerated() { buffer.base[index] = value }
    return buffer
  }

  /// A vector that not all models have.
  private func optional(_ name: String, _ count: Int) throws -> FloatBuffer? {
    store.has(name) ? try vector(name, count) : nil
  }
}
