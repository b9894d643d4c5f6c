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
  private let set: GGUFSplitSet
  private let maps: [MappedFile]

  /// Opens and maps a model by its only file or its first shard; no tensor is read.
  ///
  /// - Throws: `GGUFError` or `FileError`.
  public init(path: String) throws {
    source = path
    set = try GGUFSplitSet(path: path)
    metadata = set.metadata
    maps = try set.files.map { try MappedFile(path: $0.file.path) }
  }

  /// The names in file order.
  public var names: [String] { set.tensors.map(\.info.name) }

  /// Nothing is copied.
  public var materializedByteCount: Int { 0 }

  /// The size of all files.
  public var mappedByteCount: Int { maps.reduce(0) { $0 + $1.bytes.count } }

  /// The shape in the header.
  public func ggmlShape(of name: String) -> [Int]? { set.tensor(name)?.info.ggmlShape }

  private func find(_ name: String) throws -> (GGUFSplitSet.Tensor, MappedFile, UnsafeRawBufferPointer) {
    guard let tensor = set.tensor(name) else {
      throw RuntimeError(
        .missingTensor, Fault(file: source, subject: name, expected: "a tensor", found: "no such tensor"))
    }
    let map = maps[tensor.shard]
    // The file was checked when its header was read, but may have shrunk since.
    guard tensor.position >= 0, tensor.position <= map.bytes.count - tensor.info.byteCount else {
      throw FileError(
        .truncated,
        Fault(
          file: source, subject: name, expected: "\(tensor.info.byteCount) bytes at \(tensor.position)",
          found: "the end of the file"))
    }
    let bytes = map.bytes[tensor.position..<(tensor.position + tensor.info.byteCount)]
    return (tensor, map, UnsafeRawBufferPointer(rebasing: bytes))
  }

  /// The matrix in the map.
  public func matrix(_ name: String) throws -> WeightMatrix {
    let (tensor, map, bytes) = try find(name)
    return try WeightMatrix(
      name: name, type: tensor.info.type, columns: tensor.info.ggmlShape.first ?? 1,
      rows: tensor.info.ggmlShape.dropFirst().reduce(1, *), bytes: bytes, owner: map)
  }

  /// The experts' matrices in the map.
  public func experts(_ name: String) throws -> ExpertStack {
    let whole = try matrix(name)
    let shape = ggmlShape(of: name) ?? []
    guard shape.count == 3 else {
      throw RuntimeError(
        .wrongShape, Fault(file: source, subject: name, expected: "three dimensions", found: "\(shape)"))
    }
    let rows = shape[1]
    return ExpertStack(
      name: name, experts: (0..<shape[2]).map { whole.slice(rows: ($0 * rows)..<(($0 + 1) * rows)) }, whole: whole)
  }

  /// The values, dequantized.
  public func values(_ name: String) throws -> [Float] {
    let (tensor, _, bytes) = try find(name)
    return try Dequantization.floats(bytes, type: tensor.info.type, count: tensor.info.elementCount, name: name, source: source)
  }
}
