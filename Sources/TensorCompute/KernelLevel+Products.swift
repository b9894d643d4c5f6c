internal import BlockQuantization
internal import CQuantKernels

extension KernelLevel {
  /// The product kernels of the level: a constant table of the C target.
  var products: UnsafePointer<cdk_kernels> {
    let number =
      switch self {
      case .portable: CQK_LEVEL_PORTABLE
      case .avx2: CQK_LEVEL_AVX2
      case .avx512: CQK_LEVEL_AVX512
      case .neon: CQK_LEVEL_NEON
      case .wideAVX2: CQK_LEVEL_WIDE_AVX2
      }
    return cdk_kernels_of(Int32(number))
  }
}
