/// The numbers that describe a model: enough to name and check its tensors, to price its memory and to build
/// its forward pass.
public struct HyperParameters: Hashable, Sendable {
  /// What mixes positions in a layer.
  public enum LayerKind: Hashable, Sendable {
    /// Softmax attention over earlier positions.
    case attention
    /// A gated delta net: a recurrent state of fixed size.
    case linearAttention
  }

  /// Which dimensions of a head the rotary embedding pairs in the stored weights of the *output*.
  public enum RotaryPairing: Hashable, Sendable {
    /// Dimension j with j + half ("neox").
    case halfSplit
    /// Dimension 2j with 2j + 1 (the llama architecture); query and key rows are reordered at conversion.
    case adjacent
  }

  /// The softmax attention of a layer.
  public struct Attention: Hashable, Sendable {
    /// Query heads.
    public var headCount: Int
    /// Key/value heads; a divisor of `headCount`.
    public var keyValueHeadCount: Int
    /// Dimensions per head.
    public var headDim: Int
    /// Biases on the query, key and value projections.
    public var hasInputBias = false
    /// A bias on the output projection.
    public var hasOutputBias = false
    /// Norms over each query and key head before the rotary embedding.
    public var hasQueryKeyNorm = false
    /// The query projection has `headDim` more rows per head, whose sigmoid multiplies the head's output.
    public var hasOutputGate = false

    /// Creates an attention without biases, norms and gate.
    public init(headCount: Int, keyValueHeadCount: Int, headDim: Int) {
      self.headCount = headCount
      self.keyValueHeadCount = keyValueHeadCount
      self.headDim = headDim
    }

    /// The width of all query heads together.
    public var queryWidth: Int { headCount * headDim }
    /// The width of all key heads together.
    public var keyValueWidth: Int { keyValueHeadCount * headDim }
  }

  /// The mixture of experts of a layer.
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

    /// Creates a mixture.
    public init(count: Int, usedCount: Int, width: Int, sharedWidth: Int? = nil, normalizesTopK: Bool) {
      self.count = count
      self.usedCount = usedCount
      self.width = width
      self.sharedWidth = sharedWidth
      self.normalizesTopK = normalizesTopK
    }
  }

  /// The gated delta net of a linear-attention layer.
  public struct LinearAttention: Hashable, Sendable {
    /// Key (and query) heads.
    public var keyHeadCount: Int
    /// Value heads; a multiple of `keyHeadCount`.
    public var valueHeadCount: Int
    /// Dimensions per key head.
    public var keyDim: Int
    /// Dimensions per value head.
    public var valueDim: Int
    /// The length of the depthwise convolution.
    public var kernelLength: Int
    /// The order of value heads in a GGUF; checkpoints have them grouped.
    public var valueHeadOrder = ValueHeadOrder.tiled

    /// Creates a gated delta net.
    public init(keyHeadCount: Int, valueHeadCount: Int, keyDim: Int, valueDim: Int, kernelLength: Int) {
      self.keyHeadCount = keyHeadCount
      self.valueHeadCount = valueHeadCount
      self.keyDim = keyDim
      self.valueDim = valueDim
      self.kernelLength = kernelLength
    }

    /// The width of all key heads together.
    public var keyWidth: Int { keyHeadCount * keyDim }
    /// The width of all value heads together.
    public var valueWidth: Int { valueHeadCount * valueDim }
    /// The channels of the convolution: queries, keys and values.
    public var channelCount: Int { 2 * keyWidth + valueWidth }
    /// Value heads per key head.
    public var repetition: Int { valueHeadCount / keyHeadCount }
    /// The source head for each output head when heads go from grouped by key head to tiled over key heads.
    public var tiledHeadOrder: [Int] {
      (0..<valueHeadCount).map { $0 % keyHeadCount * repetition + $0 / keyHeadCount }
    }
  }

  /// How the value heads of a gated delta net find their key head.
  public enum ValueHeadOrder: Hashable, Sendable {
    /// Value head v uses key head v div (value heads per key head).
    case grouped
    /// Value head v uses key head v mod (key heads).
    case tiled
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
  /// Softmax attention.
  public var attention: Attention
  /// The experts; `nil` for dense models.
  public var experts: Experts?
  /// The gated delta net; `nil` for models without one.
  public var linearAttention: LinearAttention?
  /// The kind of each trunk layer, `layerCount` elements.
  public var layerKinds: [LayerKind]
  /// Every how many layers attention is full, for models that mix kinds.
  public var fullAttentionInterval: Int?
  /// Rotary embedding.
  public var rope: RopeParameters
  /// How the output's weights pair dimensions.
  public var rotaryPairing: RotaryPairing
  /// Rotated dimensions per head.
  public var rotaryDimensions: Int
  /// The most tokens that each trunk layer attends to, its own included; `nil` for all of them.
  ///
  /// A GGUF has no windows.
  public var windows: [Int?]
  /// The function on the gate of feed-forward networks, by its name in configurations.
  public var activation = "silu"
  /// Whether tokens see those before them alone.
  public var isCausal = true
  /// The epsilon of RMS norms, added to the mean square.
  public var normEpsilon: Double
  /// Whether checkpoints store norm weights minus one.
  public var normIsOffset: Bool
  /// The same of the next-token blocks, which may come from another program; `nil` when it is as in the trunk.
  public var nextTokenNormIsOffset: Bool?
  /// Biases in dense feed-forward networks.
  public var hasFeedForwardBias = false
  /// Whether the output head is the embedding.
  public var tiedEmbeddings: Bool
  /// Blocks that predict one token further, after the trunk.
  public var nextTokenLayerCount = 0

  /// All blocks of the output: trunk and next-token prediction.
  public var blockCount: Int { layerCount + nextTokenLayerCount }
}
