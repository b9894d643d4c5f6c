internal import ModelDescriptions
internal import TensorTypes

/// The largest graph that llama.cpp runs for a model of the supported families: one full batch over a full cache.
///
/// Follows llama.cpp's builders (`qwen2moe`, `qwen3moe`, `qwen35moe`, `qwen3next`, `llama` and their dense relatives,
/// `qwen3vl`, `qwen3vlmoe`, `deepseek`, `deepseek2`, `mistral4`, `olmoe`, `glm4moe`, `gpt-oss`, `gemma4`, `lfm2moe`,
/// `exaone-moe`, `phimoe` and others with the same parts) operation by operation, sizes alone.
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
    /// Positions in the cache of layers with a window, one stream; `nil` when there is one cache for all layers.
    var windowCells: Int?
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
  let habits: BuilderHabits
  var graph = TensorGraph()
  private(set) var positions = 0
  private(set) var cache: Cache?
  private(set) var windowCache: Cache?
  private(set) var queryGrowth: TensorGraph.ID?

  var width: Int { model.hiddenSize }
  var tokens: Int { batch.tokens }
  private var hasDeltaNets: Bool { !model.deltaNetLayers.isEmpty }

  /// Builds the graph.
  ///
  /// - Throws: ``EstimationError`` with `overflow`.
  init(model: Architecture, forms: Forms = Forms(), batch: Batch) throws {
    self.model = model
    self.forms = forms
    self.batch = batch
    habits = BuilderHabits(model.name)
    try build()
  }

  private mutating func build() throws {
    let input = try embedding()
    var stream = model.deepstackLayerCount > 0 ? graph.view(input) : input
    if model.ends.embeddingScale != 1 { stream = try changed(stream, rows: tokens) }
    try makeInputs()
    let outputIDs = try graph.input("output ids", [batch.outputs])

    for (index, layer) in model.layers.enumerated() {
      let normed = try layerNorm(stream, rows: tokens)
      if hasDeltaNets { graph.expand(normed) }
      var mixed =
        switch layer.mixer {
        case .deltaNet(let net): try deltaNet(normed, net)
        case .attention(let part): try attention(normed, part)
        case .latent(let part): try latent(normed, part)
        case .shortConvolution(let part): try shortConvolution(normed, part)
        }
      var residual = stream
      var rows = tokens
      if index == model.layers.count - 1, habits.rowChoice == .beforeLastSum {
        rows = batch.outputs
        mixed = try lastRows(of: mixed, outputIDs)
        residual = try lastRows(of: residual, outputIDs)
      }
      let sum = try joined(
        mixed, residual, layer.residual, rows: rows, streamFirst: habits.addsToStream.mixer)
      let second = try layerNorm(sum, rows: rows)
      let fed = try feedForward(second, layer.feedForward, stream: sum, rows: rows)
      stream = try joined(
        fed, sum, layer.residual, rows: rows, streamFirst: habits.addsToStream.feedForward)
      if layer.residual.hasOutputScale { stream = try changed(stream, rows: rows) }
      // Features of images come with the input and are added after the first layers; those of text are zero.
      if index < model.deepstackLayerCount {
        stream = try graph.result(
          "residual stream", [width, rows], [stream, graph.view(input)], overwrites: true)
      }
    }
    try head(stream, outputIDs)
  }

  /// From the stream to logits.
  private mutating func head(_ stream: TensorGraph.ID, _ outputIDs: TensorGraph.ID) throws {
    let last: TensorGraph.ID
    switch habits.rowChoice {
    case .beforeLastSum: last = try layerNorm(stream, rows: batch.outputs)
    case .beforeOutputNorm:
      graph.markOutput(stream)
      last = try layerNorm(try lastRows(of: stream, outputIDs), rows: batch.outputs)
    case .afterOutputNorm:
      let normed = try layerNorm(stream, rows: tokens)
      graph.markOutput(normed)
      last = try lastRows(of: normed, outputIDs)
    }
    graph.markOutput(last)
    let shape = [model.vocabularySize, batch.outputs]
    var logits = try graph.result("logits", shape, [graph.external, last])
    let ends = model.ends
    // A bias, a factor, and for a limit two factors with a tangent between them.
    let changes =
      (ends.hasOutputBias ? 1 : 0) + (ends.logitDivisor != 1 ? 1 : 0) + (ends.logitCap != nil ? 3 : 0)
    for _ in 0..<changes { logits = try graph.result("logits", shape, [logits], overwrites: true) }
    graph.markOutput(logits)
    graph.expand(logits)
  }

  /// The rows of the tokens whose logits are wanted.
  private mutating func lastRows(
    of x: TensorGraph.ID, _ outputIDs: TensorGraph.ID
  ) throws -> TensorGraph.ID {
    try graph.result("last rows", [width, batch.outputs], [x, outputIDs])
  }

  /// The stream after an operation that may take its place, such as a factor.
  private mutating func changed(_ stream: TensorGraph.ID, rows: Int) throws -> TensorGraph.ID {
    try graph.result("residual stream", [width, rows], [stream], overwrites: true)
  }

  /// The sum of the stream and what a branch gives.
  private mutating func joined(
    _ branch: TensorGraph.ID, _ stream: TensorGraph.ID, _ residual: Residual, rows: Int, streamFirst: Bool
  ) throws -> TensorGraph.ID {
    var branch = branch
    if residual.normsOutputs { branch = try layerNorm(branch, rows: rows) }
    if residual.factor != 1 { branch = try changed(branch, rows: rows) }
    return try graph.result(
      "residual stream", [width, rows], streamFirst ? [stream, branch] : [branch, stream], overwrites: true)
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
    cache = try makeCache(windowed: false)
    if batch.windowCells != nil { windowCache = try makeCache(windowed: true) }
    if model.layers.contains(where: { $0.mixer.latent?.queryGrowth != nil }) {
      queryGrowth = try graph.input("query growth", [tokens])
    }
  }

  /// An RMS norm with its weight.
  mutating func norm(_ x: TensorGraph.ID, _ shape: [Int], _ label: String = "norm") throws -> TensorGraph.ID {
    let scaled = try graph.result(label, shape, [x], overwrites: true)
    return try graph.result(label, shape, [scaled, graph.external], overwrites: true)
  }

  /// A norm of the stream's width; what transformers computes with a mean, llama.cpp computes without, and with a bias.
  mutating func layerNorm(_ x: TensorGraph.ID, rows: Int) throws -> TensorGraph.ID {
    let normed = try norm(x, [width, rows])
    guard model.norm == .meanAndVariance else { return normed }
    return try graph.result("norm", [width, rows], [normed, graph.external], overwrites: true)
  }

  /// A product with a weight matrix of `rows` rows.
  mutating func product(_ label: String, _ x: TensorGraph.ID, rows: Int, columns: Int, bias: Bool = false)
    throws -> TensorGraph.ID
  {
    let y = try graph.result(label, [rows, columns], [graph.external, x])
    return bias ? try graph.result(label, [rows, columns], [y, graph.external], overwrites: true) : y
  }
}
