internal import CRuntimeKernels

/// The levels of the inner loops of ``CRuntimeKernels``; all return the same bits.
enum RuntimeKernels {
  /// The levels this machine can run, the portable one first.
  static let available: [Int32] = (0..<Int32(CRK_LEVEL_COUNT)).filter(crk_level_available)
  /// The fastest of them.
  static let best: Int32 = available[available.count - 1]
}
