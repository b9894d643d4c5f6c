/// The numbers that a configuration or the keys of a GGUF say.
///
/// They are the parts that layers are made of, each once, and which layer has which; ``architecture(of:)`` makes the
/// layers from them.
package struct HyperParameters: Hashable, Sendable {
  /// What mixes positions in a layer.
  package enum LayerKind: Hashable, Sendable {
    /// Softmax attention over earlier positions.
    case attention
    /// A gated delta net: a recurrent state of fixed size.
    case linearAttention
    /// A convolution over the last positions.
    case shortConvolution
  }

  /// Layers of the trunk.
  package var layerCount: Int
  /// The width of the residual stream.
  package var hiddenSize: Int
  /// Rows of the embedding.
  package var vocabularySize: Int
  /// The longest context the model was made for, in tokens; `nil` when unknown.
  package var contextLength: Int?
  /// The inner width of a dense feed-forward network; present in some models that do not use it.
  package var feedForwardSize: Int?
  /// Softmax attention; of models with ``latentAttention`` the heads alone.
  package var attention: Attention
  /// The attention of layers with a window; `nil` where it is that of the others.
  package var slidingAttention: Attention?
  /// Attention over latent vectors, which stands for ``attention`` where there is one.
  package var latentAttention: LatentAttention?
  /// The experts; `nil` for dense models.
  package var experts: Experts?
  /// The first layers that have a dense network in a model with experts.
  package var leadingDenseCount = 0
  /// Whether layers with experts have a dense network beside them.
  package var hasDenseBesideExperts = false
  /// The gated delta net; `nil` for models without one.
  package var linearAttention: GatedDeltaNet?
  /// The short convolution; `nil` for models without one.
  package var shortConvolution: ShortConvolution?
  /// The kind of each trunk layer, `layerCount` elements.
  package var layerKinds: [LayerKind]
  /// Every how many layers attention is full, for models that mix kinds.
  package var fullAttentionInterval: Int?
  /// The most tokens that each trunk layer attends to, its own included; `nil` for all of them.
  ///
  /// A GGUF has no windows.
  package var windows: [Int?]
  /// The function on the gate of feed-forward networks.
  package var activation = Activation.silu
  /// The norm before each branch and before the output head.
  package var norm = Norm.rootMeanSquare
  /// How what the branches of a layer give reaches the stream.
  package var residual = Residual()
  /// What happens to the stream before the first layer and after the last.
  package var ends = StreamEnds()
  /// Whether tokens see those before them alone.
  package var isCausal = true
  /// The epsilon of norms, added to the mean square.
  package var normEpsilon: Double
  /// Whether checkpoints store norm weights minus one.
  package var normIsOffset: Bool
  /// The same of the next-token blocks, which may come from another program; `nil` when it is as in the trunk.
  package var nextTokenNormIsOffset: Bool?
  /// How many of the first layers take features of pictures, which text does not have.
  package var deepstackLayerCount = 0
  /// Whether the blocks for next-token prediction have a dense network where the trunk has experts.
  package var isNextTokenDense = false
  /// Biases in dense feed-forward networks.
  package var hasFeedForwardBias = false
  /// Whether the output head is the embedding.
  package var tiedEmbeddings: Bool
  /// Blocks that predict one token further, after the trunk.
  package var nextTokenLayerCount = 0

  /// All blocks of the output: trunk and next-token prediction.
  package var blockCount: Int { layerCount + nextTokenLayerCount }

  /// The rotary embedding of the attention that the model has.
  package var rope: RopeParameters { latentAttention?.rope ?? attention.rope }

  /// The layers.
  ///
  /// - Parameter family: The family that the numbers belong to.
  /// - Returns: The description that everything else works from.
  package func architecture(of family: ModelFamily) -> Architecture {
    var architecture = Architecture(
      name: family.ggufArchitecture, hiddenSize: hiddenSize, vocabularySize: vocabularySize,
      contextLength: contextLength, normEpsilon: normEpsilon, tiedEmbeddings: tiedEmbeddings,
      activation: activation, isCausal: isCausal, layers: (0..<layerCount).map(layer),
      nextTokenLayers: (layerCount..<blockCount).map(layer))
    architecture.deepstackLayerCount = deepstackLayerCount
    architecture.norm = norm
    architecture.ends = ends
    return architecture
  }

  private func feedForward(_ index: Int) -> FeedForward {
    let dense = Dense(width: feedForwardSize ?? 0, hasBias: hasFeedForwardBias)
    guard let experts, index >= leadingDenseCount, index < layerCount || !isNextTokenDense else {
      return .dense(dense)
    }
    return hasDenseBesideExperts ? .parallel(dense, experts) : .experts(experts)
  }

  private func made(of mixer: Mixer, _ feedForward: FeedForward) -> Layer {
    var layer = Layer(mixer: mixer, feedForward: feedForward)
    layer.residual = residual
    return layer
  }

  /// The attention of a layer with softmax attention.
  private func softmax(window: Int?) -> Mixer {
    if let latentAttention { return .latent(latentAttention) }
    var attention = attention
    if window != nil, let slidingAttention { attention = slidingAttention }
    attention.window = window
    return .attention(attention)
  }

  /// A block by its number: a layer of the trunk, or one that predicts one token further.
  func layer(_ index: Int) -> Layer {
    guard index < layerCount else { return made(of: softmax(window: nil), feedForward(index)) }
    switch (layerKinds[index], linearAttention, shortConvolution) {
    case (.linearAttention, let net?, _): return made(of: .deltaNet(net), feedForward(index))
    case (.shortConvolution, _, let part?): return made(of: .shortConvolution(part), feedForward(index))
    default: return made(of: softmax(window: windows[index]), feedForward(index))
    }
  }
}
