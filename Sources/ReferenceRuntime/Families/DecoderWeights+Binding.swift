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
    let binder = TensorBinder(expected, store: store)
    embedding = try binder.matrix(.tokenEmbedding)
    outputNorm = try binder.vector(.outputNorm)
    output = binder.has(.output) ? try binder.matrix(.output) : embedding
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
    switch rotations.first?.factorTensors {
    case nil: break
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
  private let expected: [Place: ExpectedTensor]

  init(_ expected: [ExpectedTensor], store: any TensorStore) {
    self.store = store
    self.expected = Dictionary(
      expected.map { (Place(block: $0.block, slot: $0.slot), $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// A layer with its mixer and feed-forward network; `rotation` gives the place of a rotary embedding.
  func layer(
    _ layer: Layer, at block: Int, rotation: (RotaryEmbedding) throws -> Int
  ) throws -> DecoderLayer {
    let mixerNorm = try vector(.mixerNorm, block)
    let mixer: DecoderLayer.Mixer =
      switch layer.mixer {
      case .attention(let part):
        .attention(part, try attention(block, rotation: try rotation(RotaryEmbedding(part))))
      case .latent(let part):
        .latent(part, try latent(block, part, rotation: try rotation(RotaryEmbedding(part))))
      case .deltaNet(let part): .deltaNet(part, try deltaNet(block, part))
      case .shortConvolution: preconditionFailure("refused before")
      }
    let feedForwardNorm = try vector(.feedForwardNorm, block)
    let feedForward: DecoderLayer.FeedForward =
      switch layer.feedForward {
      case .dense: .dense(try dense(block))
      case .experts(let part): .experts(part, try experts(block, part))
      case .parallel: preconditionFailure("refused before")
      }
    return DecoderLayer(
      mixerNorm: mixerNorm, mixer: mixer, feedForwardNorm: feedForwardNorm, feedForward: feedForward)
  }

  private func attention(_ block: Int, rotation: Int) throws -> AttentionWeights {
    AttentionWeights(
      query: try matrix(.query, block), key: try matrix(.key, block), value: try matrix(.value, block),
      output: try matrix(.attentionOutput, block), queryBias: try optional(.queryBias, block),
      keyBias: try optional(.keyBias, block), valueBias: try optional(.valueBias, block),
      outputBias: try optional(.attentionOutputBias, block), queryNorm: try optional(.queryNorm, block),
      keyNorm: try optional(.keyNorm, block), rotation: rotation)
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
    let taps = try list(.convolution, block)
    let convolution = try FloatBuffer(count: taps.count, purpose: "the convolution of block \(block)")
    for channel in 0..<net.channelCount {
      for tap in 0..<net.kernelLength {
        convolution.base[tap * net.channelCount + channel] = taps[channel * net.kernelLength + tap]
      }
    }
    return DeltaNetWeights(
      queryKeyValue: try matrix(.deltaNetInput, block), gate: try matrix(.deltaNetGate, block), gates: gates,
      convolution: convolution, decay: try list(.decay, block), stepBias: try list(.stepBias, block),
      norm: try vector(.deltaNetNorm, block), output: try matrix(.deltaNetOutput, block))
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
    return ExpertWeights(
      router: try matrix(.router, block),
      // A file that has one means it, whatever its metadata can say.
      selectionBias: part.router.hasSelectionBias || has(.selectionBias, block)
        ? try list(.selectionBias, block) : nil,
      gate: try stack(.expertGate, block), up: try stack(.expertUp, block),
      down: try stack(.expertDown, block), shared: shared,
      sharedGate: shared != nil && part.hasSharedGate ? try matrix(.sharedScale, block) : nil)
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

  /// A vector that not all models have.
  private func optional(_ slot: TensorSlot, _ block: Int) throws -> FloatBuffer? {
    has(slot, block) ? try vector(slot, block) : nil
  }
}
