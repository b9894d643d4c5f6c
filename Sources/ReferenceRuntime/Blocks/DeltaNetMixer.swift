internal import CRuntimeKernels
internal import ModelDescriptions

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Linear attention with a gated delta rule (arXiv:2412.06464).
///
/// ```
/// m = W_qkv x;  z = W_gate x;  b = W_beta x;  a = W_alpha x
/// u = silu(causal depthwise convolution of m)          split into q, k (key heads), v (value heads)
/// q = q / sqrt(sum q^2 + 1e-6) / sqrt(dk);  k = k / sqrt(sum k^2 + 1e-6)
/// beta = sigmoid(b);  g = ssm_a * softplus(a + dt_bias)
/// S = exp(g) S;  delta = beta (v - S^T k);  S = S + k delta^T;  o = S^T q
/// y = W_out concat(rms(o_v) * silu(z_v))
/// ```
///
/// The recurrence is run token by token, never in its chunked form, so that batches of any size give the same bits;
/// columns of a state are independent and are worked on side by side.
enum DeltaNetMixer {
  /// Columns of a state per item of work: what stays in the first-level cache for all tokens of a batch.
  private static let columnsPerItem = 32
  /// Added to the sum of squares of queries and keys, whatever the norms' epsilon.
  private static let lengthEpsilon: Float = 1e-6

  /// Runs it on a batch and advances the states of its parts.
  static func run(
    _ x: FloatRows, _ weights: DeltaNetWeights, _ net: GatedDeltaNet, states: [DeltaNetState],
    into y: FloatRows, _ context: BlockContext
  ) throws {
    let scratch = try DeltaNetScratch(context, net, count: x.count)
    let (decays, betas, channels) = (scratch.decays, scratch.betas, scratch.channels)
    try project(x, weights, net, scratch, context)
    convolve(scratch.mixed, weights.convolution, net, states, into: channels, context)
    normalize(channels, net, context)

    let (output, gate) = (scratch.output, scratch.gate)
    recur(channels, decays: decays, betas: betas, net, states, into: output, context)

    let (level, epsilon) = (context.level, context.normEpsilon)
    context.engine.parallel(x.count) { token, _ in
      for head in 0..<net.valueHeadCount {
        let place = output.row(token) + head * net.valueDim
        crk_rms_norm(level, place, weights.norm.base, net.valueDim, epsilon, place)
      }
      crk_multiply_silu(level, gate.row(token), net.valueWidth, output.row(token))
    }
    try context.multiply(output, Product(matrix: weights.output, output: y))
  }

  /// All projections of x; returns exp(g) and beta, [tokens][value heads] each.
  private static func project(
    _ x: FloatRows, _ weights: DeltaNetWeights, _ net: GatedDeltaNet, _ scratch: DeltaNetScratch,
    _ context: BlockContext
  ) throws {
    let heads = net.valueHeadCount
    let (decays, betas) = (scratch.decays, scratch.betas)
    let main = [
      Product(matrix: weights.queryKeyValue, output: scratch.mixed),
      Product(matrix: weights.gate, output: scratch.gate),
    ]
    switch weights.gates {
    case .separate(let beta, let alpha):
      try context.multiply(
        x, main[0], main[1], Product(matrix: beta, output: betas), Product(matrix: alpha, output: decays))
    case .perKeyHead(let matrix):
      guard let both = scratch.both else { preconditionFailure("a net with joint gates has rows for them") }
      try context.multiply(x, main[0], main[1], Product(matrix: matrix, output: both))
      let repeats = heads / net.keyHeadCount
      for token in 0..<x.count {
        for head in 0..<heads {
          let place = both.row(token) + head / repeats * 2 * repeats + head % repeats
          betas.row(token)[head] = place[0]
          decays.row(token)[head] = place[repeats]
        }
      }
    }
    // A few values per token: computed in f64 and rounded, so that no variant of the C library shows.
    context.engine.parallel(x.count) { token, _ in
      for head in 0..<heads {
        let a = Double(decays.row(token)[head] + weights.stepBias[head])
        let step = Float(a > 20 ? a : log1p(exp(a)))
        decays.row(token)[head] = Float(exp(Double(weights.decay[head] * step)))
        betas.row(token)[head] = Float(1 / (1 + exp(-Double(betas.row(token)[head]))))
      }
    }
  }

  /// Convolves with the inputs of earlier tokens, and keeps the last ones.
  private static func convolve(
    _ mixed: FloatRows, _ taps: FloatBuffer, _ net: GatedDeltaNet, _ states: [DeltaNetState],
    into channels: FloatRows, _ context: BlockContext
  ) {
    let (level, width) = (context.level, net.channelCount)
    let inputs = ConvolutionInputs(mixed, context.parts, histories: states.map(\.history), width: width)
    context.engine.parallel(mixed.count) { token, _ in
      withUnsafeTemporaryAllocation(of: UnsafePointer<Float>?.self, capacity: net.kernelLength) { rows in
        inputs.select(token, into: rows)
        crk_convolve(level, rows.baseAddress, taps.base, net.kernelLength, width, channels.row(token))
      }
    }
    inputs.keepLast()
  }

  /// Brings queries and keys to length 1, queries divided by sqrt(dk).
  private static func normalize(_ channels: FloatRows, _ net: GatedDeltaNet, _ context: BlockContext) {
    let level = context.level
    let scale = 1 / Float(net.keyDim).squareRoot()
    context.engine.parallel(channels.count) { token, _ in
      for head in 0..<net.keyHeadCount {
        let query = channels.row(token) + head * net.keyDim
        let key = query + net.keyWidth
        crk_l2_norm(level, query, net.keyDim, lengthEpsilon, scale, query)
        crk_l2_norm(level, key, net.keyDim, lengthEpsilon, 1, key)
      }
    }
  }

  /// The recurrence over all tokens.
  private static func recur(
    _ channels: FloatRows, decays: FloatRows, betas: FloatRows, _ net: GatedDeltaNet,
    _ states: [DeltaNetState],
    into output: FloatRows, _ context: BlockContext
  ) {
    let (level, parts) = (context.level, context.parts)
    let pieces = (net.valueDim + columnsPerItem - 1) / columnsPerItem
    let itemCount = net.valueHeadCount * pieces
    context.engine.parallel(parts.count * itemCount) { number, _ in
      let (rows, state, item) = (
        parts[number / itemCount].rows, states[number / itemCount], number % itemCount
      )
      let (head, column) = (item / pieces, item % pieces * columnsPerItem)
      let query = channels.row(rows.lowerBound) + net.keyHead(of: head) * net.keyDim
      var arguments = crk_delta_rule_arguments(
        state: state.matrix(head) + column, state_stride: state.rowStride, queries: query,
        keys: query + net.keyWidth, qk_stride: net.channelCount,
        values: channels.row(rows.lowerBound) + 2 * net.keyWidth + head * net.valueDim + column,
        value_stride: net.channelCount,
        decays: decays.row(rows.lowerBound) + head, betas: betas.row(rows.lowerBound) + head,
        gate_stride: net.valueHeadCount,
        outs: output.row(rows.lowerBound) + head * net.valueDim + column, out_stride: net.valueWidth,
        key_dim: net.keyDim,
        column_count: min(columnsPerItem, net.valueDim - column), token_count: rows.count)
      crk_delta_rule(level, &arguments)
    }
  }
}

/// The rows of a gated delta net.
struct DeltaNetScratch {
  /// What goes into the convolution, `[tokens, channels]`.
  let mixed: FloatRows
  /// What comes out of it: queries of all key heads, keys of all key heads, values of all value heads.
  let channels: FloatRows
  /// `[tokens, value heads * D]`.
  let gate, output: FloatRows
  /// `[tokens, value heads]`.
  let decays, betas: FloatRows
  /// Decays and betas together, where one matrix makes both.
  let both: FloatRows?

  init(_ source: some ScratchSource, _ net: GatedDeltaNet, count: Int) throws {
    mixed = try source.scratch("delta.mixed", count, net.channelCount)
    gate = try source.scratch("delta.gate", count, net.valueWidth)
    decays = try source.scratch("delta.decays", count, net.valueHeadCount)
    betas = try source.scratch("delta.betas", count, net.valueHeadCount)
    both = net.hasJointGates ? try source.scratch("delta.both", count, 2 * net.valueHeadCount) : nil
    channels = try source.scratch("delta.channels", count, net.channelCount)
    output = try source.scratch("delta.output", count, net.valueWidth)
  }
}
