internal import CQuantKernels

/// A set of inner loops for one kind of CPU; all sets return the same bits.
public struct KernelLevel: @unchecked Sendable {
  /// The loops: a constant table of the C target.
  let kernels: UnsafePointer<cdk_kernels>

  /// The name, such as `portable` or `avx2`.
  public var name: String { String(cString: kernels.pointee.name) }

  /// The levels this CPU can run, the portable one first.
  public static let available: [KernelLevel] = (0..<cdk_level_count()).compactMap { index in
    cdk_level(index).map(KernelLevel.init(kernels:))
  }

  /// The fastest level of this CPU.
  public static let best: KernelLevel = available[available.count - 1]
}
