/// A model as a list of layers that are made of parts.
///
/// The one description that the converter, the runtime, the estimator and the validator work from. What differs between
/// families is which parts a layer has and the values of these parts.
package struct Architecture: Hashable, Sendable {
  /// The value of `general.architecture` in a GGUF.
  package var name: String
  /// The width of the residual stream.
  package var hiddenSize: Int
  /// Rows of the embedding.
  package var vocabularySize: Int
  /// The longest context the model was made for, in tokens; `nil` when unknown.
  package var contextLength: Int?
  /// The epsilon of norms, added to the mean square.
  package var normEpsilon: Double
  /// Whether the output head is the embedding.
  package var tiedEmbeddings: Bool
  /// The function on the gate of feed-forward networks.
  package var activation: Activation
  /// Whether tokens see those before them alone.
  package var isCausal: Bool
  /// The layers of the trunk, in order.
  package var layers: [Layer]
  /// The blocks that predict one token further, which follow the trunk in a file.
  package var nextTokenLayers: [Layer] = []
  /// The first layers after which features of images are added, which widen each input vector; 0 in most models.
  package var deepstackLayerCount = 0
  /// The norm before each branch and before the output head.
  package var norm = Norm.rootMeanSquare
  /// What happens to the stream before the first layer and after the last.
  package var ends = StreamEnds()

  /// All blocks of a file: trunk and next-token prediction.
  package var blocks: [Layer] { layers + nextTokenLayers }
  /// The routed experts of the first layer that has any; `nil` for dense models.
  package var experts: Experts? { layers.lazy.compactMap(\.feedForward.experts).first }
  /// The trunk layers with softmax attention, with their numbers.
  package var attentionLayers: [(index: Int, attention: Attention)] {
    layers.enumerated().compactMap { index, layer in layer.mixer.attention.map { (index, $0) } }
  }
  /// The kinds of softmax attention in the trunk and how many layers have each, in order of the first of each; windows
  /// apart.
  package var attentionKinds: [(attention: Attention, layerCount: Int)] {
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
  /// The short convolutions of the trunk.
  package var shortConvolutions: [ShortConvolution] { layers.compactMap(\.mixer.shortConvolution) }
  /// The trunk layers with a gated delta net, with their numbers.
  package var deltaNetLayers: [(index: Int, net: GatedDeltaNet)] {
    layers.enumerated().compactMap { index, layer in layer.mixer.deltaNet.map { (index, $0) } }
  }
}

/// One block: a mixer of positions and a feed-forward network, each between a norm and the residual stream.
package struct Layer: Hashable, Sendable {
  /// What mixes positions.
  package var mixer: Mixer
  /// What works on each position alone.
  package var feedForward: FeedForward
  /// How what they give reaches the stream.
  package var residual = Residual()

  /// Creates a layer.
  package init(mixer: Mixer, feedForward: FeedForward) {
    self.mixer = mixer
    self.feedForward = feedForward
  }
}

/// What mixes positions in a layer.
package enum Mixer: Hashable, Sendable {
  /// Softmax attention over earlier positions.
  case attention(Attention)
  /// Softmax attention over latent vectors.
  case latent(LatentAttention)
  /// A recurrent state of fixed size.
  case deltaNet(GatedDeltaNet)
  /// A convolution over the last positions.
  case shortConvolution(ShortConvolution)

  /// The plain attention; `nil` for other mixers.
  package var attention: Attention? { if case .attention(let part) = self { part } else { nil } }
  /// The latent attention; `nil` for other mixers.
  package var latent: LatentAttention? { if case .latent(let part) = self { part } else { nil } }
  /// The delta net; `nil` for other mixers.
  package var deltaNet: GatedDeltaNet? { if case .deltaNet(let part) = self { part } else { nil } }
  /// The short convolution; `nil` for other mixers.
  package var shortConvolution: ShortConvolution? {
    if case .shortConvolution(let part) = self { part } else { nil }
  }
  /// Whether it remembers every position that it has seen, not a state of fixed size.
  package var hasCache: Bool {
    switch self {
    case .attention, .latent: true
    case .deltaNet, .shortConvolution: false
    }
  }
}

/// What works on each position of a layer alone.
package enum FeedForward: Hashable, Sendable {
  /// One gated network.
  case dense(Dense)
  /// Routed experts, with or without shared ones.
  case experts(Experts)
  /// A dense network and routed experts side by side, each with norms of its own (Gemma 4).
  ///
  /// The dense network takes the stream through the layer's norm, the experts through another one, and what each gives
  /// is normed before the two are added.
  case parallel(Dense, Experts)

  /// The experts; `nil` for layers without.
  package var experts: Experts? {
    switch self {
    case .dense: nil
    case .experts(let part), .parallel(_, let part): part
    }
  }
  /// The dense network; `nil` for layers without.
  package var dense: Dense? {
    switch self {
    case .experts: nil
    case .dense(let part), .parallel(let part, _): part
    }
  }
}
