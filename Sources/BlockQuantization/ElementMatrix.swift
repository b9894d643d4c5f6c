internal import CQuantKernels

/// Moves elements of matrices, whatever they mean.
package enum ElementMatrix {
  /// True when elements of so many bytes can be moved.
  package static func canMove(byteCount: Int) -> Bool { [1, 2, 4, 8].contains(byteCount) }

  /// Writes the columns of a matrix as rows, bit for bit.
  ///
  /// - Parameters:
  ///   - elementByteCount: Bytes of an element, for which ``canMove(byteCount:)`` holds.
  ///   - source: The matrix, from its first element on, in any alignment; there may be more bytes than it has.
  ///   - sourcePitch: Elements from the start of one row to that of the next, at least `columns`.
  ///   - rows: Rows of the source: elements of a row of the target.
  ///   - columns: Columns of the source: rows of the target.
  ///   - target: Receives the rows, from the first element on.
  ///   - targetPitch: Elements from the start of one row of the target to that of the next, at least `rows`.
  package static func transpose(
    elementByteCount: Int, _ source: UnsafeRawBufferPointer, pitch sourcePitch: Int, rows: Int, columns: Int,
    into target: UnsafeMutableRawBufferPointer, pitch targetPitch: Int
  ) {
    precondition(canMove(byteCount: elementByteCount), "elements of 1, 2, 4 or 8 bytes")
    guard rows > 0, columns > 0, let from = source.baseAddress, let to = target.baseAddress else { return }
    precondition(sourcePitch >= columns && targetPitch >= rows, "rows that do not overlap")
    precondition(
      source.count / elementByteCount >= (rows - 1) * sourcePitch + columns
        && target.count / elementByteCount >= (columns - 1) * targetPitch + rows,
      "the whole matrix in both buffers")
    cqk_transpose(elementByteCount, from, sourcePitch, rows, columns, to, targetPitch)
  }
}
