internal import Synchronization
internal import TensorCompute

/// One product of a shared input with a matrix: `output = input * matrix^T`.
struct Product {
  var matrix: NamedMatrix
  /// As many rows as the input, one value per row of the matrix.
  var output: FloatRows
}

/// Products with the matrices of the experts that a router chose.
struct ExpertProduct {
  var stack: ExpertStack
  /// One row per slot.
  var output: FloatRows
}

/// What the forward pass needs from the compute layer: matrix products, and its threads for everything else.
///
/// Results are the same bits for every number of workers and of input rows.
final class ProductEngine {
  /// The matrix products.
  let engine: MatrixEngine

  /// Workers, at least 1.
  var workerCount: Int { engine.pool.threadCount }

  init(_ engine: MatrixEngine) { self.engine = engine }

  /// Multiplies one input with several matrices.
  func multiply(_ input: FloatRows, _ products: [Product]) {
    engine.multiply(
      products.map { $0.matrix.weights }, x: input.base, tokens: input.count,
      into: products.map { $0.output.base })
  }

  /// Multiplies with the experts' matrices: rows of the input are tokens or slots, those of the outputs slots.
  func multiply(
    _ input: FloatRows, _ kind: ExpertInput, _ assignments: ExpertAssignments, _ products: [ExpertProduct]
  ) {
    engine.multiplyExperts(
      products.map { $0.stack.experts }, assignments, x: input.base, input: kind,
      into: products.map { $0.output.base })
  }

  /// Multiplies the heads of tokens with their own matrices: the first `matrices[h].columns` values of row
  /// `token * heads + h`, into the first values of the same row of the output.
  func multiplyHeads(_ input: FloatRows, _ matrices: [WeightMatrix], into output: FloatRows) {
    engine.multiplyInTurn(
      matrices, x: input.base, rowCount: input.count, xStride: input.width, into: output.base,
      yStride: output.width)
  }

  /// Decodes one row of a matrix.
  func decode(_ matrix: NamedMatrix, row: Int, into output: UnsafeMutablePointer<Float>) {
    engine.copyRow(matrix.weights, row: row, into: output)
  }

  /// Values worth waking workers for: with fewer, handing out costs more than it saves.
  private static let leastShared = 8192

  /// Calls `body` for every item, on any worker, and returns when all are done; items of one worker follow each
  /// other, so scratch memory may be kept per worker.
  ///
  /// - Parameters:
  ///   - itemCount: How often.
  ///   - size: How many values an item works on, where that may be so few that the caller does all; `nil` where an item
  ///     is always worth a worker.
  ///   - body: Receives the number of an item and that of a worker.
  func parallel(
    _ itemCount: Int, of size: Int? = nil, _ body: @Sendable (_ item: Int, _ worker: Int) -> Void
  ) {
    let isSmall = size.map { $0 * itemCount < Self.leastShared } ?? false
    let workers = isSmall ? 1 : min(workerCount, itemCount)
    guard workers > 1 else {
      for item in 0..<max(itemCount, 0) { body(item, 0) }
      return
    }
    let next = Atomic<Int>(0)
    engine.pool.run(count: workers) { worker in
      while true {
        let item = next.wrappingAdd(1, ordering: .relaxed).oldValue
        if item >= itemCount { return }
        body(item, worker)
      }
    }
  }
}
