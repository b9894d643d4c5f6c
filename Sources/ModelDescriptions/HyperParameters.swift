/// The numbers that a configuration or the keys of a GGUF say.
///
/// They are the parts that layers are made of, each once, and which layer has which; ``architecture(of:)`` makes the
/// layers from them.
public struct HyperParameters: Hashable, Sendable {
  /// What mixes positions in a layer.
  public enum LayerKind: Hashable, Sendable {
    /// Softmax attention over earlier positions.
    case attention
    /// A gated delta net: a recurrent state of fixed size.
    case linearAttention
    /// A convolution over the last positions.
    case shortConvolution
  }

  /// Layers of the trunk.
  public var layerCount: Int
  /// The width of the residual stream.
  public var hiddenSize: Int
  /// Rows of the embedding.
  public var vocabularySize: Int
  /// The longest context the model was made for, in tokens; `nil` when unknown.
  public var contextLength: Int?
  /// The inner width of a dense feed-forward network; present in some models that do not use it.
  public var feedForwardSize: Int?
  /// Softmax attention; of models with ``latentAttention`` the heads alone.
  public var attention: Attention
  /// The attention of layers with a window; `nil` where it is that of the others.
  public var slidingAttention: Attention?
  /// Attention over latent vectors, which stands for ``attention`` where there is one.
  public var latentAttention: LatentAttention?
  /// The experts; `nil` for dense models.
  public var experts: Experts?
  /// The first layers that have a dense network in a model with experts.
  public var leadingDenseCount = 0
  /// Whether layers with experts have a dense network beside them.
  public var hasDenseBesideExperts = false
  /// The gated delta net; `nil` for models without one.
  public var linearAttention: GatedDeltaNet?
  /// The short convolution; `nil` for models without one.
  public var shortConvolution: ShortConvolution?
  /// The kind of each trunk layer, `layerCount` elements.
  public var layerKinds: [LayerKind]
  /// Every how many layers attention is full, for models that mix kinds.
  public var fullAttentionInterval: Int?
  /// The most tokens that each trunk layer attends to, its own included; `nil` for all of them.
  ///
  /// A GGUF has no windows.
  public var windows: [Int?]
  /// The function on the gate of feed-forward networks.
  public var activation = Activation.silu
  /// The norm before each branch and before the output head.
  public var norm = Norm.rootMeanSquare
  /// How what the branches of a layer give reaches the stream.
  public var residual = Residual()
  /// What happens to the stream before the first layer and after the last.
  public var ends = StreamEnds()
  /// Whether tokens see those before them alone.
  public var isCausal = true
  /// The epsilon of norms, added to the mean square.
  public var normEpsilon: Double
  /// Whether checkpoints store norm weights minus one.
  public var normIsOffset: Bool
  /// The same of the next-token blocks, which may come from another program; `nil` when it is as in the trunk.
  public var nextTokenNormIsOffset: Bool?
  /// How many of the first layers take features of pictures, which text does not have.
  public var deepstackLayerCount = 0
  /// Whether the blocks for next-token prediction have a dense network where the trunk has experts.
  public var isNextTokenDense = false
  /// Biases in dense feed-forward networks.
  public var hasFeedForwardBias = false
  /// Whether the output head is the embedding.
  public var tiedEmbeddings: Bool
  /// Blocks that predict one token further, after the trunk.
  public var nextTokenLayerCount = 0

  /// All blocks of the output: trunk and next-token prediction.
  public var blockCount: Int { layerCount + nextTokenLayerCount }

  /// The rotary embedding of the attention that the model has.
  public var rope: RopeParameters { latentAttention?.rope ?? attention.rope }

  /// The layers.
  ///
  /// - Parameter family: The family that the numbers belong to.
  /// - Returns: The description that everything else works from.
  public func architecture(of family: ModelFamily) -> Architecture {
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
