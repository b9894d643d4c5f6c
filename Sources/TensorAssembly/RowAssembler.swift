internal import BlockQuantization
package import TensorTypes

/// Makes output rows of source bytes: the one place that carries out what a `TensorFeed` says.
///
/// Converting, comparing with a source and running a checkpoint all read their values here. The steps are those of
/// the feed, in this order: choice of rows, decoding to f32, scales, order of columns, operation. One per thread,
/// with buffers of its own.
package struct RowAssembler: ~Copyable {
  /// Two areas of f32 values, a few rows at a time, sized to stay in the second-level cache.
  let values: UnsafeMutableBufferPointer<Float>
  let shuffled: UnsafeMutableBufferPointer<Float>

  /// f32 values assembled at a time: 128 KiB, half of a common second-level cache with room for the rest.
  package static let valuesPerStep = 32 * 1024

  /// The rows of `rowLength` values that one call may ask for.
  package static func rowsPerStep(rowLength: Int) -> Int { max(1, valuesPerStep / max(1, rowLength)) }

  /// The values of one step: a single row may be longer than a step.
  package static func capacity(longestRow: Int) -> Int { max(valuesPerStep, longestRow) }

  /// Bytes that an assembler holds.
  package static func byteCount(longestRow: Int) -> Int {
    2 * capacity(longestRow: longestRow) * MemoryLayout<Float>.stride
  }

  /// Reserves buffers for rows of at most `longestRow` values.
  package init(longestRow: Int) {
    values = .allocate(capacity: Self.capacity(longestRow: longestRow))
    shuffled = .allocate(capacity: Self.capacity(longestRow: longestRow))
  }

  deinit {
    values.deallocate()
    shuffled.deallocate()
  }

  /// Assembles rows of one run.
  ///
  /// - Parameters:
  ///   - rows: Output rows, counted from the first one of the run; at most ``rowsPerStep(rowLength:)``.
  ///   - run: The run, one of those of `feed`.
  ///   - feed: What is done with the rows.
  ///   - source: Bytes that hold every source row of these.
  ///   - rowLength: Values per row.
  ///   - scales: The scales that runs refer to.
  /// - Returns: The values, valid until the next call.
  /// - Throws: ``BadValue`` for a value that is not finite.
  package func assemble(
    _ rows: Range<Int>, of run: RowRun, in feed: TensorFeed, from source: StoredRows, rowLength: Int,
    scales: ScaleTable
  ) throws(BadValue) -> UnsafeMutableBufferPointer<Float> {
    let chunk = UnsafeMutableBufferPointer(rebasing: values[0..<(rows.count * rowLength)])
    if case .columns(let firstElement, let stride, let step) = run.order {
      if case .rows(let stored) = source.layout {
        let made = step == 1 ? rows.count : 1
        for index in Swift.stride(from: 0, to: rows.count, by: made) {
          let first = (rows.lowerBound + index - stored) * step
          decodeRows(
            first..<(first + made), of: source, rowLength: rowLength,
            into: UnsafeMutableBufferPointer(
              rebasing: chunk[(index * rowLength)..<((index + made) * rowLength)]))
        }
      } else {
        decodeColumns(rows, from: source, rowLength: rowLength, into: chunk)
      }
      if let scale = run.scale {
        for (index, offset) in rows.enumerated() {
          scales.apply(
            scale, column: firstElement % stride + offset * step, firstRow: firstElement / stride,
            rowLength: stride,
            to: Self.row(index, of: chunk, rowLength: rowLength))
        }
      }
    } else {
      decodeRows(rows, of: run, from: source, rowLength: rowLength, into: chunk)
      if let scale = run.scale {
        for (index, offset) in rows.enumerated() {
          let row = run.sourceRow(at: offset)
          let values = Self.row(index, of: chunk, rowLength: rowLength)
          if let stored = source.scales {
            apply(scale, stored, row: row, to: values, common: scales)
          } else {
            scales.apply(scale, row: row, to: values)
          }
        }
      }
    }
    if let bad = FloatConversion.firstNonFinite(UnsafeBufferPointer(chunk)) {
      throw BadValue(chunk, at: bad, rowLength: rowLength, .source)
    }
    let ordered = reorder(chunk, feed.columns, rowLength: rowLength)
    switch feed.operation {
    case .identity: return ordered
    case .addOne: FloatConversion.addOne(ordered)
    case .negateExponential: FloatConversion.negateExponential(ordered)
    }
    // Only the operation can have made an infinity of what was finite above.
    if let bad = FloatConversion.firstNonFinite(UnsafeBufferPointer(ordered)) {
      throw BadValue(ordered, at: bad, rowLength: rowLength, .operation)
    }
    return ordered
  }

  /// Multiplies one source row by the scales that were read with it.
  private func apply(
    _ scale: BlockScale, _ stored: StoredRows.Scales, row: Int, to values: UnsafeMutableBufferPointer<Float>,
    common: ScaleTable
  ) {
    let count = scale.countPerRow(rowLength: values.count)
    // Free until columns are reordered; a row has no more scales than values.
    let factors = UnsafeMutableBufferPointer(rebasing: shuffled[0..<count])
    FloatConversion.widen(
      stored.type, bytes: stored.bytes(ofRows: row..<(row + 1), count: count), into: factors)
    common.complete(factors, of: scale)
    guard let biases = stored.biases(ofRows: row..<(row + 1), count: count) else {
      for (block, factor) in factors.enumerated() {
        let first = block * scale.blockColumns
        for column in first..<min(first + scale.blockColumns, values.count) { values[column] *= factor }
      }
      return
    }
    precondition(2 * count <= shuffled.count, "groups of several values")
    let offsets = UnsafeMutableBufferPointer(rebasing: shuffled[count..<(2 * count)])
    FloatConversion.widen(stored.type, bytes: biases, into: offsets)
    for block in 0..<count {
      let first = block * scale.blockColumns
      let (factor, offset) = (factors[block], offsets[block])
      for column in first..<min(first + scale.blockColumns, values.count) {
        values[column] = values[column] * factor + offset
      }
    }
  }

  private static func row(
    _ index: Int, of chunk: UnsafeMutableBufferPointer<Float>, rowLength: Int
  ) -> UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(rebasing: chunk[(index * rowLength)..<((index + 1) * rowLength)])
  }

  /// Decodes rows that are rows of the source, in the order of the run.
  private func decodeRows(
    _ rows: Range<Int>, of run: RowRun, from source: StoredRows, rowLength: Int,
    into chunk: UnsafeMutableBufferPointer<Float>
  ) {
    guard case .rows(let stored) = source.layout else { preconditionFailure("bytes of whole source rows") }
    if case .identity = run.order {
      let first = run.firstRow + rows.lowerBound - stored
      decodeRows(first..<(first + rows.count), of: source, rowLength: rowLength, into: chunk)
    } else {
      for (index, offset) in rows.enumerated() {
        let row = run.sourceRow(at: offset) - stored
        decodeRows(
          row..<(row + 1), of: source, rowLength: rowLength,
          into: Self.row(index, of: chunk, rowLength: rowLength))
      }
    }
  }

  /// Decodes rows that follow each other, counted from the first one in memory.
  private func decodeRows(
    _ rows: Range<Int>, of source: StoredRows, rowLength: Int, into chunk: UnsafeMutableBufferPointer<Float>
  ) {
    let rowBytes = source.encoding.byteCount(ofElements: rowLength)
    let bytes = UnsafeRawBufferPointer(
      rebasing: source.bytes[(rows.lowerBound * rowBytes)..<(rows.upperBound * rowBytes)])
    decode(bytes, source.encoding, rowLength: rowLength, into: chunk)
  }

  private func decode(
    _ bytes: UnsafeRawBufferPointer, _ encoding: SourceEncoding, rowLength: Int,
    into chunk: UnsafeMutableBufferPointer<Float>
  ) {
    switch encoding {
    case .element(let type): FloatConversion.widen(type, bytes: bytes, into: chunk)
    case .block(let type): BlockQuantizer.dequantize(type, bytes: bytes, rowLength: rowLength, into: chunk)
    case .codes(let codes): codes.decode(bytes, into: chunk)
    }
  }

  private func reorder(
    _ chunk: UnsafeMutableBufferPointer<Float>, _ columns: ColumnOrder, rowLength: Int
  ) -> UnsafeMutableBufferPointer<Float> {
    guard case .blocks(let width, let order) = columns else { return chunk }
    let target = UnsafeMutableBufferPointer(rebasing: shuffled[0..<chunk.count])
    for rowStart in stride(from: 0, to: chunk.count, by: rowLength) {
      for (block, from) in order.enumerated() {
        let to = rowStart + block * width
        let start = rowStart + from * width
        for column in 0..<width { target[to + column] = chunk[start + column] }
      }
    }
    return target
  }
}
