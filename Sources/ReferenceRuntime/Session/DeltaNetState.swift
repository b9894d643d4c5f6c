internal import ModelDescriptions

/// What a gated delta net remembers: the last inputs of its convolution, and one matrix per value head.
final class DeltaNetState: @unchecked Sendable {
  /// [kernelLength - 1][channels], oldest first.
  let history: FloatBuffer
  /// [value heads][key dim][value dim padded to a multiple of 16].
  let matrices: FloatBuffer
  /// Values per row of a matrix, padding included.
  let rowStride: Int
  private let headStride: Int

  /// The distance of two rows of a head's matrix, in values: whole vectors of 16.
  private static func rowStride(_ net: GatedDeltaNet) -> Int { (net.valueDim + 15) / 16 * 16 }

  /// Values of the convolution's history.
  private static func historyCount(_ net: GatedDeltaNet) -> Int { (net.kernelLength - 1) * net.channelCount }

  /// The bytes that a state reserves; `nil` when an integer does not hold them.
  static func byteCount(_ net: GatedDeltaNet) -> Int? {
    let (matrix, overflow) = (net.valueHeadCount * net.keyDim).multipliedReportingOverflow(by: rowStride(net))
    return overflow ? nil : (historyCount(net) + matrix) * MemoryLayout<Float>.stride
  }

  /// Starts from zeros.
  ///
  /// - Throws: ``RuntimeError`` with `outOfMemory`.
  init(_ net: GatedDeltaNet) throws {
    rowStride = Self.rowStride(net)
    headStride = net.keyDim * rowStride
    history = try FloatBuffer(
      count: Self.historyCount(net), purpose: "the convolution state")
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
