/// The gated delta net of a linear-attention layer (arXiv:2412.06464).
package struct GatedDeltaNet: Hashable, Sendable {
  /// How the value heads find their key head.
  package enum ValueHeadOrder: Hashable, Sendable {
    /// Value head v uses key head v div (value heads per key head).
    case grouped
    /// Value head v uses key head v mod (key heads).
    case tiled
  }

  /// Key (and query) heads.
  package var keyHeadCount: Int
  /// Value heads; a multiple of `keyHeadCount`.
  package var valueHeadCount: Int
  /// Dimensions per key head.
  package var keyDim: Int
  /// Dimensions per value head.
  package var valueDim: Int
  /// The length of the depthwise convolution.
  package var kernelLength: Int
  /// The order of value heads in a GGUF; checkpoints have them grouped.
  package var valueHeadOrder = ValueHeadOrder.tiled
  /// Whether one matrix makes step sizes and decays, rows grouped by key head, and checkpoints interleave the other
  /// projections in the same way.
  package var hasJointGates = false

  /// Creates a gated delta net.
  package init(keyHeadCount: Int, valueHeadCount: Int, keyDim: Int, valueDim: Int, kernelLength: Int) {
    self.keyHeadCount = keyHeadCount
    self.valueHeadCount = valueHeadCount
    self.keyDim = keyDim
    self.valueDim = valueDim
    self.kernelLength = kernelLength
  }

  /// The width of all key heads together.
  package var keyWidth: Int { keyHeadCount * keyDim }
  /// The width of all value heads together.
  package var valueWidth: Int { valueHeadCount * valueDim }
  /// The channels of the convolution: queries, keys and values.
  package var channelCount: Int { 2 * keyWidth + valueWidth }
  /// Value heads per key head.
  package var repetition: Int { valueHeadCount / keyHeadCount }
  /// The source head for each output head when heads go from grouped by key head to tiled over key heads.
  package var tiledHeadOrder: [Int] {
    (0..<valueHeadCount).map { $0 % keyHeadCount * repetition + $0 / keyHeadCount }
  }

  /// The key head of a value head.
  package func keyHead(of valueHead: Int) -> Int {
    switch valueHeadOrder {
    case .grouped: valueHead / repetition
    case .tiled: valueHead % keyHeadCount
    }
  }
}
