internal import CRuntimeKernels
internal import ModelDescriptions
internal import TensorCompute

/// Causal softmax attention with grouped key/value heads.
///
/// ```
/// q = Wq x (+bq);  k = Wk x (+bk);  v = Wv x (+bv), or k where there is no Wv
/// gated: each head of Wq x is D query values, then D gate values
/// q_h = rope(rms(q_h)), k_g = rope(rms(k_g))            norms where the family has them, over a head or over all,
///                                                       or after the rope; some layers have no rope;
///                                                       q, k and v clipped before the rope where it clips
/// v_g = v_g / sqrt(mean(v_g^2) + epsilon)               where values are normed
/// o_h = softmax(q_h . k_(h div group) / sqrt(D)) v      see ``CachedAttention``; or with a scale of the family's
/// gated: o_h = o_h * sigmoid(gate_h)
/// y = Wo o (+bo)
/// ```
enum SoftmaxAttention {
  /// Runs it on a batch, whose keys and values are added to the caches of its parts.
  static func run(
    _ x: FloatRows, _ a: Attention, _ weights: AttentionWeights, caches: [KeyValueCache], into y: FloatRows,
    _ context: BlockContext
  ) throws {
    let rotation = weights.rotation.map { context.rotations[$0] }
    for (cache, part) in zip(caches, context.parts) {
      cache.makeRoom(first: part.firstPosition, count: part.rows.count)
    }
    let parts = CachedAttention.Part.all(caches, context)
    // query: [tokens, heads, D] or, gated, [tokens, heads, 2, D]; key, value: [tokens, key heads, D]
    let scratch = try AttentionScratch(
      context, a, count: x.count, end: parts.map { $0.firstPlace + $0.rows.count }.max() ?? 0,
      workers: context.engine.workerCount)
    let (query, key, value, output) = (scratch.query, scratch.key, scratch.value, scratch.output)
    let products = [Product(matrix: weights.query, output: query), Product(matrix: weights.key, output: key)]
    try context.multiply(x, products + (weights.value.map { [Product(matrix: $0, output: value)] } ?? []))
    context.add(weights.queryBias, to: query)
    context.add(weights.keyBias, to: key)
    if weights.value == nil { value.base.update(from: key.base, count: key.count * key.width) }
    context.add(weights.valueBias, to: value)

    let queryStep = a.hasOutputGate ? 2 * a.headDim : a.headDim
    prepare(query, step: queryStep, heads: a.headCount, a, norm: weights.queryNorm, rotation, context)
    prepare(key, step: a.headDim, heads: a.keyValueHeadCount, a, norm: weights.keyNorm, rotation, context)
    if let limit = a.clip {
      context.engine.parallel(x.count) { token, _ in clip(value.row(token), value.width, to: Float(limit)) }
    }
    if a.normsValues { normValues(value, a, context) }
    store(key, value, headDim: a.headDim, parts, context)

    let attention = CachedAttention(
      parts: parts, groupSize: a.groupSize,
      scale: a.scoreScale.map { Float($0) } ?? 1 / Float(a.headDim).squareRoot(), window: a.window,
      sinks: weights.sinks, scores: scratch.scores)
    attention.run(
      .init(rows: query, step: queryStep), into: .init(rows: output, step: a.headDim), context)
    if a.hasOutputGate {
      let level = context.level
      context.engine.parallel(x.count) { token, _ in
        for head in 0..<a.headCount {
          crk_sigmoid_multiply(
            level, query.row(token) + head * queryStep + a.headDim, a.headDim,
            output.row(token) + head * a.headDim)
        }
      }
    }
    try context.multiply(output, Product(matrix: weights.output, output: y))
    context.add(weights.outputBias, to: y)
  }

  /// Norms, clips and turns each head in place.
  private static func prepare(
    _ rows: FloatRows, step: Int, heads: Int, _ a: Attention, norm: FloatBuffer?,
    _ rotation: RotationTable?, _ context: BlockContext
  ) {
    let (level, epsilon, headDim) = (context.level, context.normEpsilon, a.headDim)
    let wholeNorm = a.normsWholeWidth ? norm : nil
    let headNorm = a.normsWholeWidth || a.normsAfterRotation ? nil : norm
    let lastNorm = a.normsAfterRotation ? norm : nil
    let positions = context.positions
    context.engine.parallel(rows.count) { token, _ in
      let row = rows.row(token)
      if let wholeNorm { crk_rms_norm(level, row, wholeNorm.base, rows.width, epsilon, row) }
      for index in 0..<heads {
        let head = row + index * step
        if let headNorm { crk_rms_norm(level, head, headNorm.base, headDim, epsilon, head) }
        if let limit = a.clip { clip(head, headDim, to: Float(limit)) }
        rotation?.rotate(head, position: positions[token], level: level)
        if let lastNorm { crk_rms_norm(level, head, lastNorm.base, headDim, epsilon, head) }
      }
    }
  }

  /// Norms each head without weights.
  private static func normValues(_ rows: FloatRows, _ a: Attention, _ context: BlockContext) {
    let (level, epsilon, count) = (context.level, context.normEpsilon, Float(a.headDim))
    context.engine.parallel(rows.count) { token, _ in
      for index in 0..<a.keyValueHeadCount {
        let head = rows.row(token) + index * a.headDim
        // The root of a mean is that of a sum over the root of a count.
        crk_l2_norm(level, head, a.headDim, count * epsilon, count.squareRoot(), head)
      }
    }
  }

  /// Cuts values off at a limit; NaN stays.
  private static func clip(_ values: UnsafeMutablePointer<Float>, _ count: Int, to limit: Float) {
    for index in 0..<count {
      let value = values[index]
      values[index] = value > limit ? limit : value < -limit ? -limit : value
    }
  }

  private static func store(
    _ key: FloatRows, _ value: FloatRows, headDim: Int, _ parts: [CachedAttention.Part],
    _ context: BlockContext
  ) {
    let (level, positions, headCount) = (context.level, context.positions, parts[0].cache.shape.headCount)
    context.engine.parallel(parts.count * headCount) { item, _ in
      let (part, head) = (parts[item / headCount], item % headCount)
      for row in part.rows {
        part.cache.store(
          key: key.row(row) + head * headDim, value: value.row(row) + head * headDim, head: head,
          position: positions[row], level: level)
      }
    }
  }
}

/// The rows of softmax attention.
struct AttentionScratch {
  /// `[tokens, heads, D]` or, gated, `[tokens, heads, 2, D]`.
  let query: FloatRows
  /// `[tokens, key heads, D]`.
  let key, value: FloatRows
  /// `[tokens, heads, D]`.
  let output: FloatRows
  /// One row per worker: scores of a tile's queries, and their results.
  let scores: FloatRows

  /// Takes the rows for `count` tokens, the last of which is at place `end` - 1 of the cache.
  init(_ source: some ScratchSource, _ a: Attention, count: Int, end: Int, workers: Int) throws {
    query = try source.scratch("attention.query", count, a.queryWidth * (a.hasOutputGate ? 2 : 1))
    key = try source.scratch("attention.key", count, a.keyValueWidth)
    value = try source.scratch("attention.value", count, a.keyValueWidth)
    output = try source.scratch("attention.output", count, a.queryWidth)
    scores = try source.scratch("attention.scores", workers, CacheShape(a).scoreWidth(end: end))
  }
}
