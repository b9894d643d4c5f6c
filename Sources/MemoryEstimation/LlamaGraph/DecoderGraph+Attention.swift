internal import ModelDescriptions
internal import TensorTypes

extension DecoderGraph {
  /// A matrix that quantized caches turn heads with.
  typealias Rotation = (id: TensorGraph.ID, width: Int)

  /// What the layers of one cache share.
  struct Cache {
    /// Positions per stream.
    var cells: Int
    var keyIndices: TensorGraph.ID
    var mask: TensorGraph.ID
    var valueIndices: TensorGraph.ID
    var keyRotation: Rotation?
    var valueRotation: Rotation?
  }

  /// Whether a layer belongs to the cache of those with a window.
  func isWindowed(_ a: Attention) -> Bool { batch.windowCells != nil && a.window != nil }

  /// The inputs of the cache of layers with a window, or of the others'.
  mutating func makeCache(windowed: Bool) throws -> Cache {
    let cells = windowed ? batch.windowCells ?? batch.cells : batch.cells
    let keyIndices = try graph.input("key slots", [tokens], elementByteCount: 8)
    let mask = try graph.input(
      "attention mask", [cells, tokens / batch.streams, batch.streams],
      elementByteCount: batch.flashAttention ? 2 : 4)
    let valueIndices = try graph.input(
      "value slots", batch.flashAttention ? [tokens] : [tokens, widestValue], elementByteCount: 8)
    var cache = Cache(cells: cells, keyIndices: keyIndices, mask: mask, valueIndices: valueIndices)
    // Quantized caches hold rotated heads, for which a Hadamard matrix is an input.
    let widths = Set(
      model.attentionLayers.map(\.attention).filter { isWindowed($0) == windowed }.map(\.headDim))
    guard widths.count == 1, let width = widths.first, width % 64 == 0,
      model.attentionLayers.first.map({ $0.attention.headDim % 64 == 0 }) ?? false
    else { return cache }
    if batch.keyType.isQuantized {
      var side = 64
      while width % (side * 2) == 0 { side *= 2 }
      cache.keyRotation = (try graph.input("key rotation", [side, side]), side)
    }
    if batch.valueType.isQuantized {
      cache.valueRotation = (try graph.input("value rotation", [64, 64]), 64)
    }
    return cache
  }

  /// The widest row of values of a layer: without flash attention, caches have rows of this width in every layer.
  var widestValue: Int { model.attentionLayers.lazy.map(\.attention.keyValueWidth).max() ?? 0 }

  /// Softmax attention.
  mutating func attention(_ x: TensorGraph.ID, _ a: Attention) throws -> TensorGraph.ID {
    guard let cache = isWindowed(a) ? windowCache : self.cache else {
      preconditionFailure("layers with attention have a cache")
    }
    let projected = try projections(x, a)
    var (query, key, value) = try heads(projected, a)
    if let rotation = cache.keyRotation {
      query = try rotated("queries", query, rotation, a.queryWidth)
      key = try rotated("keys", key, rotation, a.keyValueWidth)
    }
    if let rotation = cache.valueRotation { value = try rotated("values", value, rotation, a.keyValueWidth) }
    graph.expand(query)
    for part in habits.hasWindowCache ? [key, value] : [value, key] { graph.expand(part) }
    graph.store([graph.view(key), cache.keyIndices])
    graph.store([try storedRows(of: value, a), cache.valueIndices])

    var output = batch.flashAttention ? try flash(query, a, cache) : try scores(query, a, cache)
    graph.expand(output)
    if let rotation = cache.valueRotation {
      output = try rotated("attention", output, rotation, a.queryWidth)
    }
    if a.hasOutputGate {
      let gate = try graph.result("gate", [a.queryWidth, tokens], [graph.view(projected.query)])
      let open = try graph.result("gate", [a.queryWidth, tokens], [gate], overwrites: true)
      output = try graph.result("gated", [a.queryWidth, tokens], [output, open], overwrites: true)
    }
    return try product("attention output", output, rows: width, columns: tokens, bias: a.hasOutputBias)
  }

  private typealias Projections = (query: TensorGraph.ID, key: TensorGraph.ID, value: TensorGraph.ID)

  /// Products of queries, keys and values, which may be parts of one.
  private mutating func projections(_ x: TensorGraph.ID, _ a: Attention) throws -> Projections {
    let queryRows = a.queryWidth * (a.hasOutputGate ? 2 : 1)
    if forms.fusesAttention {
      let all = try product(
        "queries, keys and values", x, rows: queryRows + 2 * a.keyValueWidth, columns: tokens,
        bias: a.hasInputBias)
      return (
        try part("queries", of: all, a, rows: queryRows), try part("keys", of: all, a, rows: a.keyValueWidth),
        try part("values", of: all, a, rows: a.keyValueWidth)
      )
    }
    let query = try product("queries", x, rows: queryRows, columns: tokens, bias: a.hasInputBias)
    let key = try product("keys", x, rows: a.keyValueWidth, columns: tokens, bias: a.hasInputBias)
    let value =
      a.hasValueProjection
      ? try product("values", x, rows: a.keyValueWidth, columns: tokens, bias: a.hasInputBias) : key
    return (query, key, value)
  }

  /// A part of a fused product; copied out where heads have a gate besides, or a norm over all of them.
  private mutating func part(
    _ label: String, of all: TensorGraph.ID, _ a: Attention, rows: Int
  ) throws -> TensorGraph.ID {
    let view = graph.view(all)
    let isCopied = a.hasOutputGate || a.normsWholeWidth || habits.copiesFusedParts
    return isCopied ? try graph.result(label, [rows, tokens], [view]) : view
  }

  /// Heads as they meet the cache: normed and turned.
  private mutating func heads(_ projected: Projections, _ a: Attention) throws -> Projections {
    let queryShape = [a.headDim, a.headCount, tokens]
    let keyShape = [a.headDim, a.keyValueHeadCount, tokens]
    var (query, key, value) = projected
    if a.hasQueryKeyNorm, a.normsWholeWidth {
      query = try norm(query, [a.queryWidth, tokens], "queries")
      key = try norm(key, [a.keyValueWidth, tokens], "keys")
    }
    (query, key, value) = (graph.view(query), graph.view(key), graph.view(value))
    let normsHeads = a.hasQueryKeyNorm && !a.normsWholeWidth
    if normsHeads, !a.normsAfterRotation {
      query = try norm(query, queryShape, "queries")
      key = try norm(key, keyShape, "keys")
    }
    if a.normsValues { value = try graph.result("values", keyShape, [value], overwrites: true) }
    if a.rotaryDimensions > 0 {
      query = try graph.result("queries", queryShape, [query, positions], overwrites: true)
      key = try graph.result("keys", keyShape, [key, positions], overwrites: true)
    }
    if normsHeads, a.normsAfterRotation {
      query = try norm(query, queryShape, "queries")
      key = try norm(key, keyShape, "keys")
    }
    if habits.scalesQueries {
      query = try graph.result("queries", queryShape, [query], overwrites: true)
    }
    return (query, key, value)
  }

  private mutating func rotated(
    _ label: String, _ x: TensorGraph.ID, _ rotation: Rotation, _ rows: Int
  ) throws -> TensorGraph.ID {
    graph.view(
      try graph.result(
        label, [rotation.width, rows / rotation.width * tokens], [rotation.id, graph.view(x)]))
  }

  /// Values as they go into the cache: without flash attention column by column, for which rows must lie one after the
  /// other and be as wide as the widest of any layer.
  private mutating func storedRows(of value: TensorGraph.ID, _ a: Attention) throws -> TensorGraph.ID {
    guard !batch.flashAttention else { return graph.view(value) }
    var rows = graph.view(value)
    if forms.fusesAttention, !a.hasOutputGate, !a.normsWholeWidth, !habits.copiesFusedParts {
      rows = try graph.result("values", [a.keyValueWidth, tokens], [rows])
    }
    if a.keyValueWidth < widestValue { rows = try graph.result("values", [widestValue, tokens], [rows]) }
    return graph.view(rows)
  }

  /// A cache as the one operation for scores, softmax and sum takes it: f32 is narrowed to f16 for it.
  mutating func flashOperand(
    _ label: String, width: Int, type: TensorType, cells: Int
  ) throws -> TensorGraph.ID {
    let view = graph.view(graph.external)
    guard type == .f32 else { return view }
    return try graph.result(label, [width, cells, batch.streams], [view], elementByteCount: 2)
  }

  /// One operation for scores, softmax and sum.
  private mutating func flash(
    _ query: TensorGraph.ID, _ a: Attention, _ cache: Cache
  ) throws -> TensorGraph.ID {
    let keys = try flashOperand(
      "keys as f16", width: a.keyValueWidth, type: batch.keyType, cells: cache.cells)
    let values = try flashOperand(
      "values as f16", width: a.keyValueWidth, type: batch.valueType, cells: cache.cells)
    let output = try graph.result(
      "attention", [a.headDim, a.headCount, tokens], [graph.view(query), keys, values, cache.mask])
    return graph.view(output)
  }

  /// Scores of all heads and positions at once.
  private mutating func scores(
    _ query: TensorGraph.ID, _ a: Attention, _ cache: Cache
  ) throws -> TensorGraph.ID {
    let stored = graph.view(graph.external)
    let shape = [cache.cells, tokens, a.headCount]
    let products = try graph.result("scores", shape, [stored, graph.view(query)])
    let shares = try graph.result("scores", shape, [products, cache.mask], overwrites: true)
    let sums = try graph.result("attention", [a.headDim, tokens, a.headCount], [stored, shares])
    return try graph.result("attention", [a.queryWidth, tokens], [graph.view(sums)])
  }
}
