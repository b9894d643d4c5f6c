/// A causal depthwise convolution over few positions between two gates (LFM2).
///
/// One projection makes three vectors as wide as the stream. The product of the first and the third goes into the
/// convolution, the second multiplies what comes out of it, and another projection follows.
package struct ShortConvolution: Hashable, Sendable {
  /// Channels: the width of the stream.
  package var width: Int
  /// The positions that the convolution sees, the token's own included.
  package var kernelLength: Int

  /// Creates a convolution.
  package init(width: Int, kernelLength: Int) {
    self.width = width
    self.kernelLength = kernelLength
  }
}
