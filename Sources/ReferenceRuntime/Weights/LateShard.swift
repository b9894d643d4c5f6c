internal import FileBytes
internal import SafetensorsFormat
internal import Synchronization
internal import ZstdStreams

/// A compressed shard whose bytes are inflated when they are needed, each at its place in reserved memory.
///
/// Which bytes are there, and how often the stream starts over, is the business of ``LateRanges``.
final class LateShard: WeightRegion, @unchecked Sendable {
  /// All bytes of the inflated file; those that were not loaded are zeros.
  let bytes: UnsafeRawBufferPointer
  let compressed: CompressedShard?
  var isThere: Bool { false }
  private let path: String
  private let memory: ZeroedMemory

  // Guarded by the lock.
  private let lock = Mutex(())
  private var reader: ZstdReader?
  private var ranges: LateRanges

  /// Reserves memory for a shard, and inflates what is kept.
  ///
  /// - Parameters:
  ///   - shard: A compressed shard.
  ///   - kept: Bytes that are needed at any time.
  /// - Throws: `FileError`, `ZstdError`, ``RuntimeError`` with `outOfMemory`.
  init(_ shard: CheckpointShard, keeping kept: [Range<Int>]) throws {
    path = shard.path
    compressed = CompressedShard(shard, kept: kept)
    memory = try ZeroedMemory(byteCount: shard.byteCount, purpose: shard.path, isReserved: false)
    bytes = UnsafeRawBufferPointer(start: memory.base, count: shard.byteCount)
    ranges = LateRanges(keeping: kept)
    try load(ranges.kept)
  }

  /// How often inflating began at the front, and what came out.
  var total: (startCount: Int, byteCount: Int) {
    lock.withLock { _ in (ranges.startCount, ranges.inflatedByteCount) }
  }

  func load(_ wanted: [Range<Int>]) throws {
    try lock.withLock { _ in try ranges.load(wanted) { try inflate($0, startsOver: $1) } }
  }

  func release(_ unwanted: [Range<Int>]) {
    lock.withLock { _ in
      for range in ranges.release(unwanted) { memory.discard(range) }
    }
  }

  private func inflate(_ range: Range<Int>, startsOver: Bool) throws {
    if startsOver { reader = try ZstdReader(path: path) }
    guard let reader else { return }
    try reader.skip(range.lowerBound - reader.position)
    let got = try reader.readFully(
      into: UnsafeMutableRawBufferPointer(start: memory.base + range.lowerBound, count: range.count))
    guard got == range.count else {
      throw FileError(
        .truncated,
        Fault(
          file: path, expected: "\(bytes.count) inflated bytes",
          found: "the end of the stream after \(reader.position)",
          remedy: "the shard is incomplete; fetch it again"))
    }
  }
}
