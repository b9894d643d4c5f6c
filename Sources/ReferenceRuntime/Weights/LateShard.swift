internal import FileBytes
internal import SafetensorsFormat
internal import Synchronization
internal import ZstdStreams

/// A compressed shard whose bytes are inflated when they are needed, each at its place in reserved memory.
///
/// Streams are read from front to back: what lies behind the last byte inflated goes on from there, what lies before it
/// starts over.
final class LateShard: WeightRegion, @unchecked Sendable {
  /// All bytes of the inflated file; those that were not loaded are zeros.
  let bytes: UnsafeRawBufferPointer
  private let path: String
  private let memory: ZeroedMemory
  /// What is never given back.
  private let kept: [Range<Int>]

  // Guarded by the lock.
  private let lock = Mutex(())
  private var reader: ZstdReader?
  private var held: [Range<Int>] = []
  private var starts = 0

  /// Reserves memory for a shard, and inflates what is kept.
  ///
  /// - Parameters:
  ///   - shard: A compressed shard.
  ///   - kept: Bytes that are needed at any time.
  /// - Throws: `FileError`, `ZstdError`, ``RuntimeError`` with `outOfMemory`.
  init(_ shard: CheckpointShard, keeping kept: [Range<Int>]) throws {
    path = shard.path
    memory = try ZeroedMemory(byteCount: shard.byteCount, purpose: shard.path, isReserved: false)
    bytes = UnsafeRawBufferPointer(start: memory.base, count: shard.byteCount)
    self.kept = kept.merged()
    try load(self.kept)
  }

  /// How often inflating began at the front.
  var startCount: Int { lock.withLock { _ in starts } }

  func load(_ ranges: [Range<Int>]) throws {
    try lock.withLock { _ in
      for range in ranges.subtracting(held) { try inflate(range) }
      held = (held + ranges).merged()
    }
  }

  func release(_ ranges: [Range<Int>]) {
    lock.withLock { _ in
      let given = ranges.subtracting(kept)
      for range in given { memory.discard(range) }
      held = held.subtracting(given)
    }
  }

  private func inflate(_ range: Range<Int>) throws {
    if reader.map({ $0.position > range.lowerBound }) ?? true {
      reader = try ZstdReader(path: path)
      starts += 1
    }
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
