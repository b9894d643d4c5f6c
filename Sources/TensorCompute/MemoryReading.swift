internal import CQuantKernels

/// Reading memory as fast as it goes, the bound of products of few tokens.
package enum MemoryReading {
  /// The sum of the 64-bit words of some memory, modulo 2^64; bytes behind the last whole word are left out.
  package static func wordSum(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    bytes.baseAddress.map { cdk_sum_words($0, bytes.count) } ?? 0
  }
}
