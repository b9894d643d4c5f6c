/// A model as a list of layers that are made of parts.
///
/// The one description that the converter, the runtime, the estimator and the validator work from. What differs between
/// families is which parts a layer has and the values of these parts.
public struct Architecture: Hashable, Sendable {
  /// The value of `general.architecture` in a GGUF.
  public var name: String
  /// The width of the residual stream.
  public var hiddenSize: Int
  /// Rows of the embedding.
  public var vocabularySize: Int
  /// The longest context the model was made for, in tokens; `nil` when unknown.
  public var contextLength: Int?
  /// The epsilon of RMS norms, added to the mean square.
  public var normEpsilon: Double
  /// Whether the output head is the embedding.
  public var tiedEmbeddings: Bool
  /// The function on the gate of feed-forward networks, by its name in configurations.
  public var activation: String
  /// Whether tokens see those before them alone.
  public var isCausal: Bool
  /// The layers of the trunk, in order.
  public var layers: [Layer]
  /// The blocks that predict one token further, which follow the trunk in a file.
  public var nextTokenLayers: [Layer] = []
  /// The first layers after which features of images are added, which widen each input vector; 0 in most models.
  public var deepstackLayerCount = 0

  /// All blocks of a file: trunk and next-token prediction.
  public var blocks: [Layer] { layers + nextTokenLayers }
  /// The routed experts of the first layer that has any; `nil` for dense models.
  public var experts: Experts? { layers.lazy.compactMap(\.feedForward.experts).first }
  /// The trunk layers with softmax attention, with their numbers.
  public var attentionLayers: [(index: Int, attention: Attention)] {
    layers.enumerated().compactMap { index, layer in layer.mixer.attention.map { (index, $0) } }
  }
  /// The kinds of softmax attention in the trunk and how many layers have each, in order of the first of each; windows
  /// apart.
  public var attentionKinds: [(attention: Attention, layerCount: Int)] {
    var kinds: [(attention: Attention, layerCount: Int)] = []
    for (_, attention) in attentionLayers {
      var attention = attention
      attention.window = nil
      if let place = kinds.firstIndex(where: { $0.attention == attention }) {
        kinds[place].layerCount += 1
      } else {
        kinds.append((attention, 1))
      }
    }
    return kinds
  }
  /// The trunk layers with a gated delta net, with their numbers.
  public var deltaNetLayers: [(index: Int, net: GatedDeltaNet)] {
    layers.enumerated().compactMap { index, layer in layer.mixer.deltaNet.map { (index, $0) } }
  }
}

/// One block: a mixer of positions and a feed-forward network, each after a norm.
public struct Layer: Hashable, Sendable {
  /// What mixes positions.
  public var mixer: Mixer
  /// What works on each position alone.
  public var feedForward: FeedForward

  /// Creates a layer.
  public init(mixer: Mixer, feedForward: FeedForward) {
    self.mixer = mixer
    self.feedForward = feedForward
  }
}

/// What mixes positions in a layer.
public enum Mixer: Hashable, Sendable {
  /// Softmax attention over earlier positions.
  case attention(Attention)
  /// Softmax attention over latent vectors.
  case latent(LatentAttention)
  /// A recurrent state of fixed size.
  case deltaNet(GatedDeltaNet)

  /// The plain attention; `nil` for other mixers.
  public var attention: Attention? { if case .attention(let part) = self { part } else { nil } }
  /// The latent attention; `nil` for other mixers.
  public var latent: LatentAttention? { if case .latent(let part) = self { part } else { nil } }
  /// The delta net; `nil` for other mixers.
  public var deltaNet: GatedDeltaNet? { if case .deltaNet(let part) = self { part } else { nil } }
}

/// What works on each position of a layer alone.
public enum FeedForward: Hashable, Sendable {
  /// One gated network.
  case dense(Dense)
  /// Routed experts, with or without shared ones.
  case experts(Experts)

  /// The experts; `nil` for dense layers.
  public var experts: Experts? { if case .experts(let part) = self { part } else { nil } }
}
