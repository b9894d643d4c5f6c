internal import FileBytes
internal import ModelDescriptions

extension DecoderWeights {
  /// Finds every tensor of a model by what it is for.
  ///
  /// - Parameters:
  ///   - architecture: The layers.
  ///   - expected: The tensors of such a model, optional ones too.
  ///   - store: The tensors.
  /// - Throws: ``RuntimeError`` with `missingTensor` or `wrongShape` for the first that is not as expected, with
  ///   `badMetadata` for a rotary embedding that cannot be.
  init(architecture: Architecture, expected: [ExpectedTensor], store: any TensorStore) throws {
    let binder = TensorBinder(expected, norm: architecture.norm, store: store)
    embedding = try binder.matrix(.tokenEmbedding)
    outputNorm = try binder.norm(.outputNorm, bias: .outputNormBias)
    output = binder.has(.output) ? try binder.matrix(.output) : embedding
    ends = EndWeights(
      embeddingScale: Float(architecture.ends.embeddingScale),
      outputBias: architecture.ends.hasOutputBias ? try binder.vector(.outputBias) : nil,
      logitDivisor: Float(architecture.ends.logitDivisor),
      logitCap: architecture.ends.logitCap.map { Float($0) })
    var rotations: [RotarySettings] = []
    layers = try architecture.layers.enumerated().map { index, layer in
      try binder.layer(layer, at: index) { rotary in
        let settings = try RotarySettings(
          rotary, contextLength: architecture.contextLength, architecture: architecture.name,
          file: store.source)
        if let known = rotations.firstIndex(of: settings) { return known }
        rotations.append(settings)
        return rotations.count - 1
      }
    }
    self.rotations = rotations
    switch rotations.lazy.map(\.factorTensors).first(where: { $0 != .none }) {
    case nil, .none?: break
    case .one: rotaryFactors = try binder.optionalList(.rotaryFactors)
    case .byContext(let original):
      rotaryFactors = try binder.optionalList(.rotaryFactorsShort)
      longRotaryFactors = LongFactors(
        originalContextLength: original, factors: try binder.optionalList(.rotaryFactorsLong))
    }
  }
}

/// The tensors of one model by what they are for.
struct TensorBinder {
  private struct Place: Hashable {
    var block: Int?
    var slot: TensorSlot
  }

  private let store: any TensorStore
  /// The norm of the model, which has a bias or not.
  private let norm: Norm
  private let expected: [Place: ExpectedTensor]

  init(_ expected: [ExpectedTensor], norm: Norm, store: any TensorStore) {
    self.store = store
    self.norm = norm
    self.expected = Dictionary(
      expected.map { (Place(block: $0.block, slot: $0.slot), $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// A layer with its mixer and feed-forward network; `rotation` gives the place of a rotary embedding.
  func layer(
    _ layer: Layer, at block: Int, rotation: (RotaryEmbedding) throws -> Int
  ) throws -> DecoderLayer {
    let mixer: DecoderLayer.Mixer =
      switch layer.mixer {
      case .attention(let part):
        .attention(
          part,
          try attention(
            block, part,
            rotation: part.rotaryDimensions > 0 ? try rotation(RotaryEmbedding(part)) : nil))
      case .latent(let part):
        .latent(part, try latent(block, part, rotation: try rotation(RotaryEmbedding(part))))
      case .deltaNet(let part): .deltaNet(part, try deltaNet(block, part))
      case .shortConvolution(let part):
        .shortConvolution(part, try shortConvolution(block, part))
      }
    let feedForward: DecoderLayer.FeedForward =
      switch layer.feedForward {
      case .dense: .dense(try dense(block))
      case .experts(let part): .experts(part, try experts(block, part))
      case .parallel(_, let part): .parallel(try parallel(block, part))
      }
    let residual = layer.residual
    return DecoderLayer(
      mixerNorm: try norm(.mixerNorm, bias: .mixerNormBias, block), mixer: mixer,
      mixerOutputNorm: residual.normsOutputs ? try norm(.mixerOutputNorm, block) : nil,
      feedForwardNorm: try norm(.feedForwardNorm, bias: .feedForwardNormBias, block),
      feedForward: feedForward,
      feedForwardOutputNorm: residual.normsOutputs ? try norm(.feedForwardOutputNorm, block) : nil,
      branchFactor: Float(residual.factor),
      outputScale: residual.hasOutputScale ? try list(.layerScale, block)[0] : 1)
  }

  private func attention(_ block: Int, _ part: Attention, rotation: Int?) throws -> AttentionWeights {
    AttentionWeights(
      query: try matrix(.query, block), key: try matrix(.key, block),
      value: part.hasValueProjection ? try matrix(.value, block) : nil,
      output: try matrix(.attentionOutput, block), queryBias: try optional(.queryBias, block),
      keyBias: try optional(.keyBias, block), valueBias: try optional(.valueBias, block),
      outputBias: try optional(.attentionOutputBias, block), queryNorm: try optional(.queryNorm, block),
      keyNorm: try optional(.keyNorm, block), sinks: part.hasSinks ? try vector(.sinks, block) : nil,
      rotation: rotation)
  }

  private func latent(_ block: Int, _ part: LatentAttention, rotation: Int) throws -> LatentWeights {
    let query: LatentWeights.Query =
      part.queryRank == nil
      ? .direct(try matrix(.query, block))
      : .narrowed(
        down: try matrix(.queryDown, block), norm: try vector(.queryNorm, block),
        up: try matrix(.queryUp, block))
    return LatentWeights(
      query: query, latent: try matrix(.latentDown, block), norm: try vector(.latentNorm, block),
      key: try stack(.latentKey, block), value: try stack(.latentValue, block),
      output: try matrix(.attentionOutput, block), rotation: rotation)
  }

  private func deltaNet(_ block: Int, _ net: GatedDeltaNet) throws -> DeltaNetWeights {
    let gates: DeltaNetWeights.Gates =
      has(.deltaNetGates, block)
      ? .perKeyHead(try matrix(.deltaNetGates, block))
      : .separate(beta: try matrix(.deltaNetBeta, block), alpha: try matrix(.deltaNetAlpha, block))
    let convolution = try taps(.convolution, block, channels: net.channelCount, count: net.kernelLength)
    return DeltaNetWeights(
      queryKeyValue: try matrix(.deltaNetInput, block), gate: try matrix(.deltaNetGate, block), gates: gates,
      convolution: convolution, decay: try list(.decay, block), stepBias: try list(.stepBias, block),
      norm: try vector(.deltaNetNorm, block), output: try matrix(.deltaNetOutput, block))
  }

  private func shortConvolution(_ block: Int, _ part: ShortConvolution) throws -> ShortConvolutionWeights {
    ShortConvolutionWeights(
      input: try matrix(.shortConvolutionInput, block),
      taps: try taps(.shortConvolutionTaps, block, channels: part.width, count: part.kernelLength),
      output: try matrix(.shortConvolutionOutput, block))
  }

  /// The weights of a depthwise convolution, tap by tap; the file has them channel by channel.
  private func taps(_ slot: TensorSlot, _ block: Int, channels: Int, count: Int) throws -> FloatBuffer {
    let stored = try list(slot, block)
    let taps = try FloatBuffer(count: stored.count, purpose: "the convolution of block \(block)")
    for channel in 0..<channels {
      for tap in 0..<count { taps.base[tap * channels + channel] = stored[channel * count + tap] }
    }
    return taps
  }

  private func parallel(_ block: Int, _ part: Experts) throws -> ParallelWeights {
    ParallelWeights(
      dense: try dense(block), shape: part, experts: try experts(block, part),
      denseOutputNorm: try norm(.denseOutputNorm, block),
      expertInputNorm: try norm(.expertInputNorm, block),
      expertOutputNorm: try norm(.expertOutputNorm, block))
  }

  private func dense(_ block: Int) throws -> DenseWeights {
    DenseWeights(
      gate: try matrix(.gate, block), up: try matrix(.up, block), down: try matrix(.down, block),
      gateBias: try optional(.gateBias, block), upBias: try optional(.upBias, block),
      downBias: try optional(.downBias, block))
  }

  private func experts(_ block: Int, _ part: Experts) throws -> ExpertWeights {
    let shared =
      part.sharedWidth == nil
      ? nil
      : DenseWeights(
        gate: try matrix(.sharedGate, block), up: try matrix(.sharedUp, block),
        down: try matrix(.sharedDown, block))
    let router = part.router
    return ExpertWeights(
      router: try matrix(.router, block),
      routerBias: router.hasBias ? try vector(.routerBias, block) : nil,
      routerInputScale: router.hasOwnInput ? try routerInputScale(block) : nil,
      // A file that has one means it, whatever its metadata can say.
      selectionBias: router.hasSelectionBias || has(.selectionBias, block)
        ? try list(.selectionBias, block) : nil,
      gate: try stack(.expertGate, block), up: try stack(.expertUp, block),
      down: try stack(.expertDown, block),
      biases: part.hasBias
        ? .init(
          gate: try vector(.expertGateBias, block), up: try vector(.expertUpBias, block),
          down: try vector(.expertDownBias, block)) : nil,
      scales: router.hasExpertScales ? try list(.expertScales, block) : nil, shared: shared,
      sharedGate: shared != nil && part.hasSharedGate ? try matrix(.sharedScale, block) : nil)
  }

  /// What the router multiplies the normed stream by: its vector over the root of the stream's width.
  private func routerInputScale(_ block: Int) throws -> FloatBuffer {
    let scale = try vector(.routerInputScale, block)
    let factor = 1 / Float(scale.count).squareRoot()
    for index in 0..<scale.count { scale.base[index] *= factor }
    return scale
  }

  /// Whether this model has such a tensor.
  func has(_ slot: TensorSlot, _ block: Int? = nil) -> Bool {
    expected[Place(block: block, slot: slot)].map { store.has($0.name) } ?? false
  }

  /// The tensor of a slot, which is there and has the right shape.
  private func tensor(_ slot: TensorSlot, _ block: Int?) throws -> ExpectedTensor {
    guard let tensor = expected[Place(block: block, slot: slot)] else {
      throw RuntimeError(
        .missingTensor,
        Fault(
          file: store.source, subject: block.map { "block \($0)" } ?? "the model",
          expected: "a tensor for \(slot)", found: "a description without one"))
    }
    try store.check(tensor.name, tensor.ggmlShape)
    return tensor
  }

  /// A matrix.
  func matrix(_ slot: TensorSlot, _ block: Int? = nil) throws -> NamedMatrix {
    let tensor = try tensor(slot, block)
    return NamedMatrix(name: store.storedName(of: tensor.name), weights: try store.matrix(tensor.name))
  }

  /// One matrix per expert or head.
  private func stack(_ slot: TensorSlot, _ block: Int) throws -> ExpertStack {
    try store.experts(try tensor(slot, block).name)
  }

  /// A small tensor's values.
  private func list(_ slot: TensorSlot, _ block: Int?) throws -> [Float] {
    try store.values(try tensor(slot, block).name)
  }

  /// A small tensor's values, if there is one.
  func optionalList(_ slot: TensorSlot) throws -> [Float]? { has(slot) ? try list(slot, nil) : nil }

  /// A vector.
  func vector(_ slot: TensorSlot, _ block: Int? = nil) throws -> FloatBuffer {
    let values = try list(slot, block)
    let buffer = try FloatBuffer(count: values.count, purpose: "the vector for \(slot)")
    for (index, value) in values.enumerated() { buffer.base[index] = value }
    return buffer
  }

  /// A norm over the width of the stream, with a bias where the model's norms have one.
  func norm(_ slot: TensorSlot, bias: TensorSlot, _ block: Int? = nil) throws -> NormWeights {
    NormWeights(
      weight: try vector(slot, block), bias: norm == .meanAndVariance ? try vector(bias, block) : nil)
  }

  /// A norm without a bias.
  private func norm(_ slot: TensorSlot, _ block: Int) throws -> NormWeights {
    NormWeights(weight: try vector(slot, block), bias: nil)
  }

  /// A vector that not all models have.
  private func optional(_ slot: TensorSlot, _ block: Int) throws -> FloatBuffer? {
    has(slot, block) ? try vector(slot, block) : nil
  }
}
