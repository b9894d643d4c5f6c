internal import FileBytes
internal import SafetensorsFormat
internal import ZstdStreams

/// The bytes of a shard: mapped, or inflated into memory where the file is compressed.
struct ShardBytes: Sendable {
  /// All bytes of the (inflated) file; empty for a compressed shard that nothing is read from.
  var bytes: UnsafeRawBufferPointer { memory.bytes }
  /// Bytes held in memory.
  let inflatedByteCount: Int
  /// Bytes of the map.
  var mappedByteCount: Int { bytes.count - inflatedByteCount }
  private let memory: Memory

  /// What keeps the bytes valid.
  var owner: AnyObject {
    switch memory {
    case .mapped(let file): file
    case .inflated(let memory, _): memory
    }
  }

  private enum Memory: Sendable {
    case mapped(MappedFile)
    case inflated(ZeroedMemory, byteCount: Int)

    var bytes: UnsafeRawBufferPointer {
      switch self {
      case .mapped(let file): file.bytes
      case .inflated(let memory, let count): UnsafeRawBufferPointer(start: memory.base, count: count)
      }
    }
  }

  /// Maps or inflates a shard.
  ///
  /// - Parameters:
  ///   - shard: The shard.
  ///   - isNeeded: Whether any of its tensors is used; others are not inflated.
  /// - Throws: `FileError`, `ZstdError`, ``RuntimeError`` with `outOfMemory`.
  init(_ shard: CheckpointShard, isNeeded: Bool) throws {
    guard shard.isCompressed else {
      memory = .mapped(try MappedFile(path: shard.path))
      inflatedByteCount = 0
      return
    }
    inflatedByteCount = isNeeded ? shard.byteCount : 0
    let space = try ZeroedMemory(
      byteCount: inflatedByteCount, purpose: shard.path,
      remedy: "decompress the shards with zstd -d; plain ones are read where they lie")
    let target = UnsafeMutableRawBufferPointer(start: space.base, count: inflatedByteCount)
    let got = isNeeded ? try ZstdReader(path: shard.path).readFully(into: target) : 0
    guard got == inflatedByteCount else {
      throw FileError(
        .truncated,
        Fault(
          file: shard.path, expected: "\(inflatedByteCount) inflated bytes",
          found: "the end of the stream after \(got)", remedy: "the shard is incomplete; fetch it again"))
    }
    memory = .inflated(space, byteCount: inflatedByteCount)
  }
}
