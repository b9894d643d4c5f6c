public import FileBytes
public import TensorTypes

/// A tensor of a checkpoint and where its bytes are.
public struct CheckpointTensor: Hashable, Sendable {
  /// Name, element type and shape.
  public var tensor: SourceTensor
  /// The index of the shard in ``SafetensorsCheckpoint/shards``.
  public var shard: Int
  /// The first byte in the shard; for a compressed shard, in its decompressed form.
  public var byteOffset: Int
  /// The size in bytes.
  public var byteCount: Int

  /// Creates a description.
  package init(tensor: SourceTensor, shard: Int, byteOffset: Int, byteCount: Int) {
    self.tensor = tensor
    self.shard = shard
    self.byteOffset = byteOffset
    self.byteCount = byteCount
  }
}

/// A file of a checkpoint.
public struct CheckpointShard: Hashable, Sendable {
  /// The name, without a `.zst` ending.
  public var name: String
  /// Where the file is, with the `.zst` ending if it has one.
  public var path: String
  /// The size in bytes, decompressed, as the header demands it.
  public var byteCount: Int
  /// The size of the file on disk.
  public var storedByteCount: Int
  /// True for a zstd-compressed file.
  public var isCompressed: Bool
  /// XXH64 (seed 0) of the length bytes and the header.
  package var headerHash: UInt64
  /// The modification time in nanoseconds since 1970.
  package var modificationTime: Int64
}

/// The tensors of a checkpoint folder, from headers alone.
///
/// A folder holds one `model.safetensors`, or `model.safetensors.index.json` with the shards
/// it names, or a complete set of `model-0000X-of-0000Y.safetensors`; of several the first in
/// this order is read, which is what transformers chooses. Each shard may be present as
/// `NAME.zst` instead. The set of tensors in the shards must be exactly the set in the index.
public struct SafetensorsCheckpoint: Sendable {
  /// Opens a compressed file for reading from its start.
  public typealias Decompressor = (_ path: String) throws -> any ByteStream

  /// The folder as given.
  public let folder: String
  /// The tensors by shard, then by position in the shard.
  public let tensors: [CheckpointTensor]
  /// The shards, sorted by name.
  public let shards: [CheckpointShard]
  /// The strings under `__metadata__` of the first shard.
  public let metadata: [String: String]
  /// The values of `format` under `__metadata__` of all shards, such as `pt` and `mlx`.
  public let formats: Set<String>
  /// What is wrong without being an error, such as a `total_size` that does not add up.
  public let warnings: [Fault]
  /// Which weights are read where the folder holds more than one set, and which are not; one sentence each.
  package let choices: [String]
  /// Where each tensor is in ``tensors``.
  private let positions: [String: Int]

  /// Reads and checks all headers of a checkpoint folder.
  ///
  /// - Parameters:
  ///   - folder: The path of the folder.
  ///   - requireData: False for folders whose shards may end right after their headers, which is enough to plan.
  ///   - decompressor: Opens `.zst` shards; without one such shards are refused.
  /// - Throws: ``SafetensorsError`` for what is wrong with the files (all missing or short shards in one error),
  ///   `FileError` when one cannot be read, and what `decompressor` throws.
  public init(folder: String, requireData: Bool = true, decompressor: Decompressor? = nil) throws {
    let files = try WeightFiles(folder: folder)
    var assembly = CheckpointAssembly(
      index: files.index, indexPath: ShardDiscovery(folder: folder).path(SafetensorsIndex.fileName))
    for shard in files.shards {
      try assembly.add(shard, requireData: requireData, decompressor: decompressor)
    }
    try assembly.finish()
    self.folder = folder
    tensors = assembly.tensors
    shards = assembly.shards
    metadata = assembly.metadata
    formats = assembly.formats
    warnings = assembly.warnings
    choices = files.choices
    positions = assembly.positions
  }

  /// A checkpoint that is known from its tensors alone, as if they lay one behind the other in a single shard.
  ///
  /// - Parameters:
  ///   - tensors: The tensors; of sizes that can be added up.
  ///   - name: A name for messages, in place of the folder.
  ///   - choices: Which weights the tensors are of, where there are several sets.
  package init(outline tensors: [SourceTensor], name: String, choices: [String] = []) {
    var end = 0
    var placed: [CheckpointTensor] = []
    for tensor in tensors {
      let size = tensor.shape.reduce(1, *) * tensor.elementType.bitCount / 8
      placed.append(CheckpointTensor(tensor: tensor, shard: 0, byteOffset: end, byteCount: size))
      end += (size + 7) / 8 * 8
    }
    folder = name
    self.tensors = placed
    shards = [
      CheckpointShard(
        name: name, path: name, byteCount: end, storedByteCount: end, isCompressed: false, headerHash: 0,
        modificationTime: 0)
    ]
    metadata = [:]
    formats = []
    warnings = []
    self.choices = choices
    positions = Dictionary(
      tensors.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// The tensor called `name`.
  public func tensor(_ name: String) -> CheckpointTensor? { positions[name].map { tensors[$0] } }

  /// The position of `name` in ``tensors``.
  public func position(of name: String) -> Int? { positions[name] }

  /// The sum of all tensor bytes.
  public var tensorByteCount: Int { tensors.reduce(0) { $0 &+ $1.byteCount } }
}
