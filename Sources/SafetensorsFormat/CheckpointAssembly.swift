internal import FileBytes
internal import TensorTypes

/// Collects shards into a checkpoint and checks them against the index.
struct CheckpointAssembly {
  let index: SafetensorsIndex?
  let indexPath: String
  private(set) var tensors: [CheckpointTensor] = []
  private(set) var shards: [CheckpointShard] = []
  private(set) var metadata: [String: String] = [:]
  private(set) var formats: Set<String> = []
  private(set) var warnings: [Fault] = []
  private(set) var positions: [String: Int] = [:]
  /// Shards that are too short; reported together.
  private var shortShards: [SafetensorsError] = []
  /// Git LFS pointers in place of shards; reported together.
  private var pointers: [FileError] = []
  private var unlisted: [(tensor: String, shard: String)] = []

  init(index: SafetensorsIndex?, indexPath: String) {
    self.index = index
    self.indexPath = indexPath
  }

  /// Reads the header of a shard and adds its tensors.
  mutating func add(
    _ found: FoundShard, requireData: Bool, decompressor: SafetensorsCheckpoint.Decompressor?
  ) throws {
    do {
      let file = try ReadableFile(path: found.path)
      let (bytes, header) =
        found.isCompressed
        ? try readCompressed(found.path, requireData: requireData, decompressor)
        : try Self.readPlain(file, requireData: requireData)
      if shards.isEmpty { metadata = header.metadata }
      if let format = header.metadata["format"] { formats.insert(format) }
      shards.append(
        CheckpointShard(
          name: found.name, path: found.path, byteCount: header.fileByteCount,
          storedByteCount: file.byteCount,
          isCompressed: found.isCompressed, headerHash: bytes.withUnsafeBytes { XXHash64.hash($0) },
          modificationTime: file.modificationTime))
      for entry in header.entries { try add(entry, dataStart: header.dataStart) }
    } catch let error as SafetensorsError where error.code == .truncated {
      shortShards.append(error)
    } catch let error as FileError where error.code == .lfsPointer {
      pointers.append(error)
    }
  }

  private mutating func add(_ entry: SafetensorsEntry, dataStart: Int) throws(SafetensorsError) {
    let name = entry.tensor.name
    let shard = shards.count - 1
    if let earlier = positions.updateValue(tensors.count, forKey: name) {
      throw SafetensorsError(
        .tensorTwice,
        Fault(
          file: shards[shard].path, subject: name, expected: "each tensor in one shard",
          found: "it is also in \(shards[tensors[earlier].shard].name)",
          remedy: "the shards belong to different checkpoints or are damaged; fetch them again"))
    }
    if let index, index.weightMap[name] != shards[shard].name {
      unlisted.append((name, shards[shard].name))
    }
    tensors.append(
      CheckpointTensor(
        tensor: entry.tensor, shard: shard, byteOffset: dataStart + entry.begin, byteCount: entry.byteCount))
  }

  /// The checks that need all shards.
  mutating func finish() throws {
    if var first = pointers.first {
      if pointers.count > 1 {
        first.fault.found =
          "Git LFS pointers in \(pointers.count) of \(pointers.count + shards.count) shards: "
          + "their content was never fetched"
      }
      throw first
    }
    if let first = shortShards.first {
      guard shortShards.count > 1 else { throw first }
      throw SafetensorsError(
        .truncated,
        Fault(
          expected: "complete shards",
          found: "\(shortShards.count) short ones",
          problems: shortShards.map { "\($0.fault.file) has \($0.fault.found), needs \($0.fault.expected)" },
          remedy: "fetch these files again"))
    }
    guard let index else { return }
    if let first = unlisted.first {
      let listed = index.weightMap[first.tensor].map { "listed for \($0)" } ?? "not listed in the index"
      throw SafetensorsError(
        .tensorUnlisted,
        Fault(
          file: first.shard, subject: first.tensor, expected: "the index to list every tensor of this shard",
          found: "\(unlisted.count) tensors that it does not list here; the first is \(listed)",
          remedy: "index and shards belong to different checkpoints; fetch both again"))
    }
    let absent = index.weightMap.keys.filter { positions[$0] == nil }.sorted()
    if let first = absent.first {
      throw SafetensorsError(
        .tensorAbsent,
        Fault(
          file: index.weightMap[first] ?? indexPath, subject: first,
          expected: "every tensor that the index lists",
          found: "\(absent.count) missing: " + absent.prefix(10).joined(separator: ", ")
            + (absent.count > 10 ? ", …" : ""),
          remedy: "index and shards belong to different checkpoints; fetch both again"))
    }
    let total = tensors.reduce(0) { $0 &+ $1.byteCount }
    if let stated = index.totalSize, stated != total {
      warnings.append(
        Fault(
          file: indexPath, subject: "total_size", expected: "\(total), the sum of all tensor bytes",
          found: "\(stated)", remedy: "harmless: the shards themselves are checked"))
    }
  }

  /// Reads the header of a plain shard.
  private static func readPlain(
    _ file: ReadableFile, requireData: Bool
  ) throws -> ([UInt8], SafetensorsHeader) {
    let prefix = try file.bytes(at: 0, count: min(FileContent.sampleByteCount, file.byteCount))
    let start = try prefix.withUnsafeBytes {
      try SafetensorsHeader.dataStart(prefix: $0, fileByteCount: file.byteCount, file: file.path)
    }
    let bytes = try file.bytes(at: 0, count: start)
    let header = try SafetensorsHeader(
      parsing: bytes, fileByteCount: file.byteCount, file: file.path, requireData: requireData)
    return (bytes, header)
  }

  /// Reads the header of a compressed shard.
  private mutating func readCompressed(
    _ path: String, requireData: Bool, _ decompressor: SafetensorsCheckpoint.Decompressor?
  ) throws -> ([UInt8], SafetensorsHeader) {
    guard let decompressor else {
      throw SafetensorsError(
        .compressedNotSupported,
        Fault(
          file: path, expected: "a plain .safetensors file", found: "a compressed one",
          remedy: "decompress it with zstd -d"))
    }
    let stream = try decompressor(path)
    var bytes = [UInt8](repeating: 0, count: 8)
    bytes.removeLast(8 - (try bytes.withUnsafeMutableBytes { try stream.readFully(into: $0) }))
    let start = try bytes.withUnsafeBytes {
      try SafetensorsHeader.dataStart(prefix: $0, fileByteCount: nil, file: path)
    }
    // The length is a claim: memory grows with the bytes that really come.
    while bytes.count < start {
      let done = bytes.count
      bytes.append(contentsOf: repeatElement(0, count: min(start - done, max(1 << 16, done))))
      let got = try bytes.withUnsafeMutableBytes {
        try stream.readFully(into: UnsafeMutableRawBufferPointer(rebasing: $0[done...]))
      }
      bytes.removeLast(bytes.count - done - got)
      if got == 0 { break }
    }
    let header = try SafetensorsHeader(
      parsing: bytes, fileByteCount: nil, file: path, requireData: requireData)
    if requireData, let declared = stream.declaredByteCount {
      try compare(declared, header.fileByteCount, path)
    }
    return (bytes, header)
  }

  /// Compares the size that a compressed file declares with the size that its header demands.
  ///
  /// The declared size is that of the first frame: more than the header demands is wrong, less can be right.
  private mutating func compare(_ declared: Int, _ demanded: Int, _ path: String) throws(SafetensorsError) {
    guard declared <= demanded else {
      throw SafetensorsError(
        .trailingBytes,
        Fault(
          file: path, expected: "\(demanded) bytes after decompression", found: "\(declared)",
          remedy: "the file is damaged; fetch it again"))
    }
    guard declared < demanded else { return }
    warnings.append(
      Fault(
        file: path, expected: "\(demanded) bytes after decompression",
        found: "\(declared) in the first frame, \(demanded - declared) too few",
        remedy: "fine if the file has several frames; otherwise it is incomplete, which reading will tell"))
  }
}
