package import BlockQuantization
internal import CQuantKernels
internal import TensorTypes

/// Products of stored weights with activations.
///
/// `y[t, r] = sum over c of W[r, c] * x[t, c]`. The bits of a result depend on the weights' row, the
/// activations' row and the mode alone: not on the number of tokens in the call, the other matrices of the
/// call, the thread count or the CPU.
///
/// ```
/// let engine = MatrixEngine(mode: .fast, pool: WorkerPool(threadCount: 2))
/// engine.multiply(w, x: x, tokens: n, into: y)                     // x: [n, w.columns], y: [n, w.rows]
/// engine.multiply([q, k, v], x: x, tokens: n, into: [yq, yk, yv])  // activations are quantized once
/// engine.multiplyExperts([gate, up], assignments, x: x, input: .tokens, into: [yg, yu])
///                                                                  // y: [slots, rows per expert]
/// engine.multiplyExperts([down], assignments, x: hidden, input: .slots, into: [yd])
/// engine.multiplyInTurn(heads, x: x, rowCount: n * heads.count, xStride: d, into: y, yStride: r)
/// engine.copyRow(embedding, row: token, into: out)
/// ```
///
/// In ``ComputeMode/exact``, and for f32, f16 and bf16 weights in every mode, a product is 16 partial sums of
/// fused multiply-adds (column c goes to sum c mod 16, columns ascending), then added in a fixed tree.
/// In ``ComputeMode/fast`` activations become int8 codes with one scale per 256 values (32 for the types with
/// blocks of 32); block products are exact integers, and blocks are added in f32 in ascending order.
/// A NaN or an infinity among the activations makes every result that it feeds NaN or infinite (in fast
/// mode, NaN).
package struct MatrixEngine: Sendable {
  /// How weights and activations meet.
  package let mode: ComputeMode
  /// Who does the work.
  package let pool: WorkerPool
  /// The inner loops in use; results do not depend on it.
  package let level: KernelLevel

  /// Creates an engine.
  ///
  /// - Parameters:
  ///   - mode: How weights and activations meet.
  ///   - pool: The threads to use.
  ///   - level: The inner loops; ``KernelLevel/current`` unless a test says otherwise.
  package init(mode: ComputeMode, pool: WorkerPool, level: KernelLevel = .current) {
    precondition(level.isAvailable, "the level \(level) cannot run here")
    self.mode = mode
    self.pool = pool
    self.level = level
  }

  /// Multiplies one matrix with a batch of rows.
  ///
  /// - Parameters:
  ///   - matrix: The weights, `[rows, columns]`.
  ///   - x: The activations, `[tokens, columns]`.
  ///   - tokens: The rows of `x`.
  ///   - xStride: Values between the starts of two rows of `x`; `columns` when `nil`.
  ///   - y: Receives `[tokens, rows]`.
  ///   - yStride: Values between the starts of two rows of `y`; `rows` when `nil`.
  package func multiply(
    _ matrix: WeightMatrix, x: UnsafePointer<Float>, tokens: Int, xStride: Int? = nil,
    into y: UnsafeMutablePointer<Float>, yStride: Int? = nil
  ) {
    multiply([matrix], x: x, tokens: tokens, xStride: xStride, into: [y], yStrides: yStride.map { [$0] })
  }

  /// Multiplies several matrices with the same batch of rows; activations are converted once.
  ///
  /// - Parameters:
  ///   - matrices: The weights; all with the same number of columns, types may differ.
  ///   - x: The activations, `[tokens, columns]`.
  ///   - tokens: The rows of `x`.
  ///   - xStride: Values between the starts of two rows of `x`; `columns` when `nil`.
  ///   - ys: One result per matrix, `[tokens, rows]`.
  ///   - yStrides: Values between the starts of two rows of each result; the matrix's `rows` when `nil`.
  package func multiply(
    _ matrices: [WeightMatrix], x: UnsafePointer<Float>, tokens: Int, xStride: Int? = nil,
    into ys: [UnsafeMutablePointer<Float>], yStrides: [Int]? = nil
  ) {
    precondition(matrices.count == ys.count && (yStrides?.count ?? ys.count) == ys.count)
    guard let columns = matrices.first?.columns, tokens > 0 else { return }
    precondition(matrices.allSatisfy { $0.columns == columns }, "matrices of one input have the same columns")
    for form in forms(of: matrices) {
      let prepared = PreparedActivations(
        x, count: tokens, columns: columns, stride: xStride ?? columns, form: form, level: level, pool: pool)
      var plan = ProductPlan(form: form, level: level, tokenCapacity: matrices.count * tokens)
      for (index, matrix) in matrices.enumerated() where self.form(of: matrix.type) == form {
        let stride = yStrides?[index] ?? matrix.rows
        plan.add(matrix, tokenCount: tokens, from: prepared) { token in
          (row: token, y: ys[index] + token * stride)
        }
      }
      plan.run(on: pool)
      withExtendedLifetime(prepared) {}
    }
  }

  /// Multiplies the experts that a router chose with the rows it chose them for.
  ///
  /// Results are one row per slot (see ``ExpertAssignments``), so that weighting and adding up stay with the
  /// caller, in an order of its own.
  ///
  /// - Parameters:
  ///   - stacks: Stacks of expert matrices with the same input, such as gate and up: one matrix per expert, wherever
  ///     each lies, all of one shape and type.
  ///   - assignments: Which slots each expert works on.
  ///   - x: The activations: `[tokens, columns]` or `[slots, columns]`, see `input`.
  ///   - input: What the rows of `x` are.
  ///   - ys: One result per stack, `[slots, rows per expert]`; every row is written.
  package func multiplyExperts(
    _ stacks: [[WeightMatrix]], _ assignments: ExpertAssignments, x: UnsafePointer<Float>, input: ExpertInput,
    into ys: [UnsafeMutablePointer<Float>]
  ) {
    precondition(stacks.count == ys.count)
    precondition(stacks.allSatisfy { $0.count == assignments.expertCount }, "a stack has a matrix per expert")
    let firsts = stacks.compactMap(\.first)
    guard let columns = firsts.first?.columns, !assignments.slots.isEmpty else { return }
    precondition(firsts.allSatisfy { $0.columns == columns }, "matrices of one input have the same columns")
    let used = assignments.usedPerToken
    let rowCount = input == .tokens ? assignments.slots.count / used : assignments.slots.count
    for form in forms(of: firsts) {
      let prepared = PreparedActivations(
        x, count: rowCount, columns: columns, stride: columns, form: form, level: level, pool: pool)
      var plan = ProductPlan(form: form, level: level, tokenCapacity: stacks.count * assignments.slots.count)
      assignments.forEachUsed { expert, slots in
        for (index, first) in firsts.enumerated() where self.form(of: first.type) == form {
          let (matrix, rows) = (stacks[index][expert], first.rows)
          precondition(
            matrix.rows == rows && matrix.columns == columns && matrix.type == first.type,
            "matrices of a stack have one shape and type")
          plan.add(matrix, tokenCount: slots.count, from: prepared) { position in
            let slot = Int(slots[position])
            return (row: input == .tokens ? slot / used : slot, y: ys[index] + slot * rows)
          }
        }
      }
      plan.run(on: pool)
      withExtendedLifetime(prepared) {}
    }
  }

  /// Multiplies rows with several matrices in turn: row `r` with matrix `r` modulo their number, as the heads of
  /// many tokens are multiplied with matrices of their own.
  ///
  /// - Parameters:
  ///   - matrices: The weights, all of one shape.
  ///   - x: The activations, `[rows, columns]`.
  ///   - rowCount: The rows of `x`, a multiple of the number of matrices.
  ///   - xStride: Values between the starts of two rows of `x`.
  ///   - y: Receives one result per row of `x`.
  ///   - yStride: Values between the starts of two results.
  package func multiplyInTurn(
    _ matrices: [WeightMatrix], x: UnsafePointer<Float>, rowCount: Int, xStride: Int,
    into y: UnsafeMutablePointer<Float>, yStride: Int
  ) {
    guard let first = matrices.first, rowCount > 0 else { return }
    precondition(
      matrices.allSatisfy { $0.columns == first.columns && $0.rows == first.rows }, "matrices have one shape")
    precondition(rowCount % matrices.count == 0, "every matrix has the same number of rows to work on")
    for form in forms(of: matrices) {
      let prepared = PreparedActivations(
        x, count: rowCount, columns: first.columns, stride: xStride, form: form, level: level, pool: pool)
      var plan = ProductPlan(form: form, level: level, tokenCapacity: rowCount)
      for (index, matrix) in matrices.enumerated() where self.form(of: matrix.type) == form {
        plan.add(matrix, tokenCount: rowCount / matrices.count, from: prepared) { turn in
          let row = turn * matrices.count + index
          return (row: row, y: y + row * yStride)
        }
      }
      plan.run(on: pool)
      withExtendedLifetime(prepared) {}
    }
  }

  /// Decodes one row of a matrix, such as a token's embedding.
  ///
  /// - Precondition: `row` is in `0..<matrix.rows`.
  package func copyRow(_ matrix: WeightMatrix, row: Int, into out: UnsafeMutablePointer<Float>) {
    precondition(row >= 0 && row < matrix.rows, "row out of range")
    guard let base = matrix.bytes.baseAddress else { return }
    level.products.pointee.decode_row(
      Int32(matrix.type.rawValue), base + row * matrix.rowByteCount, matrix.columns, out)
  }

  /// The form of activations that a weight type is multiplied with.
  private func form(of type: TensorType) -> ActivationForm {
    if mode == .exact || !type.isQuantized { return .float }
    return type.blockLength == 256 ? .codes256 : .codes32
  }

  private func forms(of matrices: [WeightMatrix]) -> [ActivationForm] {
    ActivationForm.allCases.filter { form in matrices.contains { self.form(of: $0.type) == form } }
  }
}
