internal import TensorCompute

/// One product of a shared input with a matrix: `output = input * matrix^T`.
struct Product {
  var matrix: NamedMatrix
  /// As many rows as the input, one value per row of the matrix each.
  var output: FloatRows
}

/// Products with the matrices of the experts that a router chose.
struct ExpertProduct {
  var stack: ExpertStack
  /// One row per slot.
  var output: FloatRows
}

/// What the forward pass needs from the compute layer.
///
/// Results are the same bits for every number of workers and of input rows.
protocol ProductEngine: AnyObject {
  /// Workers, at least 1.
  var workerCount: Int { get }
  /// Multiplies one input with several matrices.
  func multiply(_ input: FloatRows, _ products: [Product]) throws
  /// Multiplies with the experts' matrices: rows of the input are tokens or slots, those of the outputs slots.
  func multiply(
    _ input: FloatRows, _ kind: ExpertInput, _ assignments: ExpertAssignments, _ products: [ExpertProduct]) throws
  /// Dequantizes one row.
  func decode(_ matrix: NamedMatrix, row: Int, into output: UnsafeMutablePointer<Float>) throws
  /// Calls `body` for every item, on any worker; returns when all are done.
  func parallel(_ itemCount: Int, _ body: @Sendable (_ item: Int, _ worker: Int) -> Void)
}
