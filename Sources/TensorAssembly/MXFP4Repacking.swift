internal import BlockQuantization
package import TensorTypes

/// Makes MXFP4 blocks of the codes and exponents of a checkpoint, bit for bit.
///
/// A checkpoint keeps 32 codes of a row in 16 bytes, of which byte i holds codes 2i (low) and 2i + 1 (high), and the
/// exponent of all 32 in another tensor. A block of a GGUF is the exponent and then 16 bytes, of which byte j holds
/// codes j (low) and j + 16 (high). Both count codes and exponents alike, so that no value changes.
package enum MXFP4Repacking {
  /// Whether rows of a run become blocks by moving bits alone.
  ///
  /// - Parameters:
  ///   - run: The run.
  ///   - feed: The feed it is part of.
  ///   - encoding: How its source encodes values.
  ///   - scaleType: The type of the scales that are read with the rows; `nil` without such.
  /// - Returns: Whether ``repack(_:of:from:rowLength:into:)`` can be used.
  package static func applies(
    to run: RowRun, of feed: TensorFeed, encoding: SourceEncoding, scaleType: ElementType?
  ) -> Bool {
    guard encoding == .codes(.e2m1), scaleType == .f8E8M0, run.hasScalesByRow, let scale = run.scale else {
      return false
    }
    return scale.blockColumns == TensorType.mxfp4.blockLength && scale.common == nil
      && feed.operation == .identity && feed.columns == .identity
  }

  /// Writes the blocks of rows.
  ///
  /// - Parameters:
  ///   - rows: Output rows, counted from the first one of the run.
  ///   - run: A run for which ``applies(to:of:encoding:scaleType:)`` holds.
  ///   - source: Bytes and scales that hold every source row of these.
  ///   - rowLength: Values per row, a multiple of 32.
  ///   - target: Receives exactly the blocks of the rows.
  package static func repack(
    _ rows: Range<Int>, of run: RowRun, from source: StoredRows, rowLength: Int,
    into target: UnsafeMutableRawBufferPointer
  ) {
    guard case .rows(let stored) = source.layout, let scales = source.scales else {
      preconditionFailure("rows with their scales")
    }
    let blockCount = rowLength / TensorType.mxfp4.blockLength
    let size = TensorType.mxfp4.blockByteCount
    precondition(target.count == rows.count * blockCount * size, "the blocks of all rows")
    for (index, offset) in rows.enumerated() {
      let row = run.sourceRow(at: offset)
      let exponents = scales.bytes(ofRows: row..<(row + 1), count: blockCount)
      let codes = (row - stored) * blockCount * 16
      for block in 0..<blockCount {
        let from = codes + block * 16
        let to = (index * blockCount + block) * size
        target[to] = exponents[block]
        for byte in 0..<8 {
          let (first, second) = (source.bytes[from + byte], source.bytes[from + byte + 8])
          target[to + 1 + 2 * byte] = first & 0x0F | second << 4
          target[to + 2 + 2 * byte] = first >> 4 | second & 0xF0
        }
      }
    }
  }
}
