internal import FileBytes
internal import ModelDescriptions
internal import TensorTypes

/// The largest graph that llama.cpp runs for a model of the supported families: one full batch over a full cache.
///
/// Follows llama.cpp's builders (`qwen2moe`, `qwen3moe`, `qwen35moe`, `qwen3next`, `llama` and their dense relatives,
/// `qwen3vl`, `qwen3vlmoe`, `deepseek`, `deepseek2`, `mistral4`, `olmoe`, `glm4moe`) operation by operation, sizes
/// alone.
struct DecoderGraph {
  /// What the graph is built for.
  struct Batch {
    /// Tokens computed together, a multiple of `sequences`.
    var tokens: Int
    /// Sequences.
    var sequences: Int
    /// Rows of logits.
    var outputs: Int
    /// Positions in the cache of one stream.
    var cells: Int
    /// Streams of the cache.
    var streams: Int
    /// The types of the cache.
    var keyType: TensorType
    var valueType: TensorType
    var flashAttention: Bool
  }

  /// What a file keeps as one tensor, for which llama.cpp has operations of another shape.
  struct Forms: Hashable {
    /// Queries, keys and values of softmax attention.
    var fusesAttention = false
    /// Gate and up projections of routed experts.
    var fusesExperts = false
    /// All projections of a delta net, interleaved by key head.
    var interleavesDeltaNet = false
  }

  let model: Architecture
  let forms: Forms
  let batch: Batch
  var graph = TensorGraph()
  private(set) var positions = 0
  private(set) var mask = 0
  private(set) var keyIndices = 0
  private(set) var queryGrowth: TensorGraph.ID?
  private var valueIndices = 0
  private var keyRotation: (id: TensorGraph.ID, width: Int)?
  private var valueRotation: (id: TensorGraph.ID, width: Int)?

  var width: Int { model.hiddenSize }
  var tokens: Int { batch.tokens }
  var isHybrid: Bool { !model.deltaNetLayers.isEmpty }

  /// Builds the graph.
  ///
  /// - Throws: ``EstimationError`` with `overflow`.
  init(model: Architecture, forms: Forms = Forms(), batch: Batch) throws {
    self.model = model
    self.forms = forms
    self.batch = batch
    try build()
  }

  private mutating func build() throws {
    let input = try embedding()
    var stream = model.deepstackLayerCount > 0 ? graph.view(input) : input
    try makeInputs()
    let outputIDs = try graph.input("output ids", [batch.outputs])

    for (index, layer) in model.layers.enumerated() {
      let normed = try norm(stream, [width, tokens])
      if isHybrid { graph.expand(normed) }
      var mixed =
        switch layer.mixer {
        case .deltaNet(let net): try deltaNet(normed, net)
        case .attention(let part): try attention(normed, part)
        case .latent(let part): try latent(normed, part)
        case .shortConvolution: throw LlamaMemory.unknown(model.name, "short convolutions")
        }
      var residual = stream
      var rows = tokens
      if index == model.layers.count - 1 {
        rows = batch.outputs
        mixed = try graph.result("last rows", [width, rows], [mixed, outputIDs])
        residual = try graph.result("last rows", [width, rows], [residual, outputIDs])
      }
      let sum = try graph.result("residual stream", [width, rows], [mixed, residual], overwrites: true)
      let second = try norm(sum, [width, rows])
      let fed = try feedForward(second, layer.feedForward, rows: rows)
      stream = try graph.result("residual stream", [width, rows], [fed, sum], overwrites: true)
      // Features of images come with the input and are added after the first layers; those of text are zero.
      if index < model.deepstackLayerCount {
        stream = try graph.result(
          "residual stream", [width, rows], [stream, graph.view(input)], overwrites: true)
      }
    }

    let last = try norm(stream, [width, batch.outputs])
    graph.markOutput(last)
    let logits = try graph.result("logits", [model.vocabularySize, batch.outputs], [graph.external, last])
    graph.markOutput(logits)
    graph.expand(logits)
  }

  /// The rows of the embedding, and beside them what batches of vectors, or of tokens and vectors, would take: a graph
  /// has all three, whichever is used.
  private mutating func embedding() throws -> TensorGraph.ID {
    // An input vector may have the features that are added after the first layers beside it.
    let shape = [width * (1 + model.deepstackLayerCount), tokens]
    var rows = try graph.result(
      "residual stream", [width, tokens], [graph.external, graph.input("token ids", [tokens])])
    graph.expand(rows)
    var mixed = try graph.result(
      "embedding input", [width, tokens], [graph.external, graph.input("token ids", [tokens])])
    graph.expand(mixed)
    if model.deepstackLayerCount > 0 {
      rows = try graph.result("residual stream", shape, [rows])
      mixed = try graph.result("embedding input", shape, [mixed])
    }
    graph.expand(rows)
    graph.expand(try graph.input("embedding input", shape))
    let slots = try graph.input("slots", [tokens], elementByteCount: 8)
    let copy = try graph.result("embedding input", shape, [graph.input("embedding input", shape)])
    graph.store([mixed, slots], into: copy)
    return rows
  }

  private mutating func makeInputs() throws {
    // Multimodal rotary embeddings have four positions per token.
    let isMultimodal = model.name.hasPrefix("qwen35") || model.name.hasPrefix("qwen3vl")
    positions = try graph.input("positions", [tokens * (isMultimodal ? 4 : 1)])
    guard model.layers.contains(where: \.mixer.hasCache) else { return }
    keyIndices = try graph.input("key slots", [tokens], elementByteCount: 8)
    mask = try graph.input(
      "attention mask", [batch.cells, tokens / batch.streams, batch.streams],
      elementByteCount: batch.flashAttention ? 2 : 4)
    if model.layers.contains(where: { $0.mixer.latent?.queryGrowth != nil }) {
      queryGrowth = try graph.input("query growth", [tokens])
    }
    guard let a = model.attentionLayers.first?.attention else { return }
    valueIndices = try graph.input(
      "value slots", batch.flashAttention ? [tokens] : [tokens, a.keyValueWidth], elementByteCount: 8)
    // Quantized caches hold rotated heads, for which a Hadamard matrix is an input.
    guard a.headDim % 64 == 0 else { return }
    if batch.keyType.isQuantized {
      var side = 64
      while a.headDim % (side * 2) == 0 { side *= 2 }
      keyRotation = (try graph.input("key rotation", [side, side]), side)
    }
    if batch.valueType.isQuantized {
      valueRotation = (try graph.input("value rotation", [64, 64]), 64)
    }
  }

  /// An RMS norm with its weight.
  mutating func norm(_ x: TensorGraph.ID, _ shape: [Int], _ label: String = "norm") throws -> TensorGraph.ID {
    let scaled = try graph.result(label, shape, [x], overwrites: true)
    return try graph.result(label, shape, [scaled, graph.external], overwrites: true)
  }

  /// A product with a weight matrix of `rows` rows.
  mutating func product(_ label: String, _ x: TensorGraph.ID, rows: Int, columns: Int, bias: Bool = false)
    throws -> TensorGraph.ID
  {
    let y = try graph.result(label, [rows, columns], [graph.external, x])
    return bias ? try graph.result(label, [rows, columns], [y, graph.external], overwrites: true) : y
  }

  /// Softmax attention.
  private mutating func attention(_ x: TensorGraph.ID, _ a: Attention) throws -> TensorGraph.ID {
    let queryShape = [a.headDim, a.headCount, tokens]
    let keyShape = [a.headDim, a.keyValueHeadCount, tokens]
    let queryRows = a.queryWidth * (a.hasOutputGate ? 2 : 1)
    let projected: TensorGraph.ID
    var (query, key, value): (TensorGraph.ID, TensorGraph.ID, TensorGraph.ID)
    if forms.fusesAttention {
      let all = try product(
        "queries, keys and values", x, rows: queryRows + 2 * a.keyValueWidth, columns: tokens,
        bias: a.hasInputBias)
      projected = try part("queries", of: all, a, rows: queryRows)
      query = projected
      key = try part("keys", of: all, a, rows: a.keyValueWidth)
      value = try part("values", of: all, a, rows: a.keyValueWidth)
    } else {
      projected = try product("queries", x, rows: queryRows, columns: tokens, bias: a.hasInputBias)
      query = projected
      key = try product("keys", x, rows: a.keyValueWidth, columns: tokens, bias: a.hasInputBias)
      value = try product("values", x, rows: a.keyValueWidth, columns: tokens, bias: a.hasInputBias)
    }
    if a.hasQueryKeyNorm, a.normsWholeWidth {
      query = try norm(query, [a.queryWidth, tokens], "queries")
      key = try norm(key, [a.keyValueWidth, tokens], "keys")
    }
    (query, key, value) = (graph.view(query), graph.view(key), graph.view(value))
    if a.hasQueryKeyNorm, !a.normsWholeWidth {
      query = try norm(query, queryShape, "queries")
      key = try norm(key, keyShape, "keys")
    }
    query = try graph.result("queries", queryShape, [query, positions], overwrites: true)
    key = try graph.result("keys", keyShape, [key, positions], overwrites: true)
    if let keyRotation {
      query = try rotated("queries", query, keyRotation, a.queryWidth)
      key = try rotated("keys", key, keyRotation, a.keyValueWidth)
    }
    if let valueRotation { value = try rotated("values", value, valueRotation, a.keyValueWidth) }
    graph.expand(query)
    graph.expand(value)
    graph.expand(key)
    graph.store([graph.view(key), keyIndices])
    graph.store([graph.view(value), valueIndices])

    var output = batch.flashAttention ? try flash(query, a) : try scores(query, a)
    graph.expand(output)
    if let valueRotation { output = try rotated("attention", output, valueRotation, a.queryWidth) }
    if a.hasOutputGate {
      let gate = try graph.result("gate", [a.queryWidth, tokens], [graph.view(projected)])
      let open = try graph.result("gate", [a.queryWidth, tokens], [gate], overwrites: true)
      output = try graph.result("gated", [a.queryWidth, tokens], [output, open], overwrites: true)
    }
    return try product("attention output", output, rows: width, columns: tokens, bias: a.hasOutputBias)
  }

  /// A part of a fused product; copied out where heads have a gate besides, or a norm over all of them.
  private mutating func part(
    _ label: String, of all: TensorGraph.ID, _ a: Attention, rows: Int
  ) throws -> TensorGraph.ID {
    let view = graph.view(all)
    return a.hasOutputGate || a.normsWholeWidth ? try graph.result(label, [rows, tokens], [view]) : view
  }

  private mutating func rotated(
    _ label: String, _ x: TensorGraph.ID, _ rotation: (id: TensorGraph.ID, width: Int), _ rows: Int
  ) throws -> TensorGraph.ID {
    graph.view(
      try graph.result(
        label, [rotation.width, rows / rotation.width * tokens], [rotation.id, graph.view(x)]))
  }

  /// A cache as the one operation for scores, softmax and sum takes it: f32 is narrowed to f16 for it.
  mutating func flashOperand(_ label: String, width: Int, type: TensorType) throws -> TensorGraph.ID {
    let view = graph.view(graph.external)
    guard type == .f32 else { return view }
    return try graph.result(label, [width, batch.cells, batch.streams], [view], elementByteCount: 2)
  }

  /// One operation for scores, softmax and sum.
  private mutating func flash(_ query: TensorGraph.ID, _ a: Attention) throws -> TensorGraph.ID {
    let keys = try flashOperand("keys as f16", width: a.keyValueWidth, type: batch.keyType)
    let values = try flashOperand("values as f16", width: a.keyValueWidth, type: batch.valueType)
    let output = try graph.result(
      "attention", [a.headDim, a.headCount, tokens], [graph.view(query), keys, values, mask])
    return graph.view(output)
  }

  /// Scores of all heads and positions at once.
  private mutating func scores(_ query: TensorGraph.ID, _ a: Attention) throws -> TensorGraph.ID {
    let cache = graph.view(graph.external)
    let shape = [batch.cells, tokens, a.headCount]
    let products = try graph.result("scores", shape, [cache, graph.view(query)])
    let shares = try graph.result("scores", shape, [products, mask], overwrites: true)
    let sums = try graph.result("attention", [a.headDim, tokens, a.headCount], [cache, shares])
    return try graph.result("attention", [a.queryWidth, tokens], [graph.view(sums)])
  }
}
