internal import BlockQuantization
internal import FileBytes
internal import TensorAssembly
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
  /// Makes f32 values, a few rows at a time.
  private let assembler: RowAssembler
  /// The same rows in 16 bits, where the two-step conversion rounds.
  private let narrowed: UnsafeMutableRawBufferPointer
  /// One number per block of the rows in work, see `BlockChecks.reach`.
  private let reaches: UnsafeMutableBufferPointer<Float>
  /// Whether weights beyond the range of their type are an error; otherwise they become infinities.
  var refusesOverflow = true
  private var weights: (tensor: Int, matrix: Int, values: [Float]?) = (-1, -1, nil)

  /// Bytes that a worker holds.
  static func byteCount(source: Int, output: Int, longestRow: Int) -> Int {
    let values = RowAssembler.capacity(longestRow: longestRow)
    return source + output + RowAssembler.byteCount(longestRow: longestRow) + 2 * values
      + reachCount(values) * MemoryLayout<Float>.stride
  }

  /// Blocks of at least 32 values, the last one shorter.
  private static func reachCount(_ valueCount: Int) -> Int { valueCount / BlockChecks.floatBlockLength + 1 }

  init(
    plan: ConversionPlan, importance: (any ImportanceSource)?, scales: ScaleTable, sourceByteCount: Int,
    outputByteCount: Int, longestRow: Int
  ) {
    self.plan = plan
    self.importance = importance
    self.scales = scales
    source = .allocate(byteCount: max(sourceByteCount, 1), alignment: 64)
    output = .allocate(byteCount: max(outputByteCount, 1), alignment: 64)
    assembler = RowAssembler(longestRow: longestRow)
    let values = RowAssembler.capacity(longestRow: longestRow)
    narrowed = .allocate(byteCount: values * 2, alignment: 64)
    reaches = .allocate(capacity: Self.reachCount(values))
  }

  deinit {
    source.deallocate()
    output.deallocate()
    narrowed.deallocate()
    reaches.deallocate()
  }

  /// Computes the stored bytes of `tile`, whose source bytes are in ``source``.
  ///
  /// - Returns: The bytes, valid until the next call, and what became zeros.
  /// - Throws: ``ConversionError`` for a NaN, an infinity, a weight or a scale outside its type, naming tensor, expert
  ///   and row.
  mutating func process(_ tile: Tile) throws -> (bytes: UnsafeRawBufferPointer, losses: RowLosses) {
    let tensor = plan.tensors[tile.tensor]
    let stored = UnsafeMutableRawBufferPointer(rebasing: output[0..<(tile.rowCount * tensor.rowByteCount)])
    guard case .feed(let feed) = tensor.content else {
      if case .values(let computed) = tensor.content {
        computed.withUnsafeBytes { stored.copyMemory(from: $0) }
      }
      return (UnsafeRawBufferPointer(stored), RowLosses())
    }
    let work = Work(plan: plan, tile: tile, tensor: tensor, feed: feed)
    if case .block(let type) = work.origin.encoding, type == tensor.type {
      let bytes = UnsafeRawBufferPointer(rebasing: source[0..<stored.count])
      try checkBlocks(type, bytes, work)
      return (bytes, RowLosses())
    }
    if tensor.type == .mxfp4,
      MXFP4Repacking.applies(
        to: work.run, of: feed, encoding: work.origin.encoding, scaleType: storedRows(work).scales?.type)
    {
      MXFP4Repacking.repack(
        tile.offsetInRun..<(tile.offsetInRun + tile.rowCount), of: work.run, from: storedRows(work),
        rowLength: tensor.rowLength, into: stored)
      try checkBlocks(.mxfp4, UnsafeRawBufferPointer(stored), work)
      return (UnsafeRawBufferPointer(stored), RowLosses())
    }
    let rowLength = tensor.rowLength
    let step = RowAssembler.rowsPerStep(rowLength: rowLength)
    var losses = RowLosses()
    var row = 0
    while row < tile.rowCount {
      // A step stays inside one matrix, since each expert has importance weights of its own.
      let absolute = tile.firstRow + row
      let matrixEnd = (absolute / tensor.rowsPerMatrix + 1) * tensor.rowsPerMatrix
      let count = min(step, tile.rowCount - row, matrixEnd - absolute)
      let chunk = try load(work, row: row, count: count)
      let target = UnsafeMutableRawBufferPointer(
        rebasing: stored[(row * tensor.rowByteCount)..<((row + count) * tensor.rowByteCount)])
      if tensor.importanceName != nil {
        try loadWeights(tensor: tensor, index: tile.tensor, matrix: absolute / tensor.rowsPerMatrix)
      }
      store(chunk, tensor: tensor, into: target)
      if work.mayLose {
        losses += try check(UnsafeRawBufferPointer(target), chunk, work, row: row)
      }
      row += count
    }
    return (UnsafeRawBufferPointer(stored), losses)
  }

  /// A tile with what the plan says of it.
  private struct Work {
    var tile: Tile
    var tensor: PlannedTensor
    var feed: TensorFeed
    var run: RowRun
    var origin: PlannedSource
    /// The 16-bit type that values are rounded to before they are stored; `nil` when they have it already.
    var rounding: TensorType?
    /// Whether the stored type may not hold what the source holds.
    var mayLose: Bool

    init(plan: ConversionPlan, tile: Tile, tensor: PlannedTensor, feed: TensorFeed) {
      self.tile = tile
      self.tensor = tensor
      self.feed = feed
      run = feed.runs[tile.run]
      origin = plan.sources[run.source]
      switch tensor.sourceType {
      case .bf16 where origin.encoding != .element(.bf16): rounding = .bf16
      case .f16 where origin.encoding != .element(.f16): rounding = .f16
      default: rounding = nil
      }
      let isCopy: Bool =
        switch tensor.type {
        case .bf16: origin.encoding == .element(.bf16)
        case .f16: origin.encoding == .element(.f16)
        default: tensor.type == .f32
        }
      mayLose = !isCopy || feed.operation != .identity && tensor.type != .f32
    }
  }

  /// Reads `count` rows as f32 values in output order, transformed and checked.
  ///
  /// - Parameters:
  ///   - work: The tile.
  ///   - row: The first row, counted from that of the tile.
  ///   - count: Rows.
  ///   - rounded: Whether values are rounded to the 16-bit type that a two-step conversion has in between.
  /// - Returns: The values, valid until the next call.
  /// - Throws: ``ConversionError`` for values that are not finite, or not in the range of the type in between.
  private func load(_ work: Work, row: Int, count: Int, rounded: Bool = true) throws
    -> UnsafeBufferPointer<Float>
  {
    let rows = (work.tile.offsetInRun + row)..<(work.tile.offsetInRun + row + count)
    let stored = storedRows(work)
    let chunk: UnsafeMutableBufferPointer<Float>
    do {
      chunk = try assembler.assemble(
        rows, of: work.run, in: work.feed, from: stored, rowLength: work.tensor.rowLength, scales: scales)
    } catch {
      throw refusal(of: error, work, row: row)
    }
    if rounded, let type = work.rounding { try round(chunk, to: type, work, row: row) }
    return UnsafeBufferPointer(chunk)
  }

  /// The source rows of a tile, with their scales.
  private func storedRows(_ work: Work) -> StoredRows {
    let first = work.tile.firstSourceRow
    return StoredRows(
      encoding: work.origin.encoding, bytes: UnsafeRawBufferPointer(source), layout: .rows(first: first),
      scales: work.tile.scales.map {
        StoredRows.Scales(
          type: $0.type,
          bytes: UnsafeRawBufferPointer(rebasing: source[$0.place..<($0.place + $0.byteCount)]),
          firstRow: first)
      } ?? scales.rows(of: work.run))
  }

  /// Rounds values to 16 bits: the 16-bit file of a two-step conversion would hold rounded values; so does this path.
  private func round(
    _ chunk: UnsafeMutableBufferPointer<Float>, to type: TensorType, _ work: Work, row: Int
  ) throws {
    let bytes = UnsafeMutableRawBufferPointer(rebasing: narrowed[0..<(chunk.count * 2)])
    if type == .bf16 {
      FloatConversion.narrowToBF16(UnsafeBufferPointer(chunk), into: bytes)
      FloatConversion.widen(.bf16, bytes: UnsafeRawBufferPointer(bytes), into: chunk)
    } else {
      FloatConversion.narrowToF16(UnsafeBufferPointer(chunk), into: bytes)
      FloatConversion.widen(.f16, bytes: UnsafeRawBufferPointer(bytes), into: chunk)
    }
    // Where the output has the same type, its blocks are looked at anyway.
    guard refusesOverflow, type != work.tensor.type,
      let bad = FloatConversion.firstNonFinite(UnsafeBufferPointer(chunk))
    else { return }
    let place = row + bad / work.tensor.rowLength
    let column = bad % work.tensor.rowLength
    let value = try load(work, row: place, count: 1, rounded: false)[column]
    throw outOfRange(
      value, work, row: place, column: column, type: type,
      remedy: "the checkpoint mixes types, and \(type.name) of most matrices is in between; convert it with "
        + "--outtype bf16 first and quantize that with pouch-quantize")
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

  /// Looks at stored rows: refuses values and scales that are not finite, and counts rows that became zeros.
  ///
  /// - Parameters:
  ///   - stored: The bytes of whole rows, still in the cache.
  ///   - chunk: The values that were stored.
  ///   - work: The tile.
  ///   - row: The first row, counted from that of the tile.
  /// - Returns: The rows that became zeros.
  /// - Throws: ``ConversionError`` with `valueOutOfRange` or `scaleOverflow`.
  private func check(
    _ stored: UnsafeRawBufferPointer, _ chunk: UnsafeBufferPointer<Float>, _ work: Work, row: Int
  ) throws -> RowLosses {
    let tensor = work.tensor
    let rowLength = tensor.rowLength
    let rowCount = chunk.count / max(1, rowLength)
    let blockLength = BlockChecks.blockLength(tensor.type)
    // Blocks of float types are cut without regard to rows, which need not hold whole ones.
    let rowsPerPart = rowLength % blockLength == 0 ? rowCount : 1
    let blocksPerRow = BlockChecks.blockCount(tensor.type, elementCount: rowLength)
    var losses = RowLosses()
    for first in stride(from: 0, to: rowCount, by: rowsPerPart) {
      let bytes = UnsafeRawBufferPointer(
        rebasing: stored[(first * tensor.rowByteCount)..<((first + rowsPerPart) * tensor.rowByteCount)])
      let reach = UnsafeMutableBufferPointer(rebasing: reaches[0..<(rowsPerPart * blocksPerRow)])
      guard BlockChecks.reach(tensor.type, bytes: bytes, into: reach) else {
        try checkBlocks(tensor.type, bytes, work, firstRow: row + first)
        continue
      }
      for index in 0..<rowsPerPart {
        var most: Float = 0
        for block in (index * blocksPerRow)..<((index + 1) * blocksPerRow) where reach[block] > most {
          most = reach[block]
        }
        if most == .infinity { try refuseOverflow(bytes, work, firstRow: row + first) }
        if most == 0 { losses += try contents(ofLostRow: first + index, chunk, work, row: row) }
      }
    }
    return losses
  }

  /// What a row that is stored as zeros held.
  private func contents(ofLostRow index: Int, _ chunk: UnsafeBufferPointer<Float>, _ work: Work, row: Int)
    throws
    -> RowLosses
  {
    let length = work.tensor.rowLength
    // Rounding to 16 bits may have made the zeros; then the row is decoded again, and `chunk` is not used any more.
    let values =
      work.rounding == nil
      ? UnsafeBufferPointer(rebasing: chunk[(index * length)..<((index + 1) * length)])
      : try load(work, row: row + index, count: 1, rounded: false)
    let largest = values.reduce(Float(0)) { max($0, $1.magnitude) }
    return largest > 0 ? RowLosses(lost: 1, empty: 0, largest: largest) : RowLosses(lost: 0, empty: 1)
  }

  /// Names the first value or scale of some rows that the type cannot hold.
  private func refuseOverflow(
    _ bytes: UnsafeRawBufferPointer, _ work: Work, firstRow: Int
  ) throws {
    guard refusesOverflow else { return }
    let tensor = work.tensor
    guard !tensor.type.isQuantized else {
      return try checkBlocks(tensor.type, bytes, work, firstRow: firstRow)
    }
    guard let bad = BlockQuantizer.firstInvalidBlock(tensor.type, bytes: bytes) else { return }
    let place = firstRow + bad / tensor.rowLength
    let column = bad % tensor.rowLength
    let value = try load(work, row: place, count: 1, rounded: false)[column]
    let others = tensor.type == .bf16 ? "f32" : "bf16 or f32"
    throw outOfRange(
      value, work, row: place, column: column, type: tensor.type,
      // Mixes of float types take no rules for single tensors.
      remedy: plan.mix.isQuantizing
        ? "store this tensor as \(others) with --tensor-type" : "choose \(others) as the output type")
  }

  private func checkBlocks(
    _ type: TensorType, _ bytes: UnsafeRawBufferPointer, _ work: Work, firstRow: Int = 0
  ) throws {
    guard let block = BlockQuantizer.firstInvalidBlock(type, bytes: bytes) else { return }
    let blocksPerRow = max(1, work.tensor.rowLength / type.blockLength)
    throw ConversionError(
      .scaleOverflow,
      Fault(
        file: plan.sourceFiles[work.origin.file].path,
        subject: place(work, row: firstRow + block / blocksPerRow),
        expected: "block scales within the range of f16 (65504)",
        found: "block \(block % blocksPerRow) of the row with a scale that is not finite as \(type.name)",
        remedy: "the weights are too large or damaged; store this tensor as bf16 or f32 with --tensor-type"))
  }

  /// The error for a value that is not finite, in the rows from `row` on.
  private func refusal(of bad: BadValue, _ work: Work, row: Int) -> ConversionError {
    let remedy = "the checkpoint is damaged; fetch this shard again or report it to the model's authors"
    switch bad.origin {
    case .source:
      return ConversionError(
        .nonFiniteWeight,
        Fault(
          file: plan.sourceFiles[work.origin.file].path,
          subject: "\(work.origin.name) -> \(place(work, row: row + bad.row))",
          expected: "finite weights", found: "\(bad.value) in \(sourcePlace(work, of: bad, row: row))",
          remedy: remedy))
    case .operation:
      return outOfRange(
        bad.value, work, row: row + bad.row, column: bad.column, type: .f32, remedy: remedy)
    }
  }

  /// Where a bad value is in the source, as far as the row of the output does not say it.
  private func sourcePlace(_ work: Work, of bad: BadValue, row: Int) -> String {
    guard case .columns = work.run.order else { return "column \(bad.column)" }
    let place = work.run.sourcePlace(
      row: work.tile.offsetInRun + row + bad.row, column: bad.column, rowLength: work.tensor.rowLength)
    return "row \(place.row), column \(place.column) of \(work.origin.name)"
  }

  private func outOfRange(
    _ value: Float, _ work: Work, row: Int, column: Int, type: TensorType, remedy: String
  ) -> ConversionError {
    let limit = type == .f16 ? "65504" : "3.4e38"
    return ConversionError(
      .valueOutOfRange,
      Fault(
        file: plan.sourceFiles[work.origin.file].path,
        subject: "\(work.origin.name) -> \(place(work, row: row))",
        expected: "weights of at most \(limit), the largest \(type.name)",
        found: "\(value) in column \(column)",
        remedy: remedy))
  }

  /// The name of a tensor's row, counted from the first one of the tile.
  private func place(_ work: Work, row: Int) -> String {
    let tensor = work.tensor
    let row = work.tile.firstRow + row
    guard tensor.ggmlShape.count > 2 else { return "\(tensor.name), row \(row)" }
    return "\(tensor.name), expert \(row / tensor.rowsPerMatrix), row \(row % tensor.rowsPerMatrix)"
  }
}

/// Where importance weights come from during a run.
package protocol ImportanceSource: Sendable {
  /// The weights of one matrix (expert) of a tensor, `rowLength` values; `nil` when there are none.
  func weights(tensor: String, matrix: Int, rowLength: Int) throws -> [Float]?
}
