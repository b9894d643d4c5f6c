/// A value that is not finite, met where rows are assembled; whoever reads them knows the tensor and the file.
package struct BadValue: Error, Hashable {
  /// Where the value comes from.
  package enum Origin: Hashable, Sendable {
    /// It is stored so.
    case source
    /// The operation made it from a finite one.
    case operation
  }

  /// The value.
  package var value: Float
  /// The row, counted from the first one that was asked for.
  package var row: Int
  /// The index in the row: before columns change their order for stored values, after it for others.
  package var column: Int
  /// Where it comes from.
  package var origin: Origin

  init(_ values: UnsafeMutableBufferPointer<Float>, at index: Int, rowLength: Int, _ origin: Origin) {
    value = values[index]
    row = index / rowLength
    column = index % rowLength
    self.origin = origin
  }

  init(value: Float, row: Int, column: Int) {
    self.value = value
    self.row = row
    self.column = column
    origin = .source
  }
}
