internal import BlockQuantization
internal import TensorTypes

extension RowAssembler {
  /// Values of a column that are moved before they are decoded.
  private static let valuesPerMove = 256
  /// Columns that are moved at a time: a cache line of 16-bit values.
  private static let columnsPerMove = 32

  /// Decodes rows that are columns of the source.
  ///
  /// Values are moved in the type that they have, a few columns at a time, and then decoded as those of any other
  /// row: the bits of a value do not depend on how its source lies.
  func decodeColumns(
    _ rows: Range<Int>, from source: StoredRows, rowLength: Int, into chunk: UnsafeMutableBufferPointer<Float>
  ) {
    let size = source.encoding.columnValueByteCount
    guard case .columns(let pitch, let step) = source.layout, case .element(let type) = source.encoding
    else {
      preconditionFailure("bytes of source columns")
    }
    // Free until columns are reordered, and larger than what is moved at a time.
    let moved = UnsafeMutableRawBufferPointer(shuffled)
    for first in stride(from: 0, to: rowLength, by: Self.valuesPerMove) {
      let count = min(Self.valuesPerMove, rowLength - first)
      // Columns between those that are wanted are moved with them.
      let columnsPerMove = max(1, Self.columnsPerMove / step)
      for index in stride(from: 0, to: rows.count, by: columnsPerMove) {
        let width = min(columnsPerMove, rows.count - index)
        let start = (first * pitch + (rows.lowerBound + index) * step) * size
        ElementMatrix.transpose(
          elementByteCount: size, UnsafeRawBufferPointer(rebasing: source.bytes[start...]), pitch: pitch,
          rows: count, columns: RowRun.span(width, step: step), into: moved, pitch: count)
        for column in 0..<width {
          let target = (index + column) * rowLength + first
          FloatConversion.widen(
            type,
            bytes: UnsafeRawBufferPointer(
              rebasing: moved[(column * step * count * size)..<((column * step + 1) * count * size)]),
            into: UnsafeMutableBufferPointer(rebasing: chunk[target..<(target + count)]))
        }
      }
    }
  }
}
