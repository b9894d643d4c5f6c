internal import CRuntimeKernels
internal import ModelDescriptions
internal import TensorCompute

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// A mixture of experts.
///
/// ```
/// p = softmax(W_router x)                            over all experts, f32
/// top = the k largest p, the lower index first among equals
/// w_e = p_e, or p_e / sum of p over top              as the family has it
/// y = sum over top of w_e down_e(silu(gate_e x) * up_e x)      experts in ascending order
/// y = y + sigmoid(s . x) shared(x)                   with a shared expert
/// ```
package enum ExpertMixture {
  /// Runs it on rows.
  static func run(
    _ x: FloatRows, _ weights: ExpertWeights, _ shape: Experts, layer: Int, into y: FloatRows,
    _ context: BlockContext
  ) throws {
    let scratch = try ExpertScratch(context, shape, count: x.count, width: x.width)
    let (probabilities, shares) = (scratch.probabilities, scratch.shares)
    try context.multiply(x, Product(matrix: weights.router, output: probabilities))
    let level = context.level
    context.engine.parallel(x.count) { token, _ in crk_softmax(level, shape.count, probabilities.row(token)) }
    context.tap("blk.\(layer).ffn_probs", probabilities)
    let choice = route(probabilities, shape, into: shares)
    let assignments = ExpertAssignments(
      expertCount: shape.count, usedPerToken: shape.usedCount, selected: choice)

    let slots = x.count * shape.usedCount
    let (gate, up, output) = (scratch.gate, scratch.up, scratch.output)
    let names = weights.gate.name == weights.up.name ? [] : [weights.up.name]
    try tap([weights.gate.name] + names, x, .tokens, assignments, context)
    context.engine.multiply(
      x, .tokens, assignments,
      [ExpertProduct(stack: weights.gate, output: gate), ExpertProduct(stack: weights.up, output: up)])
    context.engine.parallel(slots) { slot, _ in
      crk_silu_multiply(level, up.row(slot), shape.width, gate.row(slot))
    }
    try tap([weights.down.name], gate, .slots, assignments, context)
    context.engine.multiply(
      gate, .slots, assignments, [ExpertProduct(stack: weights.down, output: output)])

    context.engine.parallel(x.count) { token, _ in
      let row = y.row(token)
      row.update(repeating: 0, count: y.width)
      for k in 0..<shape.usedCount {
        crk_add_scaled(level, output.row(token * shape.usedCount + k), shares.row(token)[k], y.width, row)
      }
    }
    if let shared = weights.shared, let sharedGate = weights.sharedGate, let rows = scratch.shared {
      try addShared(x, shared, sharedGate, rows, to: y, context)
    }
  }

  /// Chooses experts, ascending per token, and their shares.
  private static func route(
    _ probabilities: FloatRows, _ shape: Experts, into shares: FloatRows
  ) -> [Int32] {
    let used = shape.usedCount
    return [Int32](unsafeUninitializedCapacity: probabilities.count * used) { buffer, count in
      for token in 0..<probabilities.count {
        let row = UnsafeBufferPointer(start: probabilities.row(token), count: shape.count)
        choose(row, into: UnsafeMutableBufferPointer(rebasing: buffer[(token * used)..<((token + 1) * used)]))
        var sum: Float = 0
        for k in 0..<used {
          let share = row[Int(buffer[token * used + k])]
          shares.row(token)[k] = share
          sum += share
        }
        if shape.router.normalizesTopK { for k in 0..<used { shares.row(token)[k] /= sum } }
      }
      count = probabilities.count * used
    }
  }

  /// The indices of the largest values in ascending order of index; NaN counts as smallest.
  package static func choose(
    _ values: UnsafeBufferPointer<Float>, into chosen: UnsafeMutableBufferPointer<Int32>
  ) {
    var filled = 0
    // Kept sorted by value while choosing: an insertion into a short list.
    for (index, value) in values.enumerated() {
      if filled == chosen.count, !(value > values[Int(chosen[filled - 1])]) { continue }
      var place = filled < chosen.count ? filled : filled - 1
      while place > 0, value > values[Int(chosen[place - 1])] {
        chosen[place] = chosen[place - 1]
        place -= 1
      }
      chosen[place] = Int32(index)
      if filled < chosen.count { filled += 1 }
    }
    var ascending = chosen
    ascending.sort()
  }

  private static func addShared(
    _ x: FloatRows, _ weights: DenseWeights, _ gateWeights: NamedMatrix, _ rows: ExpertScratch.Shared,
    to y: FloatRows, _ context: BlockContext
  ) throws {
    let (output, gate) = (rows.output, rows.scale)
    try context.multiply(x, Product(matrix: gateWeights, output: gate))
    try DenseFeedForward.run(x, weights, into: output, name: "shared", context)
    let level = context.level
    context.engine.parallel(x.count) { token, _ in
      let scale = Float(1 / (1 + exp(-Double(gate.row(token)[0]))))
      crk_add_scaled(level, output.row(token), scale, y.width, y.row(token))
    }
  }

  /// Shows the rows that each expert sees, grouped by expert.
  private static func tap(
    _ names: [String], _ input: FloatRows, _ kind: ExpertInput, _ assignments: ExpertAssignments,
    _ context: BlockContext
  ) throws {
    guard let observer = context.observer, names.contains(where: observer.wants) else { return }
    let grouped = try context.scratch("experts.tap", assignments.slots.count, input.width)
    var experts: [Int] = []
    for expert in 0..<assignments.expertCount {
      for slot in assignments.slots(of: expert) {
        let row = kind == .slots ? Int(slot) : Int(slot) / assignments.usedPerToken
        grouped.row(experts.count).update(from: input.row(row), count: input.width)
        experts.append(expert)
      }
    }
    for name in names { context.tap(name, grouped, experts: experts) }
  }
}

/// The rows of a mixture of experts; slots are the used experts of all tokens.
struct ExpertScratch {
  /// What a shared expert has besides.
  struct Shared {
    /// `[tokens, hidden]`.
    let output: FloatRows
    /// `[tokens, 1]`.
    let scale: FloatRows
  }

  /// `[tokens, experts]`.
  let probabilities: FloatRows
  /// `[tokens, used experts]`.
  let shares: FloatRows
  /// `[slots, inner width]`.
  let gate, up: FloatRows
  /// `[slots, hidden]`.
  let output: FloatRows
  let shared: Shared?

  init(_ source: some ScratchSource, _ shape: Experts, count: Int, width: Int) throws {
    probabilities = try source.scratch("experts.probabilities", count, shape.count)
    shares = try source.scratch("experts.shares", count, shape.usedCount)
    let slots = count * shape.usedCount
    gate = try source.scratch("experts.gate", slots, shape.width)
    up = try source.scratch("experts.up", slots, shape.width)
    output = try source.scratch("experts.output", slots, width)
    shared = try shape.sharedWidth.map { inner in
      _ = try DenseScratch(source, name: "shared", width: inner, count: count)
      return Shared(
        output: try source.scratch("shared.output", count, width),
        scale: try source.scratch("shared.scale", count, 1))
    }
  }
}
