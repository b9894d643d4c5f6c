internal import TensorCompute

/// The gated network `down(f(gate x) * up x)`, f the model's activation.
enum DenseFeedForward {
  /// Runs it on rows; `name` keeps the scratch memory of different uses apart.
  static func run(
    _ x: FloatRows, _ weights: DenseWeights, into y: FloatRows, name: String, _ context: BlockContext
  ) throws {
    let width = weights.gate.weights.rows
    let scratch = try DenseScratch(context, name: name, width: width, count: x.count)
    let (gate, up) = (scratch.gate, scratch.up)
    try context.multiply(
      x, Product(matrix: weights.gate, output: gate), Product(matrix: weights.up, output: up))
    context.add(weights.gateBias, to: gate)
    context.add(weights.upBias, to: up)
    let (level, gating) = (context.level, context.gating)
    context.engine.parallel(x.count) { row, _ in gating.run(gate.row(row), up.row(row), width, level: level) }
    try context.multiply(gate, Product(matrix: weights.down, output: y))
    context.add(weights.downBias, to: y)
  }
}

/// The rows of a dense network.
struct DenseScratch {
  /// `[tokens, inner width]`.
  let gate, up: FloatRows

  init(_ source: some ScratchSource, name: String, width: Int, count: Int) throws {
    gate = try source.scratch(name + ".gate", count, width)
    up = try source.scratch(name + ".up", count, width)
  }
}
