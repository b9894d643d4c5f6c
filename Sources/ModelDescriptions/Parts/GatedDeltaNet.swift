/// The gated delta net of a linear-attention layer (arXiv:2412.06464).
public struct GatedDeltaNet: Hashable, Sendable {
  /// How the value heads find their key head.
  public enum ValueHeadOrder: Hashable, Sendable {
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
  /// The length of the depthwise convolution.
  public var kernelLength: Int
  /// The order of value heads in a GGUF; checkpoints have them grouped.
  public var valueHeadOrder = ValueHeadOrder.tiled
  /// Whether one matrix makes step sizes and decays, rows grouped by key head, and checkpoints interleave the other
  /// projections in the same way.
  public var hasJointGates = false

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

  /// The key head of a value head.
  public func keyHead(of valueHead: Int) -> Int {
    switch valueHeadOrder {
    case .grouped: valueHead / repetition
    case .tiled: valueHead % keyHeadCount
    }
  }
}
