package import TensorTypes

/// What rows are made of, somewhere in memory.
package struct StoredRows {
  /// Where the values lie in the bytes.
  package enum Layout {
    /// Whole rows of the source, one after the other, from this one on; for rows that are columns of the source, rows of
    /// the run that were made of columns already, with those between them where there are any.
    case rows(first: Int)
    /// For rows that are columns of the source: value j of the run's row i is element j * `pitch` + i * `step`.
    case columns(pitch: Int, step: Int)
  }

  /// Scales of rows, of which each row has its own.
  package struct Scales {
    /// Their type.
    package var type: ElementType
    /// The scales of whole source rows, one row after the other; there may be more of them than are needed.
    package var bytes: UnsafeRawBufferPointer
    /// Biases in the same places; `nil` without.
    package var biases: UnsafeRawBufferPointer?
    /// The source row that the first ones belong to.
    package var firstRow: Int

    /// Describes scales.
    package init(
      type: ElementType, bytes: UnsafeRawBufferPointer, biases: UnsafeRawBufferPointer? = nil,
      firstRow: Int = 0
    ) {
      self.type = type
      self.bytes = bytes
      self.biases = biases
      self.firstRow = firstRow
    }

    /// The bytes of the scales of some source rows, of which each has `count`.
    func bytes(ofRows rows: Range<Int>, count: Int) -> UnsafeRawBufferPointer {
      UnsafeRawBufferPointer(rebasing: bytes[places(ofRows: rows, count: count)])
    }

    /// The bytes of their biases; `nil` without.
    func biases(ofRows rows: Range<Int>, count: Int) -> UnsafeRawBufferPointer? {
      biases.map { UnsafeRawBufferPointer(rebasing: $0[places(ofRows: rows, count: count)]) }
    }

    private func places(ofRows rows: Range<Int>, count: Int) -> Range<Int> {
      let size = count * type.bitCount / 8
      let first = (rows.lowerBound - firstRow) * size
      return first..<(first + rows.count * size)
    }
  }

  /// How the bytes encode values.
  package var encoding: SourceEncoding
  /// The bytes; there may be more of them than are needed.
  package var bytes: UnsafeRawBufferPointer
  /// Where the values lie in them.
  package var layout: Layout
  /// The scales of the rows; `nil` for rows without any, and for those whose scales are in a ``ScaleTable``.
  package var scales: Scales?

  /// Describes rows.
  package init(
    encoding: SourceEncoding, bytes: UnsafeRawBufferPointer, layout: Layout = .rows(first: 0),
    scales: Scales? = nil
  ) {
    self.encoding = encoding
    self.bytes = bytes
    self.layout = layout
    self.scales = scales
  }
}

extension SourceEncoding {
  /// Bytes of one value of rows that are columns of their source.
  ///
  /// Blocks and codes of less than a byte hold neighbours of a row together. Only descriptions of checkpoints have
  /// runs of columns, and they accept floats alone, so that no file can bring about any other type here.
  package var columnValueByteCount: Int {
    guard case .element(let type) = self, type.bitCount % 8 == 0 else {
      preconditionFailure("columns of \(self) cannot be taken apart")
    }
    return type.bitCount / 8
  }
}
