internal import FileBytes
internal import SafetensorsFormat
internal import Synchronization

/// A shard on another machine whose bytes are fetched when they are needed, each at its place in reserved memory.
final class RemoteShard: WeightRegion, @unchecked Sendable {
  /// All bytes of the file; those that were not loaded are zeros.
  let bytes: UnsafeRawBufferPointer
  private let file: any RemoteBytes
  private let memory: ZeroedMemory
  private let kept: [Range<Int>]
  /// What is there.
  ///
  /// The lock is held while bytes are fetched, so that none are fetched twice.
  private let held = Mutex<[Range<Int>]>([])

  /// The most bytes that are waited for at a time.
  private static let pieceByteCount = 1 << 20

  /// Reserves memory for a shard, and fetches what is kept.
  ///
  /// - Parameters:
  ///   - shard: A shard.
  ///   - file: Where its bytes are.
  ///   - kept: Bytes that are needed at any time.
  /// - Throws: What fetching throws; ``RuntimeError`` with `outOfMemory`.
  init(_ shard: CheckpointShard, _ file: any RemoteBytes, keeping kept: [Range<Int>]) throws {
    self.file = file
    self.kept = kept.merged()
    memory = try ZeroedMemory(byteCount: shard.byteCount, purpose: shard.path, isReserved: false)
    bytes = UnsafeRawBufferPointer(start: memory.base, count: shard.byteCount)
    try load(self.kept)
  }

  var compressed: CompressedShard? { nil }
  var isThere: Bool { false }

  func load(_ wanted: [Range<Int>]) throws {
    try held.withLock { held in
      try fetch(wanted.subtracting(held))
      held = (held + wanted).merged()
    }
  }

  func release(_ unwanted: [Range<Int>]) {
    held.withLock { held in
      let given = unwanted.subtracting(kept)
      held = held.subtracting(given)
      for range in given { memory.discard(range) }
    }
  }

  /// Reads ranges over several connections, in order.
  private func fetch(_ ranges: [Range<Int>]) throws {
    let pieces = ranges.flatMap { range in
      stride(from: range.lowerBound, to: range.upperBound, by: Self.pieceByteCount).map {
        $0..<min($0 + Self.pieceByteCount, range.upperBound)
      }
    }
    guard !pieces.isEmpty else { return }
    let ahead = file.readAhead(pieces.map { [RemoteRange(file: file, bytes: $0)] })
    defer { ahead.stop() }
    for (step, piece) in pieces.enumerated() {
      try file.read(
        at: piece.lowerBound,
        into: UnsafeMutableRawBufferPointer(start: memory.base + piece.lowerBound, count: piece.count))
      ahead.finished(step)
    }
  }
}
