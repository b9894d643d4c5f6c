/// Multipliers for blocks of a source tensor, as fp8 checkpoints store them (`weight_scale_inv`).
///
/// The value of a weight is the stored fp8 value times the f32 scale of its block. Rows and columns
/// are those of the source tensor: with `matrixRows` rows to a matrix and `rowLength` values to a row, the weight in
/// row r and column c has the scale at flat index
/// `((r / matrixRows) * ceil(matrixRows / blockRows) + (r % matrixRows) / blockRows) * ceil(rowLength / blockColumns)
/// + c / blockColumns` of the scale tensor. Scales are applied before any reordering.
public struct BlockScale: Hashable, Sendable {
  /// The index of the scale tensor in the list the plan was made from.
  public var source: Int
  /// Rows per block.
  public var blockRows: Int
  /// Columns per block.
  public var blockColumns: Int
  /// Rows of one matrix: blocks start anew with each matrix of a stack.
  public var matrixRows: Int

  /// Creates a reference.
  public init(source: Int, blockRows: Int, blockColumns: Int, matrixRows: Int) {
    self.source = source
    self.blockRows = blockRows
    self.blockColumns = blockColumns
    self.matrixRows = matrixRows
  }

  /// The flat index of the scale of a weight of a source whose rows have `rowLength` values.
  public func index(row: Int, column: Int, rowLength: Int) -> Int {
    let rowBlocks = (matrixRows + blockRows - 1) / blockRows
    let columnBlocks = (rowLength + blockColumns - 1) / blockColumns
    let rowBlock = row / matrixRows * rowBlocks + row % matrixRows / blockRows
    return rowBlock * columnBlocks + column / blockColumns
  }
}
