/// The numbers that a forward pass needs, whatever kind of file they came from.
public struct DecoderShape: Hashable, Sendable {
  /// What mixes positions in a layer.
  public enum MixerKind: Hashable, Sendable {
    case attention
    case gatedDeltaNet
  }

  /// Softmax attention.
  public struct Attention: Hashable, Sendable {
    /// Query heads.
    public var headCount: Int
    /// Key/value heads; a divisor of `headCount`.
    public var keyValueHeadCount: Int
    /// Dimensions per head.
    public var headDim: Int
    /// Each head of the query projection is followed by as many gate rows.
    public var hasOutputGate = false

    /// Query heads per key/value head.
    public var groupSize: Int { headCount / keyValueHeadCount }
  }

  /// A gated delta net.
  public struct DeltaNet: Hashable, Sendable {
    /// How value heads find their key head.
    public enum HeadOrder: Hashable, Sendable {
      /// Value head v uses key head v div (value heads per key head).
      case grouped
      /// Value head v uses key head v mod (key heads).
      case tiled
    }

    /// Key (and query) heads.
    public var keyHeadCount: Int
    /// Value heads; a multiple of `keyHeadCount`.
    public var valueHeadCount: Int
    /// Dimensions per key head.
    public var keyDim: Int
    /// Dimensions per value head.
    public var valueDim: Int
    /// The length of the convolution.
    public var kernelLength: Int
    /// The order of value heads in the file.
    public var headOrder: HeadOrder

    /// Queries or keys of all heads.
    public var keyWidth: Int { keyHeadCount * keyDim }
    /// Values of all heads.
    public var valueWidth: Int { valueHeadCount * valueDim }
    /// Channels of the convolution: queries, keys, values.
    public var channelCount: Int { 2 * keyWidth + valueWidth }

    /// The key head of a value head.
    func keyHead(of valueHead: Int) -> Int {
      switch headOrder {
      case .grouped: valueHead / (valueHeadCount / keyHeadCount)
      case .tiled: valueHead % keyHeadCount
      }
    }
  }

  /// A mixture of experts.
  public struct Experts: Hashable, Sendable {
    /// Routed experts.
    public var count: Int
    /// Routed experts per token.
    public var usedCount: Int
    /// The inner width of a routed expert.
    public var width: Int
    /// The inner width of the shared expert, `nil` without one.
    public var sharedWidth: Int?
    /// Whether the weights of the chosen experts are divided by their sum.
    public var normalizesTopK: Bool
  }

  /// The value of `general.architecture`.
  public var architecture: String
  /// Layers of the trunk; blocks for next-token prediction do not count.
  public var layerCount: Int
  /// The width of the residual stream.
  public var hiddenSize: Int
  /// Rows of the embedding.
  public var vocabularySize: Int
  /// The longest context the model was made for, in tokens; `nil` when unknown.
  public var contextLength: Int?
  /// The inner width of dense feed-forward networks.
  public var feedForwardSize: Int
  /// Softmax attention.
  public var attention: Attention
  /// The gated delta net; `nil` for models without one.
  public var deltaNet: DeltaNet?
  /// The experts; `nil` for dense models.
  public var experts: Experts?
  /// The kind of each layer.
  public var mixers: [MixerKind]
  /// The most tokens that each attention layer attends to, its own included; `nil` for all before it.
  public var windows: [Int?]
  /// Rotary embedding.
  public var rotary: RotarySettings
  /// The epsilon of RMS norms, added to the mean square.
  public var normEpsilon: Float
}
