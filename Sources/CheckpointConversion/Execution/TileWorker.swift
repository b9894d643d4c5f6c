internal import BlockQuantization
internal import FileBytes
internal import TensorTypes

/// Turns source bytes of a tile into stored bytes; one per thread, with buffers of its own.
struct TileWorker: ~Copyable {
  private let plan: ConversionPlan
  private let importance: (any ImportanceSource)?
  private let scales: ScaleTable
  /// Source bytes of the tile in work.
  let source: UnsafeMutableRawBufferPointer
  /// Stored bytes of the tile in work.
  private let output: UnsafeMutableRawBufferPointer
  /// Two areas of f32 values, a few rows at a time, sized to stay in the second-level cache.
  private let values: UnsafeMutableBufferPointer<Float>
  private let shuffled: UnsafeMutableBufferPointer<Float>
  /// The same rows in 16 bits, where the two-step conversion rounds.
  private let narrowed: UnsafeMutableRawBufferPointer
  private var weights: (tensor: Int, matrix: Int, values: [Float]?) = (-1, -1, nil)

  /// f32 values converted at a time: 128 KiB, half of a common second-level cache with room for the rest.
  static let valuesPerStep = 32 * 1024

  /// Bytes that a worker holds.
  static func byteCount(source: Int, output: Int, longestRow: Int) -> Int {
    source + output + max(valuesPerStep, longestRow) * (2 * MemoryLayout<Float>.stride + 2)
  }

  init(
    plan: ConversionPlan, importance: (any ImportanceSource)?, scales: ScaleTable, sourceByteCount: Int,
    outputByteCount: Int, longestRow: Int
  ) {
    self.plan = plan
    self.importance = importance
    self.scales = scales
    source = .allocate(byteCount: max(sourceByteCount, 1), alignment: 64)
    output = .allocate(byteCount: max(outputByteCount, 1), alignment: 64)
    values = .allocate(capacity: max(Self.valuesPerStep, longestRow))
    shuffled = .allocate(capacity: max(Self.valuesPerStep, longestRow))
    narrowed = .allocate(byteCount: max(Self.valuesPerStep, longestRow) * 2, alignment: 64)
  }

  deinit {
    source.deallocate()
    output.deallocate()
    values.deallocate()
    shuffled.deallocate()
    narrowed.deallocate()
  }

  /// Computes the stored bytes of `tile`, whose source bytes are in ``source``.
  ///
  /// - Returns: The bytes, valid until the next call.
  /// - Throws: ``ConversionError`` for a NaN, an infinity or a scale outside f16, naming tensor, expert and row.
  mutating func process(_ tile: Tile) throws -> UnsafeRawBufferPointer {
    let tensor = plan.tensors[tile.tensor]
    let stored = UnsafeMutableRawBufferPointer(rebasing: output[0..<(tile.rowCount * tensor.rowByteCount)])
    guard case .feed(let feed) = tensor.content else {
      if case .values(let computed) = tensor.content {
        computed.withUnsafeBytes { stored.copyMemory(from: $0) }
      }
      return UnsafeRawBufferPointer(stored)
    }
    let run = feed.runs[tile.run]
    let origin = plan.sources[run.source]
    if case .block(let type) = origin.encoding, type == tensor.type {
      let bytes = UnsafeRawBufferPointer(rebasing: source[0..<stored.count])
      try checkBlocks(type, bytes, tile: tile, tensor: tensor)
      return bytes
    }
    let rowLength = tensor.rowLength
    let step = max(1, Self.valuesPerStep / max(1, rowLength))
    var row = 0
    while row < tile.rowCount {
      // A step stays inside one matrix, since each expert has importance weights of its own.
      let absolute = tile.firstRow + row
      let matrixEnd = (absolute / tensor.rowsPerMatrix + 1) * tensor.rowsPerMatrix
      let count = min(step, tile.rowCount - row, matrixEnd - absolute)
      let chunk = try load(
        tile: tile, run: run, origin: origin, feed: feed, tensor: tensor, row: row, count: count)
      let target = UnsafeMutableRawBufferPointer(
        rebasing: stored[(row * tensor.rowByteCount)..<((row + count) * tensor.rowByteCount)])
      if tensor.importanceName != nil {
        try loadWeights(tensor: tensor, index: tile.tensor, matrix: absolute / tensor.rowsPerMatrix)
      }
      store(chunk, tensor: tensor, into: target)
      row += count
    }
    if tensor.type.isQuantized {
      try checkBlocks(tensor.type, UnsafeRawBufferPointer(stored), tile: tile, tensor: tensor)
    }
    return UnsafeRawBufferPointer(stored)
  }

  /// Reads `count` rows as f32 values in output order, transformed and checked.
  private func load(
    tile: Tile, run: RowRun, origin: PlannedSource, feed: TensorFeed, tensor: PlannedTensor, row: Int,
    count: Int
  ) throws -> UnsafeBufferPointer<Float> {
    let rowLength = tensor.rowLength
    let rowBytes = origin.byteCount(ofElements: rowLength)
    var chunk = UnsafeMutableBufferPointer(rebasing: values[0..<(count * rowLength)])
    if case .identity = run.order {
      let bytes = UnsafeRawBufferPointer(rebasing: source[(row * rowBytes)..<((row + count) * rowBytes)])
      decode(bytes, origin.encoding, rowLength: rowLength, into: chunk)
    } else {
      for index in 0..<count {
        let sourceRow = run.sourceRow(at: tile.offsetInRun + row + index) - tile.firstSourceRow
        let bytes = UnsafeRawBufferPointer(
          rebasing: source[(sourceRow * rowBytes)..<((sourceRow + 1) * rowBytes)])
        decode(
          bytes, origin.encoding, rowLength: rowLength,
          into: UnsafeMutableBufferPointer(rebasing: chunk[(index * rowLength)..<((index + 1) * rowLength)]))
      }
    }
    if let scale = run.scale {
      for index in 0..<count {
        scales.apply(
          scale, row: run.sourceRow(at: tile.offsetInRun + row + index),
          to: UnsafeMutableBufferPointer(rebasing: chunk[(index * rowLength)..<((index + 1) * rowLength)]))
      }
    }
    if let bad = FloatConversion.firstNonFinite(UnsafeBufferPointer(chunk)) {
      throw nonFinite(
        chunk[bad], tensor: tensor, origin: origin, row: tile.firstRow + row + bad / rowLength,
        column: bad % rowLength)
    }
    if case .blocks(let width, let order) = feed.columns {
      let target = UnsafeMutableBufferPointer(rebasing: shuffled[0..<(count * rowLength)])
      for index in 0..<count {
        for (block, from) in order.enumerated() {
          let to = index * rowLength + block * width
          let start = index * rowLength + from * width
          for column in 0..<width { target[to + column] = chunk[start + column] }
        }
      }
      chunk = target
    }
    switch feed.operation {
    case .identity: break
    case .addOne: FloatConversion.addOne(chunk)
    case .negateExponential: FloatConversion.negateExponential(chunk)
    }
    // The 16-bit file of a two-step conversion would hold rounded values; so does this path.
    if tensor.sourceType == .bf16, origin.encoding != .element(.bf16) {
      let bytes = UnsafeMutableRawBufferPointer(rebasing: narrowed[0..<(chunk.count * 2)])
      FloatConversion.narrowToBF16(UnsafeBufferPointer(chunk), into: bytes)
      FloatConversion.widen(.bf16, bytes: UnsafeRawBufferPointer(bytes), into: chunk)
    } else if tensor.sourceType == .f16, origin.encoding != .element(.f16) {
      let bytes = UnsafeMutableRawBufferPointer(rebasing: narrowed[0..<(chunk.count * 2)])
      FloatConversion.narrowToF16(UnsafeBufferPointer(chunk), into: bytes)
      FloatConversion.widen(.f16, bytes: UnsafeRawBufferPointer(bytes), into: chunk)
    }
    return UnsafeBufferPointer(chunk)
  }

  private func decode(
    _ bytes: UnsafeRawBufferPointer, _ encoding: SourceEncoding, rowLength: Int,
    into chunk: UnsafeMutableBufferPointer<Float>
  ) {
    switch encoding {
    case .element(let type): FloatConversion.widen(type, bytes: bytes, into: chunk)
    case .block(let type): BlockQuantizer.dequantize(type, bytes: bytes, rowLength: rowLength, into: chunk)
    }
  }

  private mutating func loadWeights(tensor: PlannedTensor, index: Int, matrix: Int) throws {
    guard weights.tensor != index || weights.matrix != matrix else { return }
    weights = (index, matrix, nil)
    if let importance, let name = tensor.importanceName {
      weights.values = try importance.weights(tensor: name, matrix: matrix, rowLength: tensor.rowLength)
    }
  }

  private func store(
    _ chunk: UnsafeBufferPointer<Float>, tensor: PlannedTensor, into target: UnsafeMutableRawBufferPointer
  ) {
    let qw = tensor.importanceName == nil ? nil : weights.values
    if let qw {
      qw.withUnsafeBufferPointer {
        BlockQuantizer.quantize(
          tensor.type, rows: chunk, rowLength: tensor.rowLength, importance: $0, into: target)
      }
    } else {
      BlockQuantizer.quantize(
        tensor.type, rows: chunk, rowLength: tensor.rowLength, importance: nil, into: target)
    }
  }

  private func checkBlocks(
    _ type: TensorType, _ bytes: UnsafeRawBufferPointer, tile: Tile, tensor: PlannedTensor
  ) throws {
    guard let block = BlockQuantizer.firstInvalidBlock(type, bytes: bytes) else { return }
    let blocksPerRow = max(1, tensor.rowLength / type.blockLength)
    let row = tile.firstRow + block / blocksPerRow
    throw ConversionError(
      .scaleOverflow,
      Fault(
        file: sourcePath(of: tensor, run: tile.run), subject: place(tensor: tensor, row: row),
        expected: "block scales within the range of f16 (65504)",
        found: "block \(block % blocksPerRow) of the row with a scale that is not finite as \(type.name)",
        remedy: "the weights are too large or damaged; store this tensor as bf16 or f32 with --tensor-type"))
  }

  private func nonFinite(
    _ value: Float, tensor: PlannedTensor, origin: PlannedSource, row: Int, column: Int
  ) -> ConversionError {
    ConversionError(
      .nonFiniteWeight,
      Fault(
        file: plan.sourceFiles[origin.file].path,
        subject: "\(origin.name) -> \(place(tensor: tensor, row: row))",
        expected: "finite weights", found: "\(value) in column \(column)",
        remedy: "the checkpoint is damaged; fetch this shard again or report it to the model's authors"))
  }

  /// The file that a run of rows comes from; empty for computed values.
  private func sourcePath(of tensor: PlannedTensor, run: Int) -> String {
    guard case .feed(let feed) = tensor.content else { return "" }
    return plan.sourceFiles[plan.sources[feed.runs[run].source].file].path
  }

  private func place(tensor: PlannedTensor, row: Int) -> String {
    guard tensor.ggmlShape.count > 2 else { return "\(tensor.name), row \(row)" }
    return "\(tensor.name), expert \(row / tensor.rowsPerMatrix), row \(row % tensor.rowsPerMatrix)"
  }
}

/// Where importance weights come from during a run.
package protocol ImportanceSource: Sendable {
  /// The weights of one matrix (expert) of a tensor, `rowLength` values; `nil` when there are none.
  func weights(tensor: String, matrix: Int, rowLength: Int) throws -> [Float]?
}
