internal import ModelDescriptions
internal import TensorTypes

extension DecoderGraph {
  /// Attention over latent vectors: queries are brought to the latent space, whose one key serves all heads, and what
  /// they find there is made into values afterwards (`deepseek2`, `mistral4`).
  mutating func latent(_ x: TensorGraph.ID, _ a: LatentAttention) throws -> TensorGraph.ID {
    guard let cache else { preconditionFailure("layers with attention have a cache") }
    let query = try latentQuery(x, a)
    let joint = try product("latent vectors", x, rows: a.cachedWidth, columns: tokens)
    let turned = try graph.result(
      "rotary keys", [a.rotaryDim, 1, tokens], [graph.view(joint), positions], overwrites: true)
    let vector = graph.view(try norm(graph.view(joint), [a.latentWidth, tokens], "latent vectors"))
    let key = try graph.result("keys", [a.cachedWidth, 1, tokens], [vector, turned])
    graph.expand(query)
    graph.expand(vector)
    graph.expand(key)
    graph.store([graph.view(key), cache.keyIndices])
    let output = batch.flashAttention ? try latentFlash(query, a, cache) : try latentScores(query, a, cache)
    graph.expand(output)
    return try product("attention output", output, rows: width, columns: tokens)
  }

  /// What each head looks for: a vector of the latent space, then the part that turns.
  private mutating func latentQuery(
    _ x: TensorGraph.ID, _ a: LatentAttention
  ) throws -> TensorGraph.ID {
    var source = x
    if let rank = a.queryRank {
      source = try norm(
        try product("query vectors", x, rows: rank, columns: tokens), [rank, tokens], "query vectors")
    }
    let heads = graph.view(try product("queries", source, rows: a.queryWidth, columns: tokens))
    let turned = try graph.result(
      "rotary queries", [a.rotaryDim, a.headCount, tokens], [graph.view(heads), positions], overwrites: true)
    let absorbed = try graph.result(
      "latent queries", [a.latentWidth, tokens, a.headCount], [graph.external, graph.view(heads)])
    let shape = [a.cachedWidth, a.headCount, tokens]
    let query = try graph.result("queries", shape, [graph.view(absorbed), turned])
    guard let queryGrowth else { return query }
    return try graph.result("queries", shape, [query, queryGrowth], overwrites: true)
  }

  private mutating func latentFlash(
    _ query: TensorGraph.ID, _ a: LatentAttention, _ cache: Cache
  ) throws -> TensorGraph.ID {
    let keys = try flashOperand(
      "keys as f16", width: a.cachedWidth, type: batch.keyType, cells: cache.cells)
    let vectors = try flashOperand(
      "latent vectors as f16", width: a.latentWidth, type: batch.keyType, cells: cache.cells)
    let sums = try graph.result(
      "attention", [a.latentWidth, a.headCount, tokens], [graph.view(query), keys, vectors, cache.mask])
    let values = try graph.result(
      "values", [a.valueDim, tokens, a.headCount], [graph.external, graph.view(sums)])
    return graph.view(
      try graph.result("attention", [a.valueDim, a.headCount, tokens], [graph.view(values)]))
  }

  private mutating func latentScores(
    _ query: TensorGraph.ID, _ a: LatentAttention, _ cache: Cache
  ) throws -> TensorGraph.ID {
    let stored = graph.view(graph.external)
    // The cache has the vectors in rows; the sum needs them in columns.
    let columns = try graph.result(
      "latent vectors, transposed", [cache.cells, a.latentWidth, batch.streams], [graph.view(stored)],
      elementByteCount: batch.keyType == .f32 ? 4 : 2)
    let shape = [cache.cells, tokens, a.headCount]
    let products = try graph.result("scores", shape, [stored, graph.view(query)])
    let shares = try graph.result("scores", shape, [products, cache.mask], overwrites: true)
    let sums = try graph.result("attention", [a.latentWidth, tokens, a.headCount], [columns, shares])
    let values = try graph.result("values", [a.valueDim, tokens, a.headCount], [graph.external, sums])
    return try graph.result("attention", [a.valueWidth, tokens], [graph.view(values)])
  }
}
