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
/// z = W_router x (+ b)                               some routers take the stream, normed and scaled, for x
/// top, w = what a router makes of z                  see ``ExpertRouting``
/// y = sum over top of w_e down_e(f(gate_e x) * up_e x)      experts in ascending order; f the model's activation
/// y = y + shared(x)                                  with a shared expert,
///         times sigmoid(s . x)                       where that has a gate
/// ```
enum ExpertMixture {
  /// Runs it on rows; `stream` is what they were before their norm.
  static func run(
    _ x: FloatRows, stream: FloatRows, _ weights: ExpertWeights, _ shape: Experts, layer: Int,
    into y: FloatRows, _ context: BlockContext
  ) throws {
    let scratch = try ExpertScratch(context, shape, count: x.count, width: x.width)
    let (probabilities, shares) = (scratch.probabilities, scratch.shares)
    let level = context.level
    var routed = x
    if let own = scratch.routerInput, let scale = weights.routerInputScale {
      let epsilon = context.normEpsilon
      context.engine.parallel(x.count) { token, _ in
        crk_rms_norm(level, stream.row(token), scale.base, own.width, epsilon, own.row(token))
      }
      routed = own
    }
    try context.multiply(routed, Product(matrix: weights.router, output: probabilities))
    context.add(weights.routerBias, to: probabilities)
    let routing = ExpertRouting(shape, bias: weights.selectionBias, expertScales: weights.scales)
    context.engine.parallel(x.count) { token, _ in
      routing.makeProbabilities(probabilities.row(token), level: level)
    }
    context.tap("blk.\(layer).ffn_probs", probabilities)
    let choice = choose(probabilities, shape, routing, into: shares)
    let assignments = ExpertAssignments(
      expertCount: shape.count, usedPerToken: shape.usedCount, selected: choice)
    try context.prepareExperts?((0..<shape.count).filter { !assignments.slots(of: $0).isEmpty })

    let slots = x.count * shape.usedCount
    let (gate, up, output) = (scratch.gate, scratch.up, scratch.output)
    let (gateName, upName) = (weights.gate.name, weights.up.name)
    try tap(gateName == upName ? [gateName] : [gateName, upName], x, .tokens, assignments, context)
    context.engine.multiply(
      x, .tokens, assignments,
      [ExpertProduct(stack: weights.gate, output: gate), ExpertProduct(stack: weights.up, output: up)])
    let (gating, biases) = (context.gating, weights.biases)
    context.engine.parallel(slots, of: shape.width) { slot, _ in
      if let biases {
        let place = Int(choice[slot]) * shape.width
        crk_add(level, biases.gate.base + place, shape.width, gate.row(slot))
        crk_add(level, biases.up.base + place, shape.width, up.row(slot))
      }
      gating.run(gate.row(slot), up.row(slot), shape.width, level: level)
    }
    try tap([weights.down.name], gate, .slots, assignments, context)
    context.engine.multiply(
      gate, .slots, assignments, [ExpertProduct(stack: weights.down, output: output)])

    context.engine.parallel(x.count) { token, _ in
      let row = y.row(token)
      row.update(repeating: 0, count: y.width)
      for k in 0..<shape.usedCount {
        let slot = token * shape.usedCount + k
        if let biases {
          crk_add(level, biases.down.base + Int(choice[slot]) * y.width, y.width, output.row(slot))
        }
        crk_add_scaled(level, output.row(slot), shares.row(token)[k], y.width, row)
      }
    }
    if let shared = weights.shared, let rows = scratch.shared {
      try addShared(x, shared, gate: weights.sharedGate, rows, to: y, context)
    }
  }

  /// The experts of all tokens, ascending per token; their shares go to rows.
  private static func choose(
    _ probabilities: FloatRows, _ shape: Experts, _ routing: ExpertRouting, into shares: FloatRows
  ) -> [Int32] {
    let used = shape.usedCount
    return [Int32](unsafeUninitializedCapacity: probabilities.count * used) { buffer, count in
      for token in 0..<probabilities.count {
        routing.choose(
          UnsafeBufferPointer(start: probabilities.row(token), count: shape.count),
          into: UnsafeMutableBufferPointer(rebasing: buffer[(token * used)..<((token + 1) * used)]),
          shares: shares.row(token))
      }
      count = probabilities.count * used
    }
  }

  private static func addShared(
    _ x: FloatRows, _ weights: DenseWeights, gate: NamedMatrix?, _ rows: ExpertScratch.Shared,
    to y: FloatRows, _ context: BlockContext
  ) throws {
    let output = rows.output
    if let gate, let scales = rows.scale {
      try context.multiply(x, Product(matrix: gate, output: scales))
    }
    try DenseFeedForward.run(x, weights, into: output, name: "shared", context)
    guard gate != nil, let scales = rows.scale else { return context.add(output, to: y) }
    let level = context.level
    context.engine.parallel(x.count) { token, _ in
      let scale = Float(1 / (1 + exp(-Double(scales.row(token)[0]))))
      crk_add_scaled(level, output.row(token), scale, y.width, y.row(token))
    }
  }

  /// Shows the rows that each expert sees, grouped by expert, sequence by sequence.
  private static func tap(
    _ names: @autoclosure () -> [String], _ input: FloatRows, _ kind: ExpertInput,
    _ assignments: ExpertAssignments, _ context: BlockContext
  ) throws {
    guard let observer = context.observer else { return }
    let names = names()
    guard names.contains(where: observer.wants) else { return }
    let used = assignments.usedPerToken
    let grouped = try context.scratch("experts.tap", assignments.slots.count, input.width)
    // Slots of an expert ascend: those of a sequence follow those of the sequence before.
    var places = Array(assignments.starts.dropLast())
    for member in context.membersOrAll(assignments.slots.count / used) {
      var experts: [Int] = []
      for expert in 0..<assignments.expertCount {
        while places[expert] < assignments.starts[expert + 1] {
          let slot = Int(assignments.slots[places[expert]])
          guard slot / used < member.rows.upperBound else { break }
          grouped.row(experts.count).update(
            from: input.row(kind == .slots ? slot : slot / used), count: input.width)
          experts.append(expert)
          places[expert] += 1
        }
      }
      let rows = grouped.rows(0..<experts.count)
      for name in names {
        context.show(name, rows, experts: experts, sequence: member.sequence, observer)
      }
    }
  }
}

/// The rows of a mixture of experts; slots are the used experts of all tokens.
struct ExpertScratch {
  /// What a shared expert has besides.
  struct Shared {
    /// `[tokens, hidden]`.
    let output: FloatRows
    /// `[tokens, 1]`; `nil` without a gate.
    let scale: FloatRows?
  }

  /// What the router takes, `[tokens, hidden]`; `nil` where it takes what the experts take.
  let routerInput: FloatRows?
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
    routerInput = shape.router.hasOwnInput ? try source.scratch("experts.router", count, width) : nil
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
        scale: shape.hasSharedGate ? try source.scratch("shared.scale", count, 1) : nil)
    }
  }
}
