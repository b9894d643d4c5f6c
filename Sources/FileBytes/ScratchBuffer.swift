/// Bytes that one thread works in, aligned for any vector; freed with the object.
///
/// Unchecked: not for more than one thread at a time.
package final class ScratchBuffer: @unchecked Sendable {
  /// The memory, uninitialised at first.
  package let bytes: UnsafeMutableRawBufferPointer

  /// Reserves `byteCount` bytes.
  package init(byteCount: Int) {
    bytes = .allocate(byteCount: max(1, byteCount), alignment: 64)
  }

  deinit { bytes.deallocate() }
}
