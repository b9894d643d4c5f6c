internal import CRuntimeKernels

/// The level of the inner loops that this machine runs; all return the same bits.
enum KernelLevel {
  /// The best level.
  static let best: Int32 =
    [CRK_LEVEL_AVX512, CRK_LEVEL_AVX2].map { Int32($0.rawValue) }.first(where: crk_level_available)
    ?? Int32(CRK_LEVEL_PORTABLE.rawValue)
}
