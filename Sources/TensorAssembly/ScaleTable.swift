internal import BlockQuantization
package import TensorTypes

/// Scales that are read before the weights they belong to: those of blocks of rows, and those of whole tensors.
///
/// One f32 value per 128 x 128 weights: 9 MB for 35 billion weights. Scales that each row has of its own are read with
/// the rows where possible, and else kept here in the type that they have.
package struct ScaleTable: Sendable {
  private var values: [Int: [Float]] = [:]
  /// Scales by row as they are stored, of sources that cannot be read row by row.
  private var rows: [Int: StoredBytes] = [:]

  /// Bytes that are never changed.
  private final class StoredBytes: @unchecked Sendable {
    let type: ElementType
    let bytes: UnsafeRawBufferPointer

    init(_ type: ElementType, copying source: UnsafeRawBufferPointer) {
      self.type = type
      let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: source.count, alignment: 64)
      copy.copyMemory(from: source)
      bytes = UnsafeRawBufferPointer(copy)
    }

    deinit { bytes.deallocate() }
  }

  /// Creates a table without scales.
  package init() {}

  /// The source tensors that hold the scales of some feeds.
  ///
  /// - Parameters:
  ///   - feeds: The feeds.
  ///   - isReadByRow: Whether the scales of a run are read with its rows.
  /// - Returns: Their indices, and those of scales of scales.
  package static func sources(of feeds: some Sequence<TensorFeed>, isReadByRow: (RowRun) -> Bool) -> Set<Int>
  {
    var result: Set<Int> = []
    for feed in feeds {
      for run in feed.runs {
        guard let scale = run.scale else { continue }
        if !isReadByRow(run) { result.formUnion([scale.source, scale.bias].compactMap(\.self)) }
        if let common = scale.common { result.insert(common.source) }
      }
    }
    return result
  }

  /// Adds the scales of one source tensor.
  ///
  /// - Throws: ``BadValue`` for a scale that is not finite; its column is the index in the tensor.
  package mutating func add(source index: Int, encoding: SourceEncoding, bytes: UnsafeRawBufferPointer)
    throws(BadValue)
  {
    guard case .element(let type) = encoding, FloatConversion.canWiden(type) else { return }
    let number = bytes.count * 8 / type.bitCount
    let scales = [Float](unsafeUninitializedCapacity: number) { buffer, count in
      FloatConversion.widen(
        type, bytes: bytes, into: UnsafeMutableBufferPointer(rebasing: buffer[0..<number]))
      count = number
    }
    if let bad = scales.firstIndex(where: { !$0.isFinite }) {
      throw BadValue(value: scales[bad], row: 0, column: bad)
    }
    values[index] = scales
  }

  /// Keeps the scales by row of one source tensor as they are stored.
  package mutating func addRows(source index: Int, type: ElementType, bytes: UnsafeRawBufferPointer) {
    rows[index] = StoredBytes(type, copying: bytes)
  }

  /// The scales by row that are kept for a run; valid as long as the table.
  package func rows(of run: RowRun) -> StoredRows.Scales? {
    guard run.hasScalesByRow, let scale = run.scale, let stored = rows[scale.source] else { return nil }
    return StoredRows.Scales(
      type: stored.type, bytes: stored.bytes, biases: scale.bias.flatMap { rows[$0]?.bytes })
  }

  /// A scale with what all scales of its tensor are multiplied with or divided by.
  private func completed(_ factor: Float, of scale: BlockScale) -> Float {
    guard let common = scale.common, let value = values[common.source]?.first else { return factor }
    return common.divides ? factor / value : factor * value
  }

  /// Multiplies or divides scales by the one that they share.
  func complete(_ factors: UnsafeMutableBufferPointer<Float>, of scale: BlockScale) {
    guard let common = scale.common, let value = values[common.source]?.first else { return }
    for index in factors.indices {
      factors[index] = common.divides ? factors[index] / value : factors[index] * value
    }
  }

  /// Multiplies one source row by the scales of its blocks.
  func apply(_ scale: BlockScale, row: Int, to chunk: UnsafeMutableBufferPointer<Float>) {
    guard let table = values[scale.source] else { return }
    var column = 0
    while column < chunk.count {
      let end = min(chunk.count, column + scale.blockColumns)
      let factor = completed(table[scale.index(row: row, column: column, rowLength: chunk.count)], of: scale)
      for position in column..<end { chunk[position] *= factor }
      column = end
    }
  }

  /// Multiplies values of one source column by the scales of their blocks.
  ///
  /// - Parameters:
  ///   - scale: The scales.
  ///   - column: The column.
  ///   - firstRow: The source row of the first value.
  ///   - rowLength: Values per source row.
  ///   - chunk: The values, from top to bottom.
  func apply(
    _ scale: BlockScale, column: Int, firstRow: Int, rowLength: Int,
    to chunk: UnsafeMutableBufferPointer<Float>
  ) {
    guard let table = values[scale.source] else { return }
    var position = 0
    while position < chunk.count {
      let row = firstRow + position
      let within = row % scale.matrixRows
      // Blocks end with their matrix, however many rows they have by then.
      let blockEnd = min((within / scale.blockRows + 1) * scale.blockRows, scale.matrixRows)
      let end = min(chunk.count, position + blockEnd - within)
      let factor = completed(table[scale.index(row: row, column: column, rowLength: rowLength)], of: scale)
      for index in position..<end { chunk[index] *= factor }
      position = end
    }
  }
}
