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
}
