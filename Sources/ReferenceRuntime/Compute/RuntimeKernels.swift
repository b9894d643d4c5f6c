internal import BlockQuantization
internal import CRuntimeKernels

/// The levels of the inner loops of `CRuntimeKernels`; all return the same bits.
enum RuntimeKernels {
  /// The levels this machine can run, the portable one first.
  static let available: [Int32] = (0..<Int32(CRK_LEVEL_COUNT)).filter(crk_level_available)

  /// The one that goes with the level of the matrix products, so that one choice holds for all loops.
  static let current: Int32 = {
    let wanted =
      switch KernelLevel.current {
      case .portable, .neon: CRK_LEVEL_PORTABLE
      case .wideAVX2: CRK_LEVEL_WIDE_AVX2
      case .avx2: CRK_LEVEL_AVX2
      case .avx512: CRK_LEVEL_AVX512
      }
    return available.last { $0 <= Int32(wanted) } ?? Int32(CRK_LEVEL_PORTABLE)
  }()
}
