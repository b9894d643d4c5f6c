internal import CRuntimeKernels
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
    _ x: FloatRows, _ weights: ExpertWeights, _ shape: DecoderShape.Experts, layer: Int, into y: FloatRows,
    _ context: BlockContext
  ) throws {
    let probabilities = try context.scratch("experts.probabilities", x.count, shape.count)
    try context.multiply(x, Product(matrix: weights.router, output: probabilities))
    let level = context.level
    context.engine.parallel(x.count) { token, _ in crk_softmax(level, shape.count, probabilities.row(token)) }
    context.tap("blk.\(layer).ffn_probs", probabilities)
    let (choice, shares) = try route(probabilities, shape, context)
    let assignments = ExpertAssignments(
      expertCount: shape.count, usedPerToken: shape.usedCount, selected: choice)

    let slots = x.count * shape.usedCount
    let gate = try context.scratch("experts.gate", slots, shape.width)
    let up = try context.scratch("experts.up", slots, shape.width)
    let output = try context.scratch("experts.output", slots, x.width)
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
    if let shared = weights.shared, let sharedGate = weights.sharedGate {
      try addShared(x, shared, sharedGate, to: y, context)
    }
  }

  /// Chooses experts, ascending per token, and their shares.
  private static func route(
    _ probabilities: FloatRows, _ shape: DecoderShape.Experts, _ context: BlockContext
  ) throws -> (choice: [Int32], shares: FloatRows) {
    let used = shape.usedCount
    let shares = try context.scratch("experts.shares", probabilities.count, used)
    let choice = [Int32](unsafeUninitializedCapacity: probabilities.count * used) { buffer, count in
      for token in 0..<probabilities.count {
        let row = UnsafeBufferPointer(start: probabilities.row(token), count: shape.count)
        choose(row, into: UnsafeMutableBufferPointer(rebasing: buffer[(token * used)..<((token + 1) * used)]))
        var sum: Float = 0
        for k in 0..<used {
          let share = row[Int(buffer[token * used + k])]
          shares.row(token)[k] = share
          sum += share
        }
        if shape.normalizesTopK { for k in 0..<used { shares.row(token)[k] /= sum } }
      }
      count = probabilities.count * used
    }
    return (choice, shares)
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
    _ x: FloatRows, _ weights: DenseWeights, _ gateWeights: NamedMatrix, to y: FloatRows,
    _ context: BlockContext
  ) throws {
    let output = try context.scratch("shared.output", x.count, y.width)
    let gate = try context.scratch("shared.scale", x.count, 1)
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
