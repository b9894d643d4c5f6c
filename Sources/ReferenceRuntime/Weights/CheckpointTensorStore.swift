internal import FileBytes
internal import ModelDescriptions
internal import SafetensorsFormat
internal import Synchronization
internal import TensorAssembly
package import TensorCompute
internal import TensorTypes

/// The tensors of a safetensors checkpoint, seen as its conversion to GGUF would name and arrange them.
///
/// A tensor whose rows follow each other in a shard is used in the map, in its 16 or 32 bits: expert stacks, fused
/// or one by one, and nearly all other matrices are. Where rows or columns change their order (query and key rows
/// of the llama architecture, value heads of delta nets) or rows are stored as columns, a copy is made in the
/// checkpoint's own type when the model is opened; where values change (norms stored minus one, decay rates) or have a
/// type without kernels (fp8 and codes of fewer bits with their scales, f64), a copy in f32, by the code that
/// converts; MXFP4 codes become MXFP4 blocks. Compressed shards are inflated into memory.
///
/// Copies and inflated bytes can also be made late, when weights are loaded, and given back: see ``isLate``.
package final class CheckpointTensorStore: TensorStore {
  /// The folder as given.
  package let source: String
  private let checkpoint: SafetensorsCheckpoint
  private let map: CheckpointMap
  private let outputs: [String: OutputTensor]
  private let layout: GGUFLayout
  /// The names in the converter's order.
  package let names: [String]
  let shards: [ShardBytes]
  private let scales: ScaleTable
  let materialized = Atomic<Int>(0)
  /// Whether copies are made, and compressed shards inflated, when weights are loaded.
  let isLate: Bool
  /// Whether only sizes and places are known, and no bytes.
  let isOutline: Bool
  /// Whether late weights were made for good, as a session needs them.
  let isWhole = Atomic<Bool>(false)
  let regions: WeightRegions
  let copies = Mutex<[UnsafeRawPointer: LateCopyReference]>([:])

  /// Maps the shards of a checkpoint whose tensors were described.
  ///
  /// - Parameters:
  ///   - checkpoint: The checkpoint.
  ///   - map: What its tensors become.
  ///   - late: How weights are made late; `nil` for all at once.
  ///   - isOutline: Whether nothing but headers may be read; for stores with `late`.
  /// - Throws: ``RuntimeError`` with `nonFinite` for bad scales, `unsupportedType`, `outOfMemory`; `FileError`, `ZstdError`.
  init(
    _ checkpoint: SafetensorsCheckpoint, _ map: CheckpointMap, late: LateWeights? = nil,
    isOutline: Bool = false
  ) throws {
    isLate = late != nil
    self.isOutline = isOutline
    source = checkpoint.folder
    self.checkpoint = checkpoint
    self.map = map
    outputs = Dictionary(map.outputs.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    layout = map.layout
    names = map.outputs.map(\.name)
    let feeds = map.outputs.compactMap { output -> TensorFeed? in
      guard case .feed(let feed) = output.content else { return nil }
      return feed
    }
    // All of a map is at hand, so that scales by row are read where they lie.
    let scaleSources = ScaleTable.sources(of: feeds, isReadByRow: \.hasScalesByRow)
    let needed = scaleSources.union(feeds.joinedSources).reduce(into: Set<Int>()) {
      $0.insert(checkpoint.tensors[$1].shard)
    }
    if let late {
      let kept = Self.keptRanges(checkpoint, scaleSources, late)
      shards = try checkpoint.shards.enumerated().map { index, shard in
        let kept = needed.contains(index) ? kept[index] ?? [] : []
        return try isOutline
          ? ShardBytes(outline: shard, keeping: kept) : ShardBytes(late: shard, keeping: kept)
      }
    } else {
      shards = try checkpoint.shards.enumerated().map { index, shard in
        try ShardBytes(shard, isNeeded: needed.contains(index))
      }
    }
    regions = WeightRegions(shards.compactMap(\.region))
    var scales = ScaleTable()
    // An outline has no scales to look at, and copies nothing that would need them.
    for index in isOutline ? [] : scaleSources {
      let stored = try Self.stored(index, checkpoint, map, shards)
      do {
        try scales.add(source: index, encoding: stored.encoding, bytes: stored.bytes)
      } catch {
        throw RuntimeError(
          .nonFinite,
          Fault(
            file: checkpoint.shards[checkpoint.tensors[index].shard].path,
            subject: checkpoint.tensors[index].tensor.name, expected: "finite scales",
            found: "\(error.value) at \(error.column)"))
      }
    }
    self.scales = scales
    materialized.store(shards.reduce(0) { $0 + $1.inflatedByteCount }, ordering: .relaxed)
  }

  /// Where the bytes of each shard are that are needed before any layer is.
  private static func keptRanges(
    _ checkpoint: SafetensorsCheckpoint, _ scales: Set<Int>, _ late: LateWeights
  ) -> [Int: [Range<Int>]] {
    var result: [Int: [Range<Int>]] = [:]
    for (index, tensor) in checkpoint.tensors.enumerated()
    where tensor.byteCount <= late.keptByteCount || scales.contains(index) {
      result[tensor.shard, default: []].append(tensor.byteOffset..<(tensor.byteOffset + tensor.byteCount))
    }
    return result
  }

  /// Bytes of the copies, and of inflated shards.
  package var materializedByteCount: Int { materialized.load(ordering: .relaxed) }

  /// The size of all shards that are mapped.
  package var mappedByteCount: Int { shards.reduce(0) { $0 + $1.mappedByteCount } }

  /// The shape after conversion, or that of a part of a tensor.
  package func ggmlShape(of name: String) -> [Int]? {
    outputs[name]?.ggmlShape ?? layout.place(of: name)?.ggmlShape
  }

  /// The name of the tensor that a conversion writes the rows of `name` to.
  package func storedName(of name: String) -> String { layout.place(of: name)?.tensor ?? name }

  /// The matrix, in the map if possible.
  package func matrix(_ name: String) throws -> WeightMatrix {
    let content = try find(storedName(of: name))
    guard let place = layout.place(of: name) else { return try content.matrix(0..<content.rowCount) }
    // A part of a joint matrix is one run of its rows.
    let (first, count) = place.storedRows(from: 0)
    return try content.matrix(first..<(first + count))
  }

  /// The experts' matrices, in the map if possible.
  package func experts(_ name: String) throws -> ExpertStack {
    let content = try find(storedName(of: name))
    let shape = ggmlShape(of: name) ?? []
    let rowCount = shape.count > 1 ? shape[1] : 1
    let count = shape.count > 2 ? shape[2] : 1
    let place = layout.place(of: name)
    let experts = try (0..<count).map { expert in
      // A matrix of a joint tensor is one run of its rows.
      let first = place?.storedRows(from: expert * rowCount).first ?? expert * rowCount
      return try content.matrix(first..<(first + rowCount))
    }
    let whole = try place == nil ? content.placed(0..<(count * rowCount)) : nil
    return ExpertStack(name: storedName(of: name), experts: experts, whole: whole)
  }

  private func find(_ name: String) throws -> Content {
    guard let output = outputs[name] else {
      throw RuntimeError(
        .missingTensor, Fault(file: source, subject: name, expected: "a tensor", found: "no such tensor"))
    }
    guard case .feed(let feed) = output.content else {
      return Content(store: self, output: output, rows: nil)
    }
    let sources = try feed.runs.map { run in
      var source = try Self.stored(run.source, checkpoint, map, shards)
      if run.hasScalesByRow, let scale = run.scale {
        let stored = try Self.stored(scale.source, checkpoint, map, shards)
        if case .element(let type) = stored.encoding {
          let biases = try scale.bias.map { try Self.stored($0, checkpoint, map, shards).bytes }
          source.scales = StoredRows.Scales(type: type, bytes: stored.bytes, biases: biases)
        }
      }
      return source
    }
    return Content(
      store: self, output: output,
      rows: FeedRows(feed, rowLength: output.ggmlShape.first ?? 1, sources: sources, scales: scales))
  }

  /// The bytes of a source tensor.
  private static func stored(
    _ index: Int, _ checkpoint: SafetensorsCheckpoint, _ map: CheckpointMap, _ shards: [ShardBytes]
  ) throws -> FeedRows.Source {
    let tensor = checkpoint.tensors[index]
    let encoding = map.encoding(of: index, tensor.tensor)
    let bytes = shards[tensor.shard].bytes
    guard FeedRows.canRead(encoding) else {
      throw RuntimeError(
        .unsupportedType,
        Fault(
          file: checkpoint.folder, subject: tensor.tensor.name, expected: "a type whose values can be read",
          found: tensor.tensor.elementType.rawValue))
    }
    guard tensor.byteCount <= bytes.count, tensor.byteOffset <= bytes.count - tensor.byteCount else {
      throw FileError(
        .truncated,
        Fault(
          file: checkpoint.shards[tensor.shard].path, subject: tensor.tensor.name, expected: "all its bytes",
          found: "the end of the file"))
    }
    let range = tensor.byteOffset..<(tensor.byteOffset + tensor.byteCount)
    return FeedRows.Source(encoding: encoding, bytes: UnsafeRawBufferPointer(rebasing: bytes[range]))
  }

  /// A tensor with its sources.
  private struct Content {
    let store: CheckpointTensorStore
    let output: OutputTensor
    /// `nil` for computed values.
    let rows: FeedRows?

    var columns: Int { output.ggmlShape.first ?? 1 }
    var rowCount: Int { output.ggmlShape.dropFirst().reduce(1, *) }

    /// Some rows as a matrix.
    func matrix(_ range: Range<Int>) throws -> WeightMatrix {
      if let matrix = try placed(range) { return matrix }
      return try copied(range)
    }

    /// Rows that lie as they are, one after the other; `nil` when they do not.
    func placed(_ range: Range<Int>) throws -> WeightMatrix? {
      // Kernels read whole values; a header may leave them at odd addresses.
      guard let place = rows?.place(of: range), let base = place.bytes.baseAddress,
        Int(bitPattern: base) % place.type.blockByteCount == 0
      else { return nil }
      return try WeightMatrix(
        name: output.name, type: place.type, columns: columns, rows: range.count, bytes: place.bytes,
        owner: store.shards[store.checkpoint.tensors[place.source].shard].owner)
    }

    private func copied(_ range: Range<Int>) throws -> WeightMatrix {
      let type = rows?.copyType ?? .f32
      let byteCount = range.count * columns / type.blockLength * type.blockByteCount
      let memory = try ZeroedMemory(
        byteCount: byteCount, purpose: output.name,
        remedy: "convert the checkpoint to a quantized GGUF, which takes less memory",
        isReserved: !store.isLate)
      let copy = LateCopy(memory, sources: rows?.sourceBytes(of: range) ?? []) { try fill($0, range) }
      if store.isLate {
        store.copies.withLock { $0[UnsafeRawPointer(memory.base)] = LateCopyReference(copy: copy) }
      } else {
        _ = try copy.fill()
        store.materialized.add(byteCount, ordering: .relaxed)
      }
      return try WeightMatrix(
        name: output.name, type: type, columns: columns, rows: range.count,
        bytes: UnsafeRawBufferPointer(start: memory.base, count: byteCount), owner: copy)
    }

    private func fill(_ target: UnsafeMutableRawBufferPointer, _ range: Range<Int>) throws {
      if case .values(let values) = output.content {
        values[(range.lowerBound * columns)..<(range.upperBound * columns)].withUnsafeBytes {
          target.copyMemory(from: $0)
        }
      }
      do {
        try rows?.copy(range, into: target)
      } catch {
        throw RuntimeError(
          .nonFinite,
          Fault(
            file: store.source, subject: "\(output.name), row \(range.lowerBound + error.row)",
            expected: "finite weights", found: "\(error.value) in column \(error.column)",
            remedy: "the checkpoint is damaged; fetch it again or report it to the model's authors"))
      }
    }
  }
}

extension [TensorFeed] {
  /// The source tensors of all rows, and of their scales.
  fileprivate var joinedSources: Set<Int> {
    reduce(into: []) { result, feed in
      for run in feed.runs {
        result.insert(run.source)
        if let scale = run.scale { result.formUnion([scale.source, scale.bias].compactMap(\.self)) }
      }
    }
  }
}
