internal import CRuntimeKernels
internal import ModelDescriptions
internal import TensorCompute

/// Causal softmax attention with grouped key/value heads.
///
/// ```
/// q = Wq x (+bq);  k = Wk x (+bk);  v = Wv x (+bv)
/// gated: each head of Wq x is D query values, then D gate values
/// q_h = rope(rms(q_h)), k_g = rope(rms(k_g))            norms where the family has them
/// o_h = softmax(q_h . k_(h div group) / sqrt(D)) v      over the positions up to the token's own,
///                                                       the last ones alone where the layer has a window
/// gated: o_h = o_h * sigmoid(gate_h)
/// y = Wo o (+bo)
/// ```
///
/// Every score is one sum in a fixed order, the softmax is taken over the whole row of scores, and values are
/// added in order of position: nothing depends on how tokens are batched.
enum SoftmaxAttention {
  /// Runs it on a batch, whose keys and values are added to the cache.
  static func run(
    _ x: FloatRows, _ a: Attention, _ weights: AttentionWeights, cache: KeyValueCache, into y: FloatRows,
    _ context: BlockContext
  ) throws {
    let rotation = context.rotations[weights.rotation]
    // query: [tokens, heads, D] or, gated, [tokens, heads, 2, D]; key, value: [tokens, key heads, D]
    let scratch = try AttentionScratch(
      context, a, count: x.count, end: context.firstPosition + x.count, workers: context.engine.workerCount)
    let (query, key, value, output) = (scratch.query, scratch.key, scratch.value, scratch.output)
    try context.multiply(
      x, Product(matrix: weights.query, output: query), Product(matrix: weights.key, output: key),
      Product(matrix: weights.value, output: value))
    context.add(weights.queryBias, to: query)
    context.add(weights.keyBias, to: key)
    context.add(weights.valueBias, to: value)

    let queryStep = a.hasOutputGate ? 2 * a.headDim : a.headDim
    prepare(query, step: queryStep, heads: a.headCount, a, norm: weights.queryNorm, rotation, context)
    prepare(key, step: a.headDim, heads: a.keyValueHeadCount, a, norm: weights.keyNorm, rotation, context)
    store(key, value, headDim: a.headDim, cache, context)

    attend(query, a, step: queryStep, cache, scratch: scratch.scores, into: output, context)
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

  /// Norms and turns each head in place.
  private static func prepare(
    _ rows: FloatRows, step: Int, heads: Int, _ a: Attention, norm: FloatBuffer?, _ rotation: RotationTable,
    _ context: BlockContext
  ) {
    let (level, epsilon, headDim) = (context.level, context.normEpsilon, a.headDim)
    context.engine.parallel(rows.count) { token, _ in
      for index in 0..<heads {
        let head = rows.row(token) + index * step
        if let norm { crk_rms_norm(level, head, norm.base, headDim, epsilon, head) }
        rotation.rotate(head, token: token, level: level)
      }
    }
  }

  private static func store(
    _ key: FloatRows, _ value: FloatRows, headDim: Int, _ cache: KeyValueCache, _ context: BlockContext
  ) {
    let (level, first) = (context.level, context.firstPosition)
    context.engine.parallel(cache.headCount) { head, _ in
      for token in 0..<key.count {
        cache.store(
          key: key.row(token) + head * headDim, value: value.row(token) + head * headDim, head: head,
          position: first + token, level: level)
      }
    }
  }

  /// Cuts the queries that share a key head into fours, across the heads of its group and tokens.
  private static func attend(
    _ query: FloatRows, _ a: Attention, step: Int, _ cache: KeyValueCache, scratch: FloatRows,
    into output: FloatRows, _ context: BlockContext
  ) {
    let (level, first, group) = (context.level, context.firstPosition, a.groupSize)
    let queryCount = query.count * group
    let tileCount = (queryCount + 3) / 4
    let scale = 1 / Float(a.headDim).squareRoot()
    context.engine.parallel(cache.headCount * tileCount) { item, worker in
      // Late tokens first: theirs is the most work.
      let (tile, head) = (tileCount - 1 - item / cache.headCount, item % cache.headCount)
      let range = (tile * 4)..<min(tile * 4 + 4, queryCount)
      withUnsafeTemporaryAllocation(of: UnsafePointer<Float>?.self, capacity: 4) { queries in
        withUnsafeTemporaryAllocation(of: UnsafeMutablePointer<Float>?.self, capacity: 4) { outputs in
          withUnsafeTemporaryAllocation(of: crk_span.self, capacity: 4) { spans in
            for (slot, index) in range.enumerated() {
              let (token, member) = (index / group, head * group + index % group)
              queries[slot] = UnsafePointer(query.row(token) + member * step)
              outputs[slot] = output.row(token) + member * a.headDim
              let end = first + token + 1
              spans[slot] = crk_span(start: a.window.map { max(0, end - $0) } ?? 0, end: end)
            }
            var view = cache.view(head)
            crk_attend(
              level, &view, queries.baseAddress, spans.baseAddress, range.count, scale, scratch.row(worker),
              outputs.baseAddress)
          }
        }
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
  /// One row per worker: scores of four queries, and their results.
  let scores: FloatRows

  /// Takes the rows for `count` tokens, the last of which is at position `end` - 1.
  init(_ source: some ScratchSource, _ a: Attention, count: Int, end: Int, workers: Int) throws {
    query = try source.scratch("attention.query", count, a.queryWidth * (a.hasOutputGate ? 2 : 1))
    key = try source.scratch("attention.key", count, a.keyValueWidth)
    value = try source.scratch("attention.value", count, a.keyValueWidth)
    output = try source.scratch("attention.output", count, a.queryWidth)
    let width = 4 * ((end + 15) / 16 * 16) + 4 * KeyValueCache.valueStride(a)
    scores = try source.scratch("attention.scores", workers, width)
  }
}
