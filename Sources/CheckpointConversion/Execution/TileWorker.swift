internal import BlockQuantization
internal import FileBytes
internal import TensorAssembly
internal import TensorTypes

/// Turns source bytes of a tile into stored bytes in every form that is wanted; one per thread, with buffers of its own.
struct TileWorker: ~Copyable {
  /// What became of a tile in one form.
  struct Outcome {
    /// The form, and who wants it.
    var demand: Tile.Demand
    /// The bytes, valid until the next tile.
    var bytes: UnsafeRawBufferPointer
    /// What became zeros.
    var losses = RowLosses()
    /// A ``ConversionError`` for a NaN, an infinity, a weight or a scale outside its type, naming tensor, expert and row;
    /// the bytes are of no use then.
    var failure: (any Error)?
  }

  let union: WorkUnion
  private let scales: ScaleTable
  /// Room for the source bytes of a tile.
  let source: UnsafeMutableRawBufferPointer
  /// Source bytes of the tile in work.
  private var bytes: UnsafeRawBufferPointer
  /// Bytes that the first source byte is aligned to.
  static let alignment = 64
  /// Stored bytes of the tile in work, form after form.
  private let output: UnsafeMutableRawBufferPointer
  /// Makes f32 values, a few rows at a time.
  private let assembler: RowAssembler
  /// The same rows in 16 bits, where the two-step conversion rounds.
  private let narrowed: UnsafeMutableRawBufferPointer
  /// One number per block of the rows in work, see `BlockChecks.reach`.
  private let reaches: UnsafeMutableBufferPointer<Float>
  /// Whether weights beyond the range of their type are an error; otherwise they become infinities.
  var refusesOverflow = true
  /// The values that the assembler holds; `nil` when they are of no use for another form.
  private var held: HeldRows?
  /// Importance weights by the index of the form.
  private var weights: [Int: MatrixWeights] = [:]

  /// Values of some rows of a tile.
  private struct HeldRows {
    var rows: Range<Int>
    /// The type that they are rounded to.
    var rounding: TensorType?
    /// Whether all are known to be finite.
    var areFinite: Bool
    var values: UnsafeMutableBufferPointer<Float>
  }

  /// Importance weights of one matrix.
  private struct MatrixWeights {
    var tensor: Int
    var matrix: Int
    var values: [Float]?
  }

  /// Bytes that a worker holds.
  ///
  /// - Parameters:
  ///   - source: Source bytes of a tile.
  ///   - output: Stored bytes of a tile in all forms.
  ///   - longestRow: Values of a row.
  ///   - weightedFormCount: Forms of a tensor that importance data take part in.
  /// - Returns: The sum of all buffers.
  static func byteCount(source: Int, output: Int, longestRow: Int, weightedFormCount: Int) -> Int {
    let values = RowAssembler.capacity(longestRow: longestRow)
    return source + output + RowAssembler.byteCount(longestRow: longestRow) + 2 * values
      + (reachCount(values) + weightedFormCount * longestRow) * MemoryLayout<Float>.stride
  }

  /// Blocks of at least 32 values, the last one shorter.
  private static func reachCount(_ valueCount: Int) -> Int { valueCount / BlockChecks.floatBlockLength + 1 }

  init(_ union: WorkUnion, scales: ScaleTable, sourceByteCount: Int, outputByteCount: Int) {
    self.union = union
    self.scales = scales
    let longestRow = union.longestRow
    source = .allocate(byteCount: max(sourceByteCount, 1), alignment: Self.alignment)
    bytes = UnsafeRawBufferPointer(source)
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

  /// Computes the stored bytes of a tile.
  ///
  /// - Parameters:
  ///   - tile: The rows.
  ///   - bytes: Their source bytes, aligned to ``alignment``, with the scales at their place behind them.
  ///   - isWanted: Whether anybody still wants a form.
  /// - Returns: What became of each form that is wanted.
  mutating func process(
    _ tile: Tile, from bytes: UnsafeRawBufferPointer, isWanted: (Tile.Demand) -> Bool
  ) -> [Outcome] {
    self.bytes = bytes
    let tensor = union.tensors[tile.tensor]
    let places = tensor.formPlaces(rows: tile.rowCount)
    held = nil
    var outcomes: [Outcome] = []
    // Forms that are made of values, with their places among the outcomes.
    var works: [(work: TileWork, outcome: Int)] = []
    for demand in tile.demands where isWanted(demand) {
      let form = tensor.forms[demand.form]
      let start = places.starts[demand.form]
      let stored = UnsafeMutableRawBufferPointer(
        rebasing: output[start..<(start + tile.rowCount * form.planned.rowByteCount)])
      guard case .feed(let feed) = form.planned.content else {
        if case .values(let computed) = form.planned.content {
          computed.withUnsafeBytes { stored.copyMemory(from: $0) }
        }
        outcomes.append(Outcome(demand: demand, bytes: UnsafeRawBufferPointer(stored)))
        continue
      }
      let work = TileWork(union, tile: tile, demand: demand, feed: feed, stored: stored)
      if let copied = copy(work) {
        let failure = Result { try work.checkBlocks(copied) }.failure
        outcomes.append(Outcome(demand: demand, bytes: copied, failure: failure))
      } else {
        works.append((work, outcomes.count))
        outcomes.append(Outcome(demand: demand, bytes: UnsafeRawBufferPointer(stored)))
      }
    }
    let rowsPerMatrix = tensor.common.rowsPerMatrix
    let step = RowAssembler.rowsPerStep(rowLength: tensor.common.rowLength)
    var row = 0
    while row < tile.rowCount, works.contains(where: { outcomes[$0.outcome].failure == nil }) {
      // A step stays inside one matrix, since each expert has importance weights of its own.
      let absolute = tile.firstRow + row
      let matrixEnd = (absolute / rowsPerMatrix + 1) * rowsPerMatrix
      let rows = row..<(row + min(step, tile.rowCount - row, matrixEnd - absolute))
      for (work, outcome) in works where outcomes[outcome].failure == nil {
        do {
          let losses = try store(rows, work)
          outcomes[outcome].losses += losses
        } catch {
          held = nil
          outcomes[outcome].failure = error
        }
      }
      row = rows.upperBound
    }
    return outcomes
  }

  /// Rows whose bytes are those of the source, or a new order of their bits; `nil` for all others.
  private func copy(_ work: TileWork) -> UnsafeRawBufferPointer? {
    guard work.tensor.groups == nil else { return nil }
    if case .block(let type) = work.origin.encoding, type == work.tensor.type {
      return UnsafeRawBufferPointer(rebasing: bytes[0..<work.stored.count])
    }
    guard work.tensor.type == .mxfp4,
      MXFP4Repacking.applies(
        to: work.run, of: work.feed, encoding: work.origin.encoding, scaleType: storedRows(work).scales?.type)
    else { return nil }
    MXFP4Repacking.repack(
      work.tile.offsetInRun..<(work.tile.offsetInRun + work.tile.rowCount), of: work.run,
      from: storedRows(work), rowLength: work.tensor.rowLength, into: work.stored)
    return UnsafeRawBufferPointer(work.stored)
  }

  /// Stores some rows of a form and looks at what became of them.
  ///
  /// - Parameters:
  ///   - rows: The rows, counted from the first one of the tile; those of one matrix.
  ///   - work: The tile.
  /// - Returns: The rows that became zeros.
  /// - Throws: ``ConversionError`` for values that the type cannot hold, errors of reading importance data.
  private mutating func store(_ rows: Range<Int>, _ work: TileWork) throws -> RowLosses {
    let tensor = work.tensor
    let chunk = try values(rows, work)
    if let groups = tensor.groups {
      return try store(chunk, rows: rows, in: groups, work)
    }
    let target = UnsafeMutableRawBufferPointer(
      rebasing: work.stored[(rows.lowerBound * tensor.rowByteCount)..<(rows.upperBound * tensor.rowByteCount)]
    )
    let matrix = (work.tile.firstRow + rows.lowerBound) / tensor.rowsPerMatrix
    if let qw = try importanceWeights(work, matrix: matrix) {
      qw.withUnsafeBufferPointer {
        BlockQuantizer.quantize(
          tensor.type, rows: chunk, rowLength: tensor.rowLength, importance: $0, into: target)
      }
    } else {
      BlockQuantizer.quantize(
        tensor.type, rows: chunk, rowLength: tensor.rowLength, importance: nil, into: target)
    }
    return work.mayLose
      ? try check(UnsafeRawBufferPointer(target), chunk, work, row: rows.lowerBound) : RowLosses()
  }

  /// The weights of a form's matrix; `nil` when all columns weigh alike.
  private mutating func importanceWeights(_ work: TileWork, matrix: Int) throws -> [Float]? {
    guard let importance = work.importance, let name = work.tensor.importanceName else { return nil }
    if let known = weights[work.form], known.tensor == work.tile.tensor, known.matrix == matrix {
      return known.values
    }
    // The old ones go first, so that there is room for one row per form.
    weights[work.form] = nil
    let values = try importance.weights(tensor: name, matrix: matrix, rowLength: work.tensor.rowLength)
    weights[work.form] = MatrixWeights(tensor: work.tile.tensor, matrix: matrix, values: values)
    return values
  }

  /// Rows as f32 values in output order, transformed, checked, and rounded as the form wants them.
  ///
  /// Where the rows were assembled for another form they are used again.
  ///
  /// - Parameters:
  ///   - rows: The rows, counted from the first one of the tile.
  ///   - work: The tile.
  /// - Returns: The values, valid until the next call.
  /// - Throws: ``ConversionError`` for values that are not finite, or not in the range of the type in between.
  private mutating func values(_ rows: Range<Int>, _ work: TileWork) throws -> UnsafeBufferPointer<Float> {
    var found: HeldRows
    if let held, held.rows == rows, held.rounding == nil || held.rounding == work.rounding {
      found = held
    } else {
      found = HeldRows(
        rows: rows, areFinite: true, values: try load(work, row: rows.lowerBound, count: rows.count))
    }
    if let type = work.rounding {
      if found.rounding == nil {
        round(found.values, to: type)
        found.rounding = type
        found.areFinite = false
      }
      // Where the output has the same type, its blocks are looked at anyway.
      if refusesOverflow, type != work.tensor.type || work.tensor.groups != nil, !found.areFinite {
        try refuseInfinities(found.values, roundedTo: type, work, row: rows.lowerBound)
        found.areFinite = true
      }
    }
    held = found
    return UnsafeBufferPointer(found.values)
  }

  /// Assembles `count` rows, as they are before they are rounded; what was held before is gone.
  private mutating func load(_ work: TileWork, row: Int, count: Int) throws -> UnsafeMutableBufferPointer<
    Float
  > {
    held = nil
    let rows = (work.tile.offsetInRun + row)..<(work.tile.offsetInRun + row + count)
    do {
      return try assembler.assemble(
        rows, of: work.run, in: work.feed, from: storedRows(work), rowLength: work.tensor.rowLength,
        scales: scales)
    } catch {
      throw work.refusal(of: error, row: row)
    }
  }

  /// The source rows of a tile, with their scales.
  private func storedRows(_ work: TileWork) -> StoredRows {
    let first = work.tile.firstSourceRow
    return StoredRows(
      encoding: work.origin.encoding, bytes: bytes, layout: .rows(first: first),
      scales: work.tile.scales.map { scales in
        func values(at place: Int) -> UnsafeRawBufferPointer {
          UnsafeRawBufferPointer(rebasing: bytes[place..<(place + scales.byteCount)])
        }
        return StoredRows.Scales(
          type: scales.type, bytes: values(at: scales.place),
          biases: scales.biases == nil ? nil : values(at: scales.biasPlace), firstRow: first)
      } ?? scales.rows(of: work.run))
  }

  /// Rounds values to 16 bits: the 16-bit file of a two-step conversion would hold rounded values; so does this path.
  private func round(_ chunk: UnsafeMutableBufferPointer<Float>, to type: TensorType) {
    let bytes = UnsafeMutableRawBufferPointer(rebasing: narrowed[0..<(chunk.count * 2)])
    if type == .bf16 {
      FloatConversion.narrowToBF16(UnsafeBufferPointer(chunk), into: bytes)
      FloatConversion.widen(.bf16, bytes: UnsafeRawBufferPointer(bytes), into: chunk)
    } else {
      FloatConversion.narrowToF16(UnsafeBufferPointer(chunk), into: bytes)
      FloatConversion.widen(.f16, bytes: UnsafeRawBufferPointer(bytes), into: chunk)
    }
  }

  /// Names the first of some rounded values that became an infinity.
  private mutating func refuseInfinities(
    _ chunk: UnsafeMutableBufferPointer<Float>, roundedTo type: TensorType, _ work: TileWork, row: Int
  ) throws {
    guard let bad = FloatConversion.firstNonFinite(UnsafeBufferPointer(chunk)) else { return }
    let place = row + bad / work.tensor.rowLength
    let column = bad % work.tensor.rowLength
    let value = try load(work, row: place, count: 1)[column]
    throw work.outOfRange(
      value, row: place, column: column, type: type,
      remedy: work.tensor.groups != nil
        ? "choose bf16 or f32 with \(.outputType)"
        : "the checkpoint mixes types, and \(type.name) of most matrices is in between; convert it with "
          + "\(.outputType) bf16 first and quantize that with pouch-quantize")
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
  private mutating func check(
    _ stored: UnsafeRawBufferPointer, _ chunk: UnsafeBufferPointer<Float>, _ work: TileWork, row: Int
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
        try work.checkBlocks(bytes, firstRow: row + first)
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
  mutating func contents(
    ofLostRow index: Int, _ chunk: UnsafeBufferPointer<Float>, _ work: TileWork, row: Int
  )
    throws
    -> RowLosses
  {
    let length = work.tensor.rowLength
    // Rounding to 16 bits may have made the zeros; then the row is decoded again, and `chunk` is not used any more.
    let values =
      work.rounding == nil
      ? UnsafeBufferPointer(rebasing: chunk[(index * length)..<((index + 1) * length)])
      : UnsafeBufferPointer(try load(work, row: row + index, count: 1))
    let largest = values.reduce(Float(0)) { max($0, $1.magnitude) }
    return largest > 0 ? RowLosses(lost: 1, empty: 0, largest: largest) : RowLosses(lost: 0, empty: 1)
  }

  /// Names the first value or scale of some rows that the type cannot hold.
  private mutating func refuseOverflow(
    _ bytes: UnsafeRawBufferPointer, _ work: TileWork, firstRow: Int
  ) throws {
    guard refusesOverflow else { return }
    let tensor = work.tensor
    guard !tensor.type.isQuantized else {
      return try work.checkBlocks(bytes, firstRow: firstRow)
    }
    guard let bad = BlockQuantizer.firstInvalidBlock(tensor.type, bytes: bytes) else { return }
    let place = firstRow + bad / tensor.rowLength
    let column = bad % tensor.rowLength
    let value = try load(work, row: place, count: 1)[column]
    let others = tensor.type == .bf16 ? "f32" : "bf16 or f32"
    throw work.outOfRange(
      value, row: place, column: column, type: tensor.type,
      // Mixes of float types take no rules for single tensors.
      remedy: work.takesRules
        ? "store this tensor as \(others) with \(.tensorTypeRules)" : "choose \(others) as the output type")
  }
}

extension Result where Success == Void {
  /// The error; `nil` after success.
  fileprivate var failure: Failure? { if case .failure(let error) = self { error } else { nil } }
}

/// Where importance weights come from during a run.
package protocol ImportanceSource: Sendable {
  /// The weights of one matrix (expert) of a tensor, `rowLength` values; `nil` when there are none.
  func weights(tensor: String, matrix: Int, rowLength: Int) throws -> [Float]?
  /// What tells these data from others: sources of one identity have the same weights for tensors of the same type.
  var identity: String { get }
}
