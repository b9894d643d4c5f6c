/// A bounds-checked reader over little-endian bytes.
///
/// Every read says whether the bytes were there; nothing is trusted. Headers hold hundreds of thousands of strings, so
/// reads are inlined into other modules.
@usableFromInline
package struct ByteCursor {
  /// All bytes.
  @usableFromInline
  package let bytes: UnsafeRawBufferPointer
  /// The position of the next read, never past the end.
  @usableFromInline
  package internal(set) var offset: Int

  /// Starts reading at `offset`.
  @inlinable
  package init(_ bytes: UnsafeRawBufferPointer, offset: Int = 0) {
    self.bytes = bytes
    self.offset = min(max(offset, 0), bytes.count)
  }

  /// Bytes left.
  @inlinable
  package var remaining: Int { bytes.count - offset }

  /// Reads a fixed-width integer, or returns `nil` without moving when too few bytes are left.
  @inlinable
  package mutating func read<T: FixedWidthInteger>(_ type: T.Type = T.self) -> T? {
    let size = MemoryLayout<T>.size
    guard remaining >= size else { return nil }
    let value = bytes.loadUnaligned(fromByteOffset: offset, as: T.self)
    advance(by: size)
    return T(littleEndian: value)
  }

  /// Takes the next `count` bytes, or returns `nil` without moving when too few are left or `count` is negative.
  @inlinable
  package mutating func take(_ count: Int) -> UnsafeRawBufferPointer? {
    guard count >= 0, count <= remaining else { return nil }
    let slice = UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + count)])
    advance(by: count)
    return slice
  }

  /// Moves on; the caller has checked the bounds.
  @inlinable
  mutating func advance(by count: Int) { offset += count }
}
