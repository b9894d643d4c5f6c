/// Where the rows of an output tensor come from: the transform part of the plan.
///
/// Every transform that a conversion needs is a choice of source rows, an optional
/// reordering of columns and an optional elementwise operation; nothing else
/// exists, so any tile of an output tensor can be made on its own.
package struct TensorFeed: Hashable, Sendable {
  /// The source rows, run after run; together they are exactly the rows of the output.
  package var runs: [RowRun]
  /// How the values inside each row are reordered.
  package var columns: ColumnOrder
  /// What is done to each value, in f32.
  package var operation: ValueOperation

  /// Creates a feed.
  package init(runs: [RowRun], columns: ColumnOrder = .identity, operation: ValueOperation = .identity) {
    self.runs = runs
    self.columns = columns
    self.operation = operation
  }
}

/// Consecutive output rows that come from one source tensor.
///
/// A "row" is `rowLength` consecutive values of the *output*; the source is read as a
/// flat sequence of such rows, which also covers sources whose own last dimension is
/// another one (a `[C, 1, K]` convolution read as rows of K, a vector `[n]` of per-head
/// scalars read as n rows of 1).
@usableFromInline
package struct RowRun: Hashable, Sendable {
  /// The index of the source tensor in the list the plan was made from.
  package var source: Int
  /// The first row of the run in the source.
  @usableFromInline
  package var firstRow: Int
  /// The number of rows.
  package var rowCount: Int
  /// The order in which the rows are taken.
  @usableFromInline
  package var order: RowOrder
  /// The multipliers of the source's values; `nil` for sources that are stored as they are.
  package var scale: BlockScale?

  /// Creates a run.
  package init(
    source: Int, firstRow: Int, rowCount: Int, order: RowOrder = .identity, scale: BlockScale? = nil
  ) {
    if case .columns(let firstElement, let stride, let step) = order {
      precondition(stride > 0 && step > 0 && firstElement >= 0, "columns of a matrix")
      precondition(
        firstElement % stride + Self.span(rowCount, step: step) <= stride, "columns of the same source rows")
    }
    self.source = source
    self.firstRow = firstRow
    self.rowCount = rowCount
    self.order = order
    self.scale = scale
  }

  /// The columns from the first to the last one of some that are `step` apart.
  @inlinable
  package static func span(_ count: Int, step: Int) -> Int { max(0, (count - 1) * step + 1) }

  /// Whether each row has scales that can be read with it.
  package var hasScalesByRow: Bool {
    if case .columns = order { return false }
    return scale?.isByRow == true
  }

  /// The source row for output row `offset` of this run; runs of columns have none.
  @inlinable
  package func sourceRow(at offset: Int) -> Int {
    switch order {
    case .identity:
      return firstRow + offset
    case .pairHalves(let headDim):
      let head = offset / headDim
      let within = offset % headDim
      return firstRow + head * headDim + (within & 1) * (headDim / 2) + within / 2
    case .every(let step, let together):
      return firstRow + offset / together * step + offset % together
    case .columns: preconditionFailure("rows that are columns have no source row")
    }
  }

  /// The source rows from the first to the last one of those for output rows `offsets` of this run; runs of columns
  /// have none.
  package func sourceRows(holding offsets: Range<Int>) -> Range<Int> {
    switch order {
    case .identity:
      return (firstRow + offsets.lowerBound)..<(firstRow + offsets.upperBound)
    case .pairHalves(let headDim):
      // Rows of a permuted head are read together, so that a range stays contiguous.
      let first = offsets.lowerBound / headDim * headDim
      let end = (offsets.upperBound + headDim - 1) / headDim * headDim
      return (firstRow + first)..<(firstRow + end)
    case .every:
      let first = sourceRow(at: offsets.lowerBound)
      return first..<(offsets.isEmpty ? first : sourceRow(at: offsets.upperBound - 1) + 1)
    case .columns: preconditionFailure("rows that are columns have no source row")
    }
  }

  /// Where a value comes from, before the order of columns is applied.
  ///
  /// - Parameters:
  ///   - offset: The output row, counted from the first one of the run.
  ///   - column: The index of the value in the row.
  ///   - rowLength: Values per output row.
  /// - Returns: The row and the column of the source, whose rows have `rowLength` values, or those of a run's stride
  ///   where output rows are columns.
  package func sourcePlace(row offset: Int, column: Int, rowLength: Int) -> (row: Int, column: Int) {
    guard case .columns(let firstElement, let stride, let step) = order else {
      return (sourceRow(at: offset), column)
    }
    return (firstElement / stride + column, firstElement % stride + offset * step)
  }
}

/// The order of rows within a run.
@usableFromInline
package enum RowOrder: Hashable, Sendable {
  case identity
  /// Rotary pairs from half-split to adjacent: within each head of `headDim` rows, output rows 2j and 2j+1 are
  /// source rows j and j + headDim/2 (the permutation of the llama architecture).
  case pairHalves(headDim: Int)
  /// Every `step`-th row: output row i is source row i * `step` of the run (gate and up rows that take turns). Where
  /// `together` rows keep together, groups of so many begin `step` source rows apart (one of two frames of filters).
  case every(step: Int, together: Int = 1)
  /// Rows that are columns of the source: value j of the run's row i is element `firstElement + j * stride + i * step`
  /// of the source read as a flat sequence, whose rows have `stride` elements. The run's `firstRow` has no meaning, and
  /// its columns are columns of the same source rows. The source holds elements, not blocks, which cannot be taken apart.
  case columns(firstElement: Int, stride: Int, step: Int = 1)
}

/// The order of values inside a row.
package enum ColumnOrder: Hashable, Sendable {
  case identity
  /// Blocks of `width` values: output block j is source block `order[j]`; `order.count * width` is the row length.
  case blocks(width: Int, order: [Int])
}

/// An elementwise operation in f32, applied before the value is stored.
package enum ValueOperation: Hashable, Sendable {
  case identity
  /// `x + 1` (norm weights stored as an offset from one).
  case addOne
  /// `-exp(x)` (decay rates stored as logarithms).
  case negateExponential
}

/// The content of an output tensor.
package enum TensorContent: Hashable, Sendable {
  /// Rows of the checkpoint.
  case feed(TensorFeed)
  /// Values computed from the config alone, such as rotary frequency factors.
  case values([Float])
}
