internal import FileBytes
internal import ModelDescriptions
internal import TensorTypes

/// The memory of llama.cpp's CPU backend, by its allocation rules.
///
/// Rules of October 2026: `llama_context` pads contexts to 256 cells, `llama_kv_cache` allocates all cells of all
/// attention layers, `llama_kv_cache_iswa` for layers with a window as many as that reaches, `llama_memory_recurrent` one
/// f32 state per sequence, and the scheduler reserves the buffer of the largest graph, which is simulated here
/// (``DecoderGraph``).
struct LlamaMemory {
  let priced: PricedModel
  let options: RunOptions

  private var model: Architecture { priced.model }

  /// What a run takes.
  ///
  /// - Throws: ``EstimationError`` with `overflow` or `badOption`.
  func breakdown() throws -> MemoryBreakdown {
    try options.check()
    var parts = [try weights()]
    if options.repacks { parts.append(try repacked()) }
    parts.append(try caches.keyValues())
    if let state = try caches.states() { parts.append(state) }
    parts.append(try computeBuffer())
    parts.append(try outputBuffer())
    if !options.skipsTokenizer { parts.append(tokenizer()) }
    parts.append(overhead())
    return try MemoryBreakdown(engine: .llamaCpp, parts: parts)
  }

  /// The cells of the cache: per stream, and how many streams.
  ///
  /// The context is padded to 256; streams of their own get an equal share, padded again.
  var cells: (perStream: Int, streams: Int) {
    let context = Checked.padded(options.contextLength, to: 256)
    if options.isUnified || options.sequenceCount == 1 { return (context, 1) }
    return (Checked.padded(max(context / options.sequenceCount, 1), to: 256), options.sequenceCount)
  }

  /// The cells of the cache of layers with a window, per stream; `nil` when all layers share one cache.
  var windowCells: Int? {
    guard let window else { return nil }
    if options.keepsFullWindows { return cells.perStream }
    let sequences = options.isUnified ? options.sequenceCount : 1
    return Checked.padded(
      min(cells.perStream, min(window, cells.perStream) * sequences + microBatch), to: 256)
  }

  /// The window of the layers that llama.cpp keeps a cache of their own for.
  var window: Int? {
    guard BuilderHabits(model.name).hasWindowCache else { return nil }
    return model.attentionLayers.lazy.compactMap(\.attention.window).first
  }

  /// The most tokens computed together.
  private var microBatch: Int { min(cells.perStream * cells.streams, options.microBatchLength) }

  /// The caches and states of its layers.
  var caches: LlamaCaches {
    LlamaCaches(
      model: model, options: options, cells: cells.perStream, windowCells: windowCells, streams: cells.streams
    )
  }

  private var loaded: [PricedTensor] {
    priced.tensors.filter(isLoaded)
  }

  private func isLoaded(_ tensor: PricedTensor) -> Bool {
    !tensor.isOutside && (options.loadsNextToken || !tensor.isNextToken)
  }

  /// Whether the CPU backend copies a tensor into interleaved rows on x86 with AVX2: matrices of Q4_0, Q4_K, IQ4_NL
  /// and MXFP4 with a multiple of 8 rows, except the embedding.
  ///
  /// Of stacks of matrices those of routed experts alone: latent attention's, one per head, are used where they lie.
  private func isRepacked(_ tensor: PricedTensor) -> Bool {
    options.repacks && [.q4_0, .q4_K, .iq4_nl, .mxfp4].contains(tensor.type)
      && (tensor.ggmlShape.count == 2 || tensor.ggmlShape.count > 2 && tensor.isRouted)
      && tensor.ggmlShape[1] % 8 == 0 && tensor.role != .tokenEmbedding
  }

  /// The range of the file from the first to the last tensor that is used where it lies.
  private func weights() throws -> MemoryBreakdown.Part {
    var offset = 0
    var first: Int?
    var end = 0
    for tensor in priced.tensors {
      if isLoaded(tensor), !isRepacked(tensor) {
        first = first ?? offset
        end = offset + tensor.byteCount
      }
      offset = try Checked.sum("weights", [offset, Checked.padded(tensor.byteCount, to: priced.alignment)])
    }
    let left = priced.tensors.count - loaded.count
    return .init(
      kind: .weights, name: "weights, mapped", bytes: end - (first ?? 0),
      formula: "the file from the first to the last of \(loaded.count) tensors"
        + (options.repacks ? " that are used where they lie" : "")
        + (left > 0 ? "; \(left) that generating text does not need stay on disk" : ""),
      basis: .exact)
  }

  private func repacked() throws -> MemoryBreakdown.Part {
    var copied = loaded.filter(isRepacked)
    // A tied head is a second use of the embedding, and that is copied.
    if model.tiedEmbeddings, var head = priced.tensor(.tokenEmbedding) {
      head.purpose = TensorPurpose(.output, block: nil)
      if isRepacked(head) { copied.append(head) }
    }
    return .init(
      kind: .repackedWeights, name: "weights, repacked copies",
      bytes: try Checked.sum("repacked weights", copied.map(\.byteCount)),
      formula: "\(copied.count) matrices of q4_0, q4_K, iq4_nl or mxfp4, copied for AVX2 kernels",
      basis: .exact)
  }

  private func computeBuffer() throws -> MemoryBreakdown.Part {
    let (perStream, streams) = cells
    let sequences = options.sequenceCount
    let tokens = Checked.padded(microBatch, to: sequences)
    let outputs = min(microBatch, options.keepsAllLogits ? options.batchLength : sequences)
    let graph = try DecoderGraph(
      model: model, forms: priced.forms,
      batch: DecoderGraph.Batch(
        tokens: tokens, sequences: sequences, outputs: max(outputs, 1), cells: perStream,
        windowCells: windowCells, streams: streams, keyType: options.keyType, valueType: options.valueType,
        flashAttention: options.flashAttention))
    let reserved = graph.graph.reserve()
    let largest = reserved.atPeak.prefix(4).map { "\($0.label) \($0.byteCount)" }.joined(separator: " + ")
    return .init(
      kind: .computeBuffer, name: "compute buffer", bytes: reserved.byteCount,
      formula:
        "graph of \(graph.graph.nodeCount) operations at \(tokens) tokens, \(outputs) outputs; fullest with "
        + largest + " + \(max(0, reserved.atPeak.count - 4)) smaller",
      basis: .exact)
  }

  private func outputBuffer() throws -> MemoryBreakdown.Part {
    .init(
      kind: .outputBuffer, name: "output logits",
      bytes: try Checked.product("logits", model.vocabularySize, options.sequenceCount, 4),
      formula: "\(model.vocabularySize) tokens x \(options.sequenceCount) rows x 4 B", basis: .exact)
  }

  /// Texts, types and maps of the vocabulary as llama.cpp holds them, and the metadata they came from.
  private func tokenizer() -> MemoryBreakdown.Part {
    let header = priced.headerByteCount.upperBound
    return .init(
      kind: .tokenizer, name: "tokenizer",
      bytes: header + model.vocabularySize * Self.bytesPerToken,
      formula: "\(header) B of metadata + \(model.vocabularySize) tokens x \(Self.bytesPerToken) B of tables",
      basis: .measured)
  }

  /// Token records, maps and merges, per token: 385 bytes were measured with Qwen's tokenizer (151,936 tokens), 600
  /// with that of Llama 3 (128,256 tokens, 280,147 merges).
  private static let bytesPerToken = 450

  private func overhead() -> MemoryBreakdown.Part {
    let cells = self.cells
    let bytes = Self.programByteCount + cells.perStream * cells.streams * 12 + priced.tensors.count * 4096
    return .init(
      kind: .overhead, name: "program and graph", bytes: bytes,
      formula: "\(Self.programByteCount) B of program + 12 B per cell + 4 KiB per tensor", basis: .measured)
  }

  /// What a llama.cpp process has before a model is loaded.
  private static let programByteCount = 20_000_000
}
