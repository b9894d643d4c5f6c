internal import FileBytes
internal import GGUFFormat
public import TensorCompute
public import TensorTypes

/// The tensors of a GGUF file or of a complete set of shards, mapped.
public final class GGUFTensorStore: TensorStore {
  /// The path as given.
  public let source: String
  /// The metadata of the (first) file.
  public let metadata: [MetadataEntry]
  private let shards: GGUFSplitSet
  private let maps: [MappedFile]

  /// Opens and maps a model by its only file or its first shard; no tensor is read.
  ///
  /// - Throws: `GGUFError` or `FileError`.
  public init(path: String) throws {
    source = path
    shards = try GGUFSplitSet(path: path)
    metadata = shards.metadata
    maps = try shards.files.map { try MappedFile(path: $0.file.path) }
  }

  /// The names in file order.
  public var names: [String] { shards.tensors.map(\.info.name) }

  /// Nothing is copied.
  public var materializedByteCount: Int { 0 }

  /// The size of all files.
  public var mappedByteCount: Int { maps.reduce(0) { $0 + $1.bytes.count } }

  /// The shape in the header.
  public func ggmlShape(of name: String) -> [Int]? { shards.tensor(name)?.info.ggmlShape }

  /// The matrix in the map.
  public func matrix(_ name: String) throws -> WeightMatrix {
    guard let tensor = shards.tensor(name) else {
      throw RuntimeError(
        .missingTensor, Fault(file: source, subject: name, expected: "a tensor", found: "no such tensor"))
    }
    let map = maps[tensor.shard]
    let size = tensor.info.byteCount
    // The file was checked when its header was read, but may have shrunk since.
    guard tensor.position >= 0, size <= map.bytes.count, tensor.position <= map.bytes.count - size else {
      throw FileError(
        .truncated,
        Fault(
          file: source, subject: name, expected: "\(size) bytes at \(tensor.position)",
          found: "the end of the file at \(map.bytes.count)"))
    }
    return try WeightMatrix(
      name: name, type: tensor.info.type, columns: tensor.info.ggmlShape.first ?? 1,
      rows: tensor.info.ggmlShape.dropFirst().reduce(1, *),
      bytes: UnsafeRawBufferPointer(rebasing: map.bytes[tensor.position..<(tensor.position + size)]),
      owner: map)
  }

  /// The experts' matrices in the map.
  public func experts(_ name: String) throws -> ExpertStack {
    let whole = try matrix(name)
    let shape = ggmlShape(of: name) ?? []
    guard shape.count >= 2 else {
      throw RuntimeError(
        .wrongShape, Fault(file: source, subject: name, expected: "three dimensions", found: "\(shape)"))
    }
    let rows = shape[1]
    let count = shape.count > 2 ? shape[2] : 1
    return ExpertStack(
      name: name, experts: (0..<count).map { whole.slice(rows: ($0 * rows)..<(($0 + 1) * rows)) },
      whole: whole)
  }
}
