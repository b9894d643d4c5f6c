/// Multipliers for blocks of a source tensor, as checkpoints of 8 and 4 bits store them beside their weights.
///
/// The value of a weight is the stored code times the f32 scale of its block, plus its bias where there are any. Rows and columns
/// are those of the source tensor: with `matrixRows` rows to a matrix and `rowLength` values to a row, the weight in
/// row r and column c has the scale at flat index
/// `((r / matrixRows) * ceil(matrixRows / blockRows) + (r % matrixRows) / blockRows) * ceil(rowLength / blockColumns)
/// + c / blockColumns` of the scale tensor. Scales are applied before any reordering.
///
/// A scale for each group of a row is a block of one row; one for each row, a block as wide as the row; one for the
/// tensor, a block of all its rows.
package struct BlockScale: Hashable, Sendable {
  /// A scale of the scales themselves, the same for a whole tensor.
  package struct Common: Hashable, Sendable {
    /// The index of its tensor, which holds one value, in the list the plan was made from.
    package var source: Int
    /// Whether scales are divided by it, rather than multiplied.
    package var divides: Bool

    /// Creates a reference.
    package init(source: Int, divides: Bool) {
      self.source = source
      self.divides = divides
    }
  }

  /// The index of the scale tensor in the list the plan was made from.
  package var source: Int
  /// Rows per block.
  package var blockRows: Int
  /// Columns per block.
  package var blockColumns: Int
  /// Rows of one matrix: blocks start anew with each matrix of a stack.
  package var matrixRows: Int
  /// What scales are multiplied with or divided by first, in f32; `nil` for scales that are complete.
  package var common: Common?
  /// The index of the tensor of biases, which are added to the products, in f32; `nil` without.
  ///
  /// It has the type and the shape of the scales, which are by row then.
  package var bias: Int?

  /// Creates a reference.
  package init(
    source: Int, blockRows: Int, blockColumns: Int, matrixRows: Int, common: Common? = nil, bias: Int? = nil
  ) {
    self.bias = bias
    self.source = source
    self.blockRows = blockRows
    self.blockColumns = blockColumns
    self.matrixRows = matrixRows
    self.common = common
  }

  /// The flat index of the scale of a weight of a source whose rows have `rowLength` values.
  package func index(row: Int, column: Int, rowLength: Int) -> Int {
    let rowBlocks = (matrixRows + blockRows - 1) / blockRows
    let rowBlock = row / matrixRows * rowBlocks + row % matrixRows / blockRows
    return rowBlock * countPerRow(rowLength: rowLength) + column / blockColumns
  }

  /// The scales of a row of `rowLength` values.
  package func countPerRow(rowLength: Int) -> Int { (rowLength + blockColumns - 1) / blockColumns }

  /// Whether each row has scales of its own, which lie in the order of the rows.
  ///
  /// There may be a scale for every 16 weights, far too many to keep; they are read with the rows that they belong to.
  package var isByRow: Bool { blockRows == 1 }
}
