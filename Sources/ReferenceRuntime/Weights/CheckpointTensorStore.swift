internal import FileBytes
internal import ModelDescriptions
internal import SafetensorsFormat
internal import Synchronization
public import TensorCompute
internal import TensorTypes

/// The tensors of a safetensors checkpoint, seen as its conversion to GGUF would name and arrange them.
///
/// A tensor whose rows follow each other in a shard is used in the map, in its 16 or 32 bits: expert stacks, fused
/// or one by one, and nearly all other matrices are. Where rows or columns change their order (query and key rows
/// of the llama architecture, value heads of delta nets), a copy is made in the checkpoint's own type when the
/// model is opened; where values change (norms stored minus one, decay rates), a copy in f32.
public final class CheckpointTensorStore: TensorStore {
  /// The folder as given.
  public let source: String
  private let checkpoint: SafetensorsCheckpoint
  private let outputs: [String: OutputTensor]
  /// The names in the converter's order.
  public let names: [String]
  private let maps: [MappedFile]
  private let materialized = Atomic<Int>(0)

  /// Maps the shards of a checkpoint whose tensors were described.
  ///
  /// - Throws: ``RuntimeError`` with `unsupportedType` for shards or tensors that can only be converted, `FileError`.
  init(_ checkpoint: SafetensorsCheckpoint, _ map: CheckpointMap) throws {
    source = checkpoint.folder
    self.checkpoint = checkpoint
    outputs = Dictionary(map.outputs.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    names = map.outputs.map(\.name)
    if map.isScaledFP8 {
      throw RuntimeError(
        .unsupportedType,
        Fault(
          file: checkpoint.folder, expected: "16 or 32 bits per weight", found: "8-bit floats with scales",
          remedy: "convert the checkpoint to GGUF first"))
    }
    if let shard = checkpoint.shards.first(where: \.isCompressed) {
      throw RuntimeError(
        .unsupportedType,
        Fault(
          file: shard.path, expected: "a shard that can be mapped", found: "a compressed one",
          remedy: "decompress it, or convert the checkpoint to GGUF first"))
    }
    maps = try checkpoint.shards.map { try MappedFile(path: $0.path) }
  }

  /// Bytes of the copies.
  public var materializedByteCount: Int { materialized.load(ordering: .relaxed) }

  /// The size of all shards.
  public var mappedByteCount: Int { maps.reduce(0) { $0 + $1.bytes.count } }

  /// The shape after conversion.
  public func ggmlShape(of name: String) -> [Int]? { outputs[name]?.ggmlShape }

  /// The matrix, in the map if possible.
  public func matrix(_ name: String) throws -> WeightMatrix {
    let output = try find(name)
    let shape = output.ggmlShape
    return try rows(of: output, 0..<shape.dropFirst().reduce(1, *))
  }

  /// The experts' matrices, in the map if possible.
  public func experts(_ name: String) throws -> ExpertStack {
    let output = try find(name)
    let shape = output.ggmlShape
    let rowCount = shape.count > 1 ? shape[1] : 1
    let count = shape.count > 2 ? shape[2] : 1
    let experts = try (0..<count).map { try rows(of: output, ($0 * rowCount)..<(($0 + 1) * rowCount)) }
    return ExpertStack(name: name, experts: experts, whole: try direct(output, 0..<(count * rowCount)))
  }

  private func find(_ name: String) throws -> OutputTensor {
    guard let output = outputs[name] else {
      throw RuntimeError(
        .missingTensor, Fault(file: source, subject: name, expected: "a tensor", found: "no such tensor"))
    }
    return output
  }

  /// Some rows of an output as a matrix.
  private func rows(of output: OutputTensor, _ range: Range<Int>) throws -> WeightMatrix {
    let columns = output.ggmlShape.first ?? 1
    switch output.content {
    case .values(let values):
      return try copy(output.name, .f32, columns: columns, rows: range.count) { index, place in
        for column in 0..<columns {
          let value = values[(range.lowerBound + index) * columns + column]
          place.storeBytes(of: value, toByteOffset: column * 4, as: Float.self)
        }
      }
    case .feed(let feed):
      if let matrix = try direct(output, range) { return matrix }
      return try transformed(output.name, feed, range, columns: columns)
    }
  }

  /// Rows that lie as they are, one after the other; `nil` when they do not.
  private func direct(_ output: OutputTensor, _ range: Range<Int>) throws -> WeightMatrix? {
    guard case .feed(let feed) = output.content, feed.columns == .identity, feed.operation == .identity else {
      return nil
    }
    let columns = output.ggmlShape.first ?? 1
    var start = 0
    var found: (source: Int, first: Int, count: Int)?
    for run in feed.runs {
      let part = range.clamped(to: start..<(start + run.rowCount))
      if !part.isEmpty {
        guard run.order == .identity else { return nil }
        let first = run.firstRow + part.lowerBound - start
        if let known = found {
          guard known.source == run.source, known.first + known.count == first else { return nil }
          found = (known.source, known.first, known.count + part.count)
        } else {
          found = (run.source, first, part.count)
        }
      }
      start += run.rowCount
    }
    guard let found, found.count == range.count else { return nil }
    let (bytes, type, map) = try values(of: found.source)
    let rowBytes = columns * type.blockByteCount
    let piece = bytes[(found.first * rowBytes)..<((found.first + found.count) * rowBytes)]
    // Kernels read whole values; a header may leave them at odd addresses.
    guard let base = piece.base.baseAddress,
      (Int(bitPattern: base) + piece.startIndex) % type.blockByteCount == 0
    else { return nil }
    return try WeightMatrix(
      name: output.name, type: type, columns: columns, rows: range.count,
      bytes: UnsafeRawBufferPointer(rebasing: piece), owner: map)
  }

  /// A copy with rows and columns in order and operations applied.
  private func transformed(
    _ name: String, _ feed: TensorFeed, _ range: Range<Int>, columns: Int
  ) throws -> WeightMatrix {
    // Output row → (source bytes, row within it).
    let sources = try feed.runs.map { try values(of: $0.source) }
    let types = Set(sources.map(\.type))
    let keepsType = feed.operation == .identity && types.count == 1
    let type = keepsType ? (types.first ?? .f32) : .f32
    var starts: [Int] = []
    var total = 0
    for run in feed.runs {
      starts.append(total)
      total += run.rowCount
    }
    let order = columnOrder(feed.columns, columns)
    var run = 0
    return try copy(name, type, columns: columns, rows: range.count) { index, place in
      let row = range.lowerBound + index
      while run + 1 < starts.count, starts[run + 1] <= row { run += 1 }
      let (bytes, sourceType, _) = sources[run]
      let first = feed.runs[run].sourceRow(at: row - starts[run]) * columns
      let size = sourceType.blockByteCount
      if keepsType {
        for (target, column) in order.enumerated() {
          let span = column.count * size
          let from = UnsafeRawBufferPointer(
            rebasing: bytes[((first + column.lowerBound) * size)...].prefix(span))
          if let base = from.baseAddress { (place + target * span).copyMemory(from: base, byteCount: span) }
        }
      } else {
        var target = 0
        for column in order.joined() {
          let value = Self.value(bytes, sourceType, first + column)
          place.storeBytes(of: Self.apply(feed.operation, value), toByteOffset: target * 4, as: Float.self)
          target += 1
        }
      }
    }
  }

  /// The source columns of each piece of an output row; all pieces have one width.
  private func columnOrder(_ order: ColumnOrder, _ columns: Int) -> [Range<Int>] {
    switch order {
    case .identity: [0..<columns]
    case .blocks(let width, let blocks): blocks.map { ($0 * width)..<(($0 + 1) * width) }
    }
  }

  private func copy(
    _ name: String, _ type: TensorType, columns: Int, rows: Int,
    fill: (_ row: Int, _ place: UnsafeMutableRawPointer) throws -> Void
  ) throws -> WeightMatrix {
    let rowBytes = columns * type.blockByteCount
    let memory = try ZeroedMemory(byteCount: rows * rowBytes, purpose: name)
    for row in 0..<rows { try fill(row, memory.base + row * rowBytes) }
    materialized.wrappingAdd(rows * rowBytes, ordering: .relaxed)
    return try WeightMatrix(
      name: name, type: type, columns: columns, rows: rows,
      bytes: UnsafeRawBufferPointer(start: memory.base, count: rows * rowBytes), owner: memory)
  }

  /// The bytes of a source tensor.
  private func values(of index: Int) throws -> (
    bytes: UnsafeRawBufferPointer, type: TensorType, map: MappedFile
  ) {
    let tensor = checkpoint.tensors[index]
    let type: TensorType
    switch tensor.tensor.elementType {
    case .bf16: type = .bf16
    case .f16: type = .f16
    case .f32: type = .f32
    case let other:
      throw RuntimeError(
        .unsupportedType,
        Fault(
          file: source, subject: tensor.tensor.name, expected: "F32, F16 or BF16", found: other.rawValue,
          remedy: "convert the checkpoint to GGUF first"))
    }
    let map = maps[tensor.shard]
    guard tensor.byteCount <= map.bytes.count, tensor.byteOffset <= map.bytes.count - tensor.byteCount else {
      throw FileError(
        .truncated,
        Fault(
          file: checkpoint.shards[tensor.shard].path, subject: tensor.tensor.name, expected: "all its bytes",
          found: "the end of the file"))
    }
    let range = tensor.byteOffset..<(tensor.byteOffset + tensor.byteCount)
    return (UnsafeRawBufferPointer(rebasing: map.bytes[range]), type, map)
  }

  private static func value(_ bytes: UnsafeRawBufferPointer, _ type: TensorType, _ index: Int) -> Float {
    switch type {
    case .bf16:
      Float(
        bitPattern: UInt32(
          UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self))) << 16)
    case .f16:
      HalfFloat.widen(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)))
    default:
      Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)))
    }
  }

  private static func apply(_ operation: ValueOperation, _ value: Float) -> Float {
    switch operation {
    case .identity: value
    case .addOne: value + 1
    case .negateExponential: negatedExponential(value)
    }
  }
}
