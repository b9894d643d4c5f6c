/// What a gated delta net remembers: the last inputs of its convolution, and one matrix per value head.
final class DeltaNetState: @unchecked Sendable {
  /// [kernelLength - 1][channels], oldest first.
  let history: FloatBuffer
  /// [value heads][key dim][value dim padded to a multiple of 16].
  let matrices: FloatBuffer
  /// Values per row of a matrix, padding included.
  let rowStride: Int
  private let headStride: Int

  /// Starts from zeros.
  ///
  /// - Throws: ``RuntimeError`` with `outOfMemory`.
  init(_ net: DecoderShape.DeltaNet) throws {
    rowStride = (net.valueDim + 15) / 16 * 16
    headStride = net.keyDim * rowStride
    history = try FloatBuffer(
      count: (net.kernelLength - 1) * net.channelCount, purpose: "the convolution state")
    matrices = try FloatBuffer(count: net.valueHeadCount * headStride, purpose: "the recurrent state")
  }

  /// The matrix of one value head.
  func matrix(_ head: Int) -> UnsafeMutablePointer<Float> { matrices.base + head * headStride }

  /// Bytes held.
  var byteCount: Int { (history.count + matrices.count) * MemoryLayout<Float>.stride }

  /// Forgets everything.
  func clear() {
    history.clear()
    matrices.clear()
  }
}
