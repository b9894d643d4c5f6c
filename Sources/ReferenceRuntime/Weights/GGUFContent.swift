internal import FileBytes
internal import GGUFFormat

/// Where a ``GGUFTensorStore`` finds its tensors.
protocol GGUFContent: Sendable {
  /// The names in file order.
  var names: [String] { get }
  /// Bytes of all files.
  var byteCount: Int { get }
  /// What can be read ahead and given back.
  var regions: WeightRegions { get }
  /// Whether there are no bytes to look at.
  var isOutline: Bool { get }
  /// A tensor as the header describes it; `nil` when there is no such tensor.
  func info(_ name: String) -> GGUFTensorInfo?
  /// The bytes of a tensor that there is, and what keeps them valid.
  func bytes(of name: String) throws -> (bytes: UnsafeRawBufferPointer, owner: AnyObject)
}

/// Tensors in mapped files.
struct MappedGGUF: GGUFContent {
  let shards: GGUFSplitSet
  let regions: WeightRegions
  private let maps: [MappedFile]

  var names: [String] { shards.tensors.map(\.info.name) }
  var byteCount: Int { maps.reduce(0) { $0 + $1.bytes.count } }
  var isOutline: Bool { false }

  init(_ shards: GGUFSplitSet) throws {
    self.shards = shards
    maps = try shards.files.map { try MappedFile(path: $0.file.path) }
    regions = WeightRegions(maps)
  }

  func info(_ name: String) -> GGUFTensorInfo? { shards.tensor(name)?.info }

  func bytes(of name: String) throws -> (bytes: UnsafeRawBufferPointer, owner: AnyObject) {
    guard let tensor = shards.tensor(name) else {
      return (UnsafeRawBufferPointer(start: nil, count: 0), maps[0])
    }
    let map = maps[tensor.shard]
    let size = tensor.info.byteCount
    // The file was checked when its header was read, but may have shrunk since.
    guard tensor.position >= 0, size <= map.bytes.count, tensor.position <= map.bytes.count - size else {
      throw FileError(
        .truncated,
        Fault(
          file: map.path, subject: name, expected: "\(size) bytes at \(tensor.position)",
          found: "the end of the file at \(map.bytes.count)"))
    }
    return (UnsafeRawBufferPointer(rebasing: map.bytes[tensor.position..<(tensor.position + size)]), map)
  }
}

/// Tensors of which only sizes are known, one behind the other.
struct OutlinedGGUF: GGUFContent {
  let names: [String]
  let byteCount: Int
  let regions: WeightRegions
  private let memory: OutlineMemory
  private let tensors: [String: GGUFTensorInfo]

  var isOutline: Bool { true }

  init(_ list: [GGUFTensorInfo], source: String) throws {
    names = list.map(\.name)
    var tensors: [String: GGUFTensorInfo] = [:]
    var end = 0
    for var tensor in list {
      tensor.offset = end
      tensors[tensor.name] = tensor
      end +=
        (tensor.byteCount + GGUFConstants.defaultAlignment - 1) / GGUFConstants.defaultAlignment
        * GGUFConstants.defaultAlignment
    }
    self.tensors = tensors
    byteCount = end
    memory = try OutlineMemory(byteCount: end, purpose: source)
    regions = WeightRegions([memory])
  }

  func info(_ name: String) -> GGUFTensorInfo? { tensors[name] }

  func bytes(of name: String) -> (bytes: UnsafeRawBufferPointer, owner: AnyObject) {
    let place = tensors[name].map { $0.offset..<($0.offset + $0.byteCount) } ?? 0..<0
    return (UnsafeRawBufferPointer(rebasing: memory.bytes[place]), memory)
  }
}
