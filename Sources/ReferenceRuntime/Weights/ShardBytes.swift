internal import FileBytes
internal import SafetensorsFormat
internal import ZstdStreams

/// The bytes of a shard: mapped; inflated into memory where the file is compressed, at once or bit by bit; or fetched bit
/// by bit where it lies on another machine.
struct ShardBytes: Sendable {
  /// All bytes of the (inflated) file; empty for a compressed shard that nothing is read from.
  var bytes: UnsafeRawBufferPointer { memory.bytes }
  /// Bytes held in memory.
  let inflatedByteCount: Int
  /// Bytes of the map, or of a file on another machine in its place.
  var mappedByteCount: Int {
    switch memory {
    case .mapped(let file): file.bytes.count
    case .remote(let shard): shard.bytes.count
    case .inflated, .late, .outline: 0
    }
  }
  private let memory: Memory

  /// What keeps the bytes valid.
  var owner: AnyObject {
    switch memory {
    case .mapped(let file): file
    case .inflated(let memory, _): memory
    case .late(let shard): shard
    case .remote(let shard): shard
    case .outline(let memory): memory
    }
  }

  /// What can be loaded and given back; `nil` for bytes that are always there.
  var region: (any WeightRegion)? {
    switch memory {
    case .mapped(let file): file
    case .inflated: nil
    case .late(let shard): shard
    case .remote(let shard): shard
    case .outline(let memory): memory
    }
  }

  private enum Memory: Sendable {
    case mapped(MappedFile)
    case inflated(ZeroedMemory, byteCount: Int)
    case late(LateShard)
    case remote(RemoteShard)
    case outline(OutlineMemory)

    var bytes: UnsafeRawBufferPointer {
      switch self {
      case .mapped(let file): file.bytes
      case .inflated(let memory, let count): UnsafeRawBufferPointer(start: memory.base, count: count)
      case .late(let shard): shard.bytes
      case .remote(let shard): shard.bytes
      case .outline(let memory): memory.bytes
      }
    }
  }

  /// Maps a shard, or gets ready to inflate or fetch it bit by bit.
  ///
  /// - Parameters:
  ///   - shard: The shard.
  ///   - kept: Bytes of a shard that is not mapped which are read at once and never given back.
  /// - Throws: `FileError`, `ZstdError`, what fetching throws, ``RuntimeError`` with `outOfMemory`.
  init(late shard: CheckpointShard, keeping kept: [Range<Int>]) throws {
    guard shard.isCompressed else {
      inflatedByteCount = 0
      if let file = RemoteFiles.at(shard.path) {
        memory = .remote(try RemoteShard(shard, file, keeping: kept))
      } else {
        memory = .mapped(try MappedFile(path: shard.path))
      }
      return
    }
    inflatedByteCount = kept.reduce(0) { $0 + $1.count }
    memory = .late(try LateShard(shard, keeping: kept))
  }

  /// Reserves addresses for a shard of which only the header is known, as if it were read bit by bit.
  ///
  /// - Parameters:
  ///   - shard: The shard.
  ///   - kept: Bytes of a compressed shard that would be inflated at once and never given back.
  /// - Throws: ``RuntimeError`` with `outOfMemory`.
  init(outline shard: CheckpointShard, keeping kept: [Range<Int>]) throws {
    inflatedByteCount = 0
    memory = .outline(
      try OutlineMemory(
        byteCount: shard.byteCount, purpose: shard.path, compressed: CompressedShard(shard, kept: kept)))
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
