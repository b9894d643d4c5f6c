internal import BlockQuantization
internal import CheckpointConversion
internal import FileBytes
internal import ReferenceRuntime
internal import TensorCompute
internal import TensorTypes

/// Makes the bytes that a file would hold of a matrix of a running model.
///
/// Blocks hold values of one row, so that rows of the model quantized one by one are those of the file, whatever tensors are
/// parts of which.
struct WeightQuantizer: Sendable {
  let plan: TuningPlan
  let threadCount: Int

  /// A matrix as a file made for a candidate type would have it.
  ///
  /// - Throws: ``TuningError`` with `notTunable` for values that a type cannot hold; errors of reading importance data.
  func quantized(_ matrix: ReplaceableMatrix, to candidate: TensorType) throws -> WeightMatrix {
    let old = matrix.weights
    guard let planned = plan.tensors[candidate]?[matrix.name], planned.type != old.type else { return old }
    let type = planned.type
    let importance = try plan.importance(of: matrix.name, type: candidate, matrix: matrix.index ?? 0)
    let rowByteCount = planned.rowByteCount
    let memory = BlockMemory(byteCount: old.rows * rowByteCount)
    let rounding = planned.sourceType == old.type ? nil : planned.sourceType
    nonisolated(unsafe) let (source, target) = (old.bytes, memory.bytes)
    // A few rows at a time, so that threads seldom ask for more.
    let step = max(1, 65_536 / max(1, old.columns))
    try parallelForEach(count: (old.rows + step - 1) / step, threadCount: threadCount) { piece in
      let rows = (piece * step)..<min((piece + 1) * step, old.rows)
      let count = rows.count * old.columns
      try withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { values in
        values.initialize(repeating: 0)
        let stored = UnsafeRawBufferPointer(
          rebasing: source[(rows.lowerBound * old.rowByteCount)..<(rows.upperBound * old.rowByteCount)])
        BlockQuantizer.dequantize(old.type, bytes: stored, rowLength: old.columns, into: values)
        if let rounding { Self.round(values, rounding) }
        let output = UnsafeMutableRawBufferPointer(
          rebasing: target[(rows.lowerBound * rowByteCount)..<(rows.upperBound * rowByteCount)])
        let read = UnsafeBufferPointer(values)
        if let importance {
          importance.withUnsafeBufferPointer {
            BlockQuantizer.quantize(type, rows: read, rowLength: old.columns, importance: $0, into: output)
          }
        } else {
          BlockQuantizer.quantize(type, rows: read, rowLength: old.columns, importance: nil, into: output)
        }
        if BlockQuantizer.firstInvalidBlock(type, bytes: UnsafeRawBufferPointer(output)) != nil {
          throw Self.overflow(matrix.name, type)
        }
      }
    }
    return try WeightMatrix(
      name: matrix.name, type: type, columns: old.columns, rows: old.rows,
      bytes: UnsafeRawBufferPointer(memory.bytes), owner: memory)
  }

  /// Rounds values as the 16-bit file between a checkpoint and a quantized one does.
  private static func round(_ values: UnsafeMutableBufferPointer<Float>, _ type: TensorType) {
    guard type == .bf16 || type == .f16 else { return }
    withUnsafeTemporaryAllocation(byteCount: 2 * values.count, alignment: 2) { narrow in
      let read = UnsafeBufferPointer(values)
      if type == .bf16 {
        FloatConversion.narrowToBF16(read, into: narrow)
      } else {
        FloatConversion.narrowToF16(read, into: narrow)
      }
      FloatConversion.widen(
        type == .bf16 ? .bf16 : .f16, bytes: UnsafeRawBufferPointer(narrow), into: values)
    }
  }

  private static func overflow(_ name: String, _ type: TensorType) -> TuningError {
    TuningError(
      .notTunable,
      Fault(
        subject: "\(name)", expected: "values that \(type.name) can hold",
        found: "a block whose scale is not finite", remedy: "leave the type out with \(.candidateTypes)"))
  }
}

/// Memory for quantized rows, which belongs to whoever holds their matrix.
private final class BlockMemory: @unchecked Sendable {
  let bytes: UnsafeMutableRawBufferPointer

  init(byteCount: Int) {
    bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 64)
  }

  deinit { bytes.deallocate() }
}
