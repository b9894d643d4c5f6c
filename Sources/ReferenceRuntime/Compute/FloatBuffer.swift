internal import FileBytes

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Zeroed memory of fixed size, aligned to a page; pages that are never touched cost nothing.
final class ZeroedMemory: @unchecked Sendable {
  /// The first byte.
  let base: UnsafeMutableRawPointer
  /// The size in bytes.
  let byteCount: Int

  /// Reserves `byteCount` bytes.
  ///
  /// - Parameters:
  ///   - byteCount: The size.
  ///   - purpose: What the memory is for, to be named in the error.
  ///   - remedy: What a user can do when there is too little.
  ///   - isReserved: Whether all of it may be in use at a time; otherwise more can be had than the machine has.
  /// - Throws: ``RuntimeError`` with `outOfMemory`.
  init(
    byteCount: Int, purpose: String, remedy: String = "use a shorter context", isReserved: Bool = true
  ) throws {
    let size = max(byteCount, 1)
    let flags = Self.flags(isReserved: isReserved)
    guard let base = mmap(nil, size, PROT_READ | PROT_WRITE, flags, -1, 0), base != MAP_FAILED else {
      throw RuntimeError(
        .outOfMemory,
        Fault(
          subject: purpose, expected: "\(byteCount) bytes of memory", found: String(cString: strerror(errno)),
          remedy: remedy))
    }
    self.base = base
    self.byteCount = size
    self.isReserved = isReserved
  }

  deinit { munmap(base, byteCount) }

  /// Gives back the memory of the whole pages within a range, which then holds zeros.
  func discard(_ range: Range<Int>) {
    let page = Int(getpagesize())
    let start = (range.lowerBound + page - 1) / page * page
    // Nothing else is on the last page.
    let end = range.upperBound == byteCount ? byteCount : range.upperBound / page * page
    guard end > start else { return }
    let flags = Self.flags(isReserved: isReserved) | MAP_FIXED
    // Fails where the system has no mapping to spare, and the memory is then kept.
    _ = mmap(base + start, end - start, PROT_READ | PROT_WRITE, flags, -1, 0)
  }

  private let isReserved: Bool

  private static func flags(isReserved: Bool) -> Int32 {
    MAP_PRIVATE | MAP_ANONYMOUS | (isReserved ? 0 : MAP_NORESERVE)
  }
}

/// Floats in zeroed memory.
final class FloatBuffer: @unchecked Sendable {
  /// The first value.
  let base: UnsafeMutablePointer<Float>
  /// How many there are.
  let count: Int
  private let memory: ZeroedMemory

  /// Reserves `count` zeros.
  ///
  /// - Throws: ``RuntimeError`` with `outOfMemory`.
  init(count: Int, purpose: String) throws {
    memory = try ZeroedMemory(byteCount: count * MemoryLayout<Float>.stride, purpose: purpose)
    base = memory.base.bindMemory(to: Float.self, capacity: max(count, 1))
    self.count = count
  }

  /// Sets every value to zero.
  func clear() { base.update(repeating: 0, count: count) }
}

/// Rows of floats somewhere in a buffer that outlives them.
struct FloatRows: @unchecked Sendable {
  /// The first value of the first row.
  var base: UnsafeMutablePointer<Float>
  /// Rows.
  var count: Int
  /// Values per row; rows follow each other without gaps.
  var width: Int

  /// The first value of row `index`.
  @inline(__always)
  func row(_ index: Int) -> UnsafeMutablePointer<Float> { base + index * width }

  /// The same values as `parts` times as many rows.
  func cut(into parts: Int) -> FloatRows {
    FloatRows(base: base, count: count * parts, width: width / parts)
  }

  /// Some of the rows.
  func rows(_ range: Range<Int>) -> FloatRows {
    FloatRows(base: base + range.lowerBound * width, count: range.count, width: width)
  }
}
