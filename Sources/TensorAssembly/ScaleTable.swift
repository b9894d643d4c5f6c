internal import BlockQuantization
package import TensorTypes

/// The block scales of an fp8 checkpoint, read before the weights they belong to.
///
/// One f32 value per 128 x 128 weights: 9 MB for 35 billion weights.
package struct ScaleTable: Sendable {
  private var values: [Int: [Float]] = [:]

  /// Creates a table without scales.
  package init() {}

  /// The source tensors that hold the scales of some feeds.
  package static func sources(of feeds: some Sequence<TensorFeed>) -> Set<Int> {
    var result: Set<Int> = []
    for feed in feeds {
      for run in feed.runs { if let scale = run.scale { result.insert(scale.source) } }
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

  /// Multiplies one source row by the scales of its blocks.
  func apply(_ scale: BlockScale, row: Int, to chunk: UnsafeMutableBufferPointer<Float>) {
    guard let table = values[scale.source] else { return }
    var column = 0
    while column < chunk.count {
      let end = min(chunk.count, column + scale.blockColumns)
      let factor = table[scale.index(row: row, column: column, rowLength: chunk.count)]
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
      let factor = table[scale.index(row: row, column: column, rowLength: rowLength)]
      for index in position..<end { chunk[index] *= factor }
      position = end
    }
  }
}
