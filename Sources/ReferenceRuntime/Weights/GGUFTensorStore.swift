internal import FileBytes
internal import GGUFFormat
internal import ModelDescriptions
internal import Synchronization
package import TensorCompute
package import TensorTypes

/// The tensors of a GGUF file or of a complete set of shards, mapped.
///
/// Tensors that the file keeps together, or under other names, are found under the names that they have where they are
/// apart. Those whose rows follow each other are used in the map; others are copied, which only the projections of
/// older Qwen3-Next files need.
package final class GGUFTensorStore: TensorStore {
  /// The path as given.
  package let source: String
  /// The metadata of the (first) file.
  package let metadata: [MetadataEntry]
  private let content: any GGUFContent
  private let layout: GGUFLayout?
  private let materialized = Atomic<Int>(0)

  /// Opens and maps a model by its only file or its first shard; no tensor is read.
  ///
  /// - Throws: `GGUFError` or `FileError`.
  package init(path: String) throws {
    source = path
    let shards = try GGUFSplitSet(path: path)
    metadata = shards.metadata
    content = try MappedGGUF(shards)
    layout = GGUFLayout(
      metadata: shards.metadata,
      embeddingRows: shards.tensor(ModelFamily.tokenEmbeddingName)?.info.ggmlShape.dropFirst().first
    ) { shards.tensor($0) != nil }
  }

  /// Describes a file of which only the tensors are known.
  ///
  /// - Throws: ``RuntimeError`` with `outOfMemory`.
  init(outline tensors: [GGUFTensorInfo], layout: GGUFLayout, source: String) throws {
    self.source = source
    metadata = []
    content = try OutlinedGGUF(tensors, source: source)
    self.layout = layout
  }

  /// Reads the pages of weights.
  package func load(_ weights: [WeightMatrix], readsPages: Bool) throws {
    guard readsPages else { return }
    for part in content.regions.parts(of: weights.map(\.bytes)) { try part.region.load(part.ranges) }
  }

  /// Gives back the pages of weights; copies stay.
  package func release(_ weights: [WeightMatrix]) {
    for part in content.regions.parts(of: weights.map(\.bytes)) { part.region.release(part.ranges) }
  }

  /// The names in file order.
  package var names: [String] { content.names }

  /// Bytes of the copies.
  package var materializedByteCount: Int { materialized.load(ordering: .relaxed) }

  /// The size of all files.
  package var mappedByteCount: Int { content.byteCount }

  /// The shape in the header, or that of a tensor which the header has as part of another.
  package func ggmlShape(of name: String) -> [Int]? {
    if let info = content.info(name) { return info.ggmlShape }
    return layout?.place(of: name)?.ggmlShape
  }

  /// The name of the tensor in the file that has the rows of `name`.
  package func storedName(of name: String) -> String { layout?.place(of: name)?.tensor ?? name }

  /// All values of a small tensor in f32, row by row; an outline has ones.
  ///
  /// - Throws: As ``matrix(_:)``.
  package func values(_ name: String) throws -> [Float] {
    content.isOutline ? outlineValues(name) : try decodedValues(name)
  }

  /// The matrix in the map, if possible.
  package func matrix(_ name: String) throws -> WeightMatrix {
    let shape = ggmlShape(of: name) ?? []
    return try rows(of: name, 0..<shape.dropFirst().reduce(1, *))
  }

  /// The experts' matrices in the map.
  package func experts(_ name: String) throws -> ExpertStack {
    let shape = ggmlShape(of: name) ?? []
    guard shape.count >= 2 else {
      throw RuntimeError(
        .wrongShape, Fault(file: source, subject: name, expected: "three dimensions", found: "\(shape)"))
    }
    let rowCount = shape[1]
    let count = shape.count > 2 ? shape[2] : 1
    guard layout?.place(of: name) == nil else {
      let experts = try (0..<count).map { try rows(of: name, ($0 * rowCount)..<(($0 + 1) * rowCount)) }
      return ExpertStack(name: storedName(of: name), experts: experts, whole: nil)
    }
    let whole = try matrix(name)
    return ExpertStack(
      name: name, experts: (0..<count).map { whole.slice(rows: ($0 * rowCount)..<(($0 + 1) * rowCount)) },
      whole: whole)
  }

  /// Some rows of a tensor, wherever they are.
  private func rows(of name: String, _ range: Range<Int>) throws -> WeightMatrix {
    let place = layout?.place(of: name)
    let bytes = try self.bytes(of: place?.tensor ?? name)
    let columns = (place?.ggmlShape ?? bytes.info.ggmlShape).first ?? 1
    func make(_ rows: UnsafeRawBufferPointer, _ owner: AnyObject) throws -> WeightMatrix {
      try WeightMatrix(
        name: name, type: bytes.info.type, columns: columns, rows: range.count, bytes: rows, owner: owner)
    }
    guard let place, !range.isEmpty, let rowBytes = bytes.info.type.rowByteCount(length: columns) else {
      return try make(bytes.bytes, bytes.owner)
    }
    // Parts are checked for shape elsewhere; the whole has to be what they are parts of.
    try check(place.tensor, layout?.fused[place.tensor]?.ggmlShape ?? [])
    let first = place.storedRows(from: range.lowerBound)
    if first.count >= range.count {
      let start = first.first * rowBytes
      return try make(
        UnsafeRawBufferPointer(rebasing: bytes.bytes[start..<(start + range.count * rowBytes)]), bytes.owner)
    }
    let memory = try ZeroedMemory(byteCount: range.count * rowBytes, purpose: name)
    var row = content.isOutline ? range.upperBound : range.lowerBound
    while row < range.upperBound {
      let (first, count) = place.storedRows(from: row)
      let length = min(count, range.upperBound - row) * rowBytes
      let piece = UnsafeRawBufferPointer(
        rebasing: bytes.bytes[(first * rowBytes)..<(first * rowBytes + length)])
      if let base = piece.baseAddress {
        (memory.base + (row - range.lowerBound) * rowBytes).copyMemory(from: base, byteCount: length)
      }
      row += length / rowBytes
    }
    materialized.wrappingAdd(range.count * rowBytes, ordering: .relaxed)
    return try make(UnsafeRawBufferPointer(start: memory.base, count: range.count * rowBytes), memory)
  }

  /// The bytes of a tensor of the file.
  private func bytes(of name: String) throws -> (
    bytes: UnsafeRawBufferPointer, info: GGUFTensorInfo, owner: AnyObject
  ) {
    guard let info = content.info(name) else {
      throw RuntimeError(
        .missingTensor, Fault(file: source, subject: name, expected: "a tensor", found: "no such tensor"))
    }
    let (bytes, owner) = try content.bytes(of: name)
    return (bytes, info, owner)
  }
}
