internal import CRuntimeKernels
internal import ModelDescriptions
internal import TensorCompute

/// Causal softmax attention over latent vectors, in the form that never makes keys and values (multi-head latent
/// attention, arXiv:2405.04434, section 2.1.2).
///
/// ```
/// q = Wq x,  or  Wq_up rms(Wq_down x)                   heads of dn values and dr that turn
/// [l | r] = W_latent x;  l = rms(l);  r = rope(r)       c and dr values, all heads' key; l is their value
/// q_h = growth * [a_h | rope(b_h)]                      growth with the position in some models
/// q'_h = [K_h a_h | b_h]                                K_h: the head's key projection, transposed
/// u_h = softmax(scale * q'_h . [l | r]) l               over the positions up to the token's own
/// y = Wo concat(V_h u_h)                                V_h: the head's value projection
/// ```
///
/// The cache has `c + dr` values for each position. Matrices of heads work like those of experts that every token uses.
enum LatentAttentionMixer {
  /// Runs it on a batch, whose latent vectors are added to the caches of its parts.
  static func run(
    _ x: FloatRows, _ part: LatentAttention, _ weights: LatentWeights, caches: [KeyValueCache],
    into y: FloatRows, _ context: BlockContext
  ) throws {
    let sequences = CachedAttention.Part.all(caches, context)
    let scratch = try LatentScratch(
      context, part, count: x.count, end: (context.positions.max() ?? 0) + 1,
      workers: context.engine.workerCount)
    try project(x, part, weights, scratch, context)
    turn(part, context.rotations[weights.rotation], weights.norm, scratch, context)
    store(scratch.latent, sequences, context)

    // [tokens * heads, dn + dr] and [tokens * heads, c + dr]
    let query = scratch.query.cut(into: part.headCount)
    let absorbed = scratch.absorbed.cut(into: part.headCount)
    try tap(weights.key.name, query, part.keyDim, heads: part.headCount, context)
    context.engine.multiplyHeads(query, weights.key.experts, into: absorbed)
    context.engine.parallel(query.count) { row, _ in
      (absorbed.row(row) + part.latentWidth).update(
        from: query.row(row) + part.keyDim, count: part.rotaryDim)
    }

    let heads = CachedAttention.Heads(rows: scratch.absorbed, step: part.cachedWidth)
    let attention = CachedAttention(
      parts: sequences, groupSize: part.headCount, scale: Float(part.scoreScale), scores: scratch.scores)
    attention.run(heads, into: heads, context)

    try tap(weights.value.name, absorbed, part.latentWidth, heads: part.headCount, context)
    context.engine.multiplyHeads(
      absorbed, weights.value.experts, into: scratch.output.cut(into: part.headCount))
    try context.multiply(scratch.output, Product(matrix: weights.output, output: y))
  }

  /// Queries, and latent vectors with their rotary keys.
  private static func project(
    _ x: FloatRows, _ part: LatentAttention, _ weights: LatentWeights, _ scratch: LatentScratch,
    _ context: BlockContext
  ) throws {
    let latent = Product(matrix: weights.latent, output: scratch.latent)
    switch weights.query {
    case .direct(let matrix):
      try context.multiply(x, Product(matrix: matrix, output: scratch.query), latent)
    case .narrowed(let down, let norm, let up):
      guard let narrow = scratch.narrow else { preconditionFailure("a narrow query has rows") }
      try context.multiply(x, Product(matrix: down, output: narrow), latent)
      let (level, epsilon) = (context.level, Float(part.latentNormEpsilon))
      context.engine.parallel(x.count) { token, _ in
        crk_rms_norm(level, narrow.row(token), norm.base, narrow.width, epsilon, narrow.row(token))
      }
      try context.multiply(narrow, Product(matrix: up, output: scratch.query))
    }
  }

  /// Norms latent vectors, turns keys and queries, and lets queries grow.
  private static func turn(
    _ part: LatentAttention, _ rotation: RotationTable, _ norm: FloatBuffer, _ scratch: LatentScratch,
    _ context: BlockContext
  ) {
    let (level, positions, epsilon) = (context.level, context.positions, Float(part.latentNormEpsilon))
    let (query, latent, headDim) = (scratch.query, scratch.latent, part.keyDim + part.rotaryDim)
    context.engine.parallel(query.count) { token, _ in
      let vector = latent.row(token)
      crk_rms_norm(level, vector, norm.base, part.latentWidth, epsilon, vector)
      rotation.rotate(vector + part.latentWidth, position: positions[token], level: level)
      for head in 0..<part.headCount {
        rotation.rotate(
          query.row(token) + head * headDim + part.keyDim, position: positions[token], level: level)
      }
      guard let growth = part.queryGrowth else { return }
      let factor = Float(growth.factor(at: positions[token]))
      guard factor != 1 else { return }
      for index in 0..<query.width { query.row(token)[index] *= factor }
    }
  }

  /// Adds latent vectors to caches, block by block.
  private static func store(
    _ latent: FloatRows, _ parts: [CachedAttention.Part], _ context: BlockContext
  ) {
    let (level, positions) = (context.level, context.positions)
    // The rows of each block of 16 positions.
    var items: [(cache: KeyValueCache, rows: Range<Int>)] = []
    for part in parts {
      var row = part.rows.lowerBound
      while row < part.rows.upperBound {
        let end = min(row + 16 - positions[row] % 16, part.rows.upperBound)
        items.append((part.cache, row..<end))
        row = end
      }
    }
    context.engine.parallel(items.count) { [items] item, _ in
      for row in items[item].rows {
        let vector = latent.row(row)
        items[item].cache.store(key: vector, value: vector, head: 0, position: positions[row], level: level)
      }
    }
  }

  /// Shows what the heads' matrices are multiplied with: one row per token, head after head.
  private static func tap(
    _ name: String, _ rows: FloatRows, _ width: Int, heads: Int, _ context: BlockContext
  ) throws {
    guard let observer = context.observer, observer.wants(name) else { return }
    let shown = try context.scratch("latent.tap", rows.count / heads, heads * width)
    for row in 0..<rows.count {
      (shown.base + row * width).update(from: rows.row(row), count: width)
    }
    context.tap(name, shown)
  }
}

/// The rows of latent attention.
struct LatentScratch {
  /// What narrow queries are made of, `[tokens, rank]`; `nil` when they come from the stream at once.
  let narrow: FloatRows?
  /// `[tokens, heads, dn + dr]`.
  let query: FloatRows
  /// `[tokens, c + dr]`.
  let latent: FloatRows
  /// Queries in the latent space, then in their place what they found: `[tokens, heads, c + dr]`.
  let absorbed: FloatRows
  /// `[tokens, heads, dv]`.
  let output: FloatRows
  /// One row per worker: scores of a tile's queries, and their results.
  let scores: FloatRows

  /// Takes the rows for `count` tokens, the last of which is at position `end` - 1.
  init(_ source: some ScratchSource, _ part: LatentAttention, count: Int, end: Int, workers: Int) throws {
    narrow = try part.queryRank.map { try source.scratch("latent.narrow", count, $0) }
    query = try source.scratch("latent.query", count, part.queryWidth)
    latent = try source.scratch("latent.latent", count, part.cachedWidth)
    absorbed = try source.scratch("latent.absorbed", count, part.headCount * part.cachedWidth)
    output = try source.scratch("latent.output", count, part.valueWidth)
    scores = try source.scratch("attention.scores", workers, CacheShape(part).scoreWidth(end: end))
  }
}
