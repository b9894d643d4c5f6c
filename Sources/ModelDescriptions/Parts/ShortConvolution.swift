/// A causal depthwise convolution over few positions between two gates (LFM2).
///
/// One projection makes three vectors as wide as the stream. The product of the first and the third goes into the
/// convolution, the second multiplies what comes out of it, and another projection follows.
public struct ShortConvolution: Hashable, Sendable {
  /// Channels: the width of the stream.
  public var width: Int
  /// The positions that the convolution sees, the token's own included.
  public var kernelLength: Int

  /// Creates a convolution.
  public init(width: Int, kernelLength: Int) {
    self.width = width
    self.kernelLength = kernelLength
  }
}
