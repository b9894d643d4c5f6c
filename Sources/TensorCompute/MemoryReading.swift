internal import CQuantKernels
internal import Synchronization

/// Reading memory as fast as it goes, the bound of products of few tokens.
package enum MemoryReading {
  /// The bytes that a thread takes at a time: few enough that none waits long for another one's last, and so many that
  /// their start hardly counts.
  private static let pieceByteCount = 2 << 20

  /// The sum of the first 64-bit word of every 64 bytes, modulo 2^64; bytes behind the last whole 64 are left out.
  package static func lineSum(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    bytes.baseAddress.map { cdk_sum_lines($0, bytes.count) } ?? 0
  }

  /// Reads memory once from its start to its end, by all threads.
  ///
  /// - Parameters:
  ///   - bytes: What is read.
  ///   - pool: The threads.
  /// - Returns: The ``lineSum(_:)`` of all.
  @discardableResult
  package static func read(_ bytes: UnsafeRawBufferPointer, _ pool: WorkerPool) -> UInt64 {
    nonisolated(unsafe) let bytes = bytes
    let sum = Atomic<UInt64>(0)
    pool.run(count: (bytes.count + pieceByteCount - 1) / pieceByteCount) { piece in
      let start = piece * pieceByteCount
      let part = bytes[start..<min(start + pieceByteCount, bytes.count)]
      sum.wrappingAdd(lineSum(UnsafeRawBufferPointer(rebasing: part)), ordering: .relaxed)
    }
    return sum.load(ordering: .relaxed)
  }
}
