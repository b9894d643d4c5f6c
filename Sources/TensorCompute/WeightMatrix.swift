package import TensorTypes
internal import FileBytes

/// A matrix of weights in its stored form, row after row; the bytes belong to someone else.
///
/// Row r holds the weights from `columns` inputs to output r. A stack of expert matrices is one
/// `WeightMatrix` whose rows are those of all experts, one expert after the other.
package struct WeightMatrix: @unchecked Sendable {
  /// How rows are stored.
  package let type: TensorType
  /// Input features.
  package let columns: Int
  /// Output features; for a stack, those of all experts together.
  package let rows: Int
  /// The stored rows, `rows * rowByteCount` bytes.
  package let bytes: UnsafeRawBufferPointer
  /// Bytes per row.
  package let rowByteCount: Int
  /// Keeps `bytes` alive.
  private let owner: AnyObject?

  /// The types that can be multiplied.
  package static let supportedTypes: Set<TensorType> = [
    .f32, .f16, .bf16, .q8_0, .q4_0, .q4_1, .q5_0, .q5_1, .q2_K, .q3_K, .q4_K, .q5_K, .q6_K, .iq4_nl, .iq4_xs,
    .mxfp4,
  ]

  /// Describes a matrix.
  ///
  /// - Parameters:
  ///   - name: The tensor's name, for messages.
  ///   - type: How rows are stored.
  ///   - columns: Input features.
  ///   - rows: Output features.
  ///   - bytes: Exactly the stored rows; unchanged and mapped as long as `owner` lives.
  ///   - owner: What keeps `bytes` valid; `nil` when the caller sees to that.
  /// - Throws: ``ComputeError`` for a type without kernels, a shape that the type cannot have, or bytes
  ///   that are not exactly those of the shape.
  package init(
    name: String = "", type: TensorType, columns: Int, rows: Int, bytes: UnsafeRawBufferPointer,
    owner: AnyObject?
  ) throws(ComputeError) {
    guard Self.supportedTypes.contains(type) else {
      throw ComputeError(
        .unsupportedType,
        Fault(
          subject: name, expected: "a type this runtime can multiply", found: type.name,
          remedy: "requantize to one of "
            + Self.supportedTypes.map(\.name).sorted().joined(separator: ", ")))
    }
    guard columns > 0, rows > 0, let rowBytes = type.rowByteCount(length: columns) else {
      throw ComputeError(
        .invalidShape,
        Fault(
          subject: name, expected: "rows whose length is a multiple of \(type.blockLength) (\(type.name))",
          found: "\(columns) columns, \(rows) rows"))
    }
    let (size, overflow) = rowBytes.multipliedReportingOverflow(by: rows)
    guard !overflow, size == bytes.count else {
      throw ComputeError(
        .wrongByteCount,
        Fault(
          subject: name,
          expected: "\(overflow ? "a size below 2^63" : String(size)) bytes for [\(rows), \(columns)]",
          found: "\(bytes.count) bytes"))
    }
    self.init(
      unchecked: type, columns: columns, rows: rows, rowByteCount: rowBytes, bytes: bytes, owner: owner)
  }

  private init(
    unchecked type: TensorType, columns: Int, rows: Int, rowByteCount: Int, bytes: UnsafeRawBufferPointer,
    owner: AnyObject?
  ) {
    self.type = type
    self.columns = columns
    self.rows = rows
    self.rowByteCount = rowByteCount
    self.bytes = bytes
    self.owner = owner
  }

  /// Consecutive rows as a matrix of their own, such as one expert of a stack or the keys of a fused projection.
  ///
  /// - Precondition: `range` is not empty and lies in `0..<rows`.
  package func slice(rows range: Range<Int>) -> WeightMatrix {
    precondition(!range.isEmpty && range.lowerBound >= 0 && range.upperBound <= rows, "rows out of range")
    return WeightMatrix(
      unchecked: type, columns: columns, rows: range.count, rowByteCount: rowByteCount,
      bytes: UnsafeRawBufferPointer(
        rebasing: bytes[range.lowerBound * rowByteCount..<range.upperBound * rowByteCount]),
      owner: owner)
  }
}
