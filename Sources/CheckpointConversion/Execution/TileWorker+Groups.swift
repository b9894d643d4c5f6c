internal import BlockQuantization
internal import FileBytes
internal import TensorTypes

extension TileWorker {
  /// Stores some rows of a tile in groups, and looks at what became of them.
  ///
  /// The bytes of a tile are those of its codes, then those of its scales, then those of its biases.
  ///
  /// - Parameters:
  ///   - values: The values of the rows.
  ///   - rows: The rows, counted from the first one of the tile.
  ///   - groups: The format.
  ///   - work: The tile.
  /// - Returns: The rows that became zeros.
  /// - Throws: ``ConversionError`` with `scaleOverflow`.
  mutating func store(
    _ values: UnsafeBufferPointer<Float>, rows: Range<Int>, in groups: GroupFormat, _ work: TileWork
  ) throws -> RowLosses {
    guard let type = work.tensor.type.floatElement else { preconditionFailure("groups of 16-bit weights") }
    var place = 0
    let targets = work.tensor.parts.map { part in
      let start = place + rows.lowerBound * part.rowByteCount
      place += work.tile.rowCount * part.rowByteCount
      return UnsafeMutableRawBufferPointer(
        rebasing: work.stored[start..<(start + rows.count * part.rowByteCount)])
    }
    let parts = GroupQuantizer.Parts(
      codes: targets[0], scales: targets[1],
      biases: targets.count > 2 ? targets[2] : UnsafeMutableRawBufferPointer(start: nil, count: 0))
    GroupQuantizer.quantize(groups, type: type, values: values, into: parts)
    for floats in targets.dropFirst() {
      guard
        let group = GroupQuantizer.firstInvalidScale(groups, UnsafeRawBufferPointer(floats), type: type)
      else { continue }
      throw work.scaleOverflow(group: group, of: groups, row: rows.lowerBound)
    }
    var losses = RowLosses()
    for index in 0..<rows.count where Self.isZero(row: index, of: rows.count, parts) {
      losses += try contents(ofLostRow: index, values, work, row: rows.lowerBound)
    }
    return losses
  }

  /// Whether nothing is left of a row: codes of zero on biases of zero.
  private static func isZero(row: Int, of count: Int, _ parts: GroupQuantizer.Parts) -> Bool {
    func isZero(_ bytes: UnsafeMutableRawBufferPointer) -> Bool {
      let size = bytes.count / count
      return bytes[(row * size)..<((row + 1) * size)].allSatisfy { $0 == 0 }
    }
    return isZero(parts.codes) && isZero(parts.biases)
  }
}

extension TileWork {
  /// The error for a scale or bias that is not finite.
  fileprivate func scaleOverflow(group: Int, of groups: GroupFormat, row: Int) -> ConversionError {
    let perRow = groups.groupCount(rowLength: tensor.rowLength)
    return ConversionError(
      .scaleOverflow,
      Fault(
        file: file, subject: Wording(place(row: row + group / perRow)),
        expected: "scales and biases within the range of \(tensor.type.name)",
        found: "group \(group % perRow) of the row with one that is not finite as \(groups.name)",
        remedy: "the weights are too large or damaged; keep this tensor unquantized with \(.typeOverrides)"))
  }
}
