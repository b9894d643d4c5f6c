internal import ModelDescriptions
internal import ReferenceRuntime
internal import TensorTypes

/// The memory of Pouch's own runtime: the sum of what `ReferenceRuntime` allocates for a filled context.
///
/// Weights are mapped; pages count once they are touched, and a long text touches all but the next-token block. Scratch
/// memory is one buffer per name, as large as the largest batch made it.
struct PouchMemory {
  let priced: PricedModel
  let options: RunOptions

  private var model: Architecture { priced.model }
  private var batch: Int { min(options.microBatchLength, options.contextLength) }

  /// What a run takes.
  ///
  /// - Throws: ``EstimationError`` with `overflow` or `badOption`.
  func breakdown() throws -> MemoryBreakdown {
    try options.check()
    var parts = [weights(), vectors()]
    if let copies = interleaved() { parts.append(copies) }
    parts.append(try keyValueCache())
    if let state = try recurrentState() { parts.append(state) }
    parts.append(try scratch())
    parts.append(try activations())
    parts.append(try logits())
    if !options.skipsTokenizer { parts.append(tokenizer()) }
    parts.append(
      .init(
        kind: .overhead, name: "program", bytes: PricedModel.processByteCount,
        formula: "a process without a model", basis: .measured))
    return try MemoryBreakdown(engine: .pouch, parts: parts)
  }

  private func weights() -> MemoryBreakdown.Part {
    let loaded = priced.tensors.filter { !$0.isNextToken && !$0.isOutside }
    return .init(
      kind: .weights, name: "weights, mapped", bytes: loaded.reduce(0) { $0 + $1.byteCount },
      formula: "\(loaded.count) tensors as stored", basis: .exact)
  }

  /// Vectors are copied to f32, each into pages of its own.
  func vectors() -> MemoryBreakdown.Part {
    let copied = priced.tensors.filter { tensor in
      !tensor.isNextToken && !tensor.isOutside
        && (tensor.ggmlShape.count == 1
          || [.convolution, .shortConvolutionTaps].contains(tensor.purpose.slot)
          || tensor.name.hasSuffix(".bias"))
    }
    let bytes = copied.reduce(0) { $0 + Checked.padded($1.elementCount * 4, to: 4096) }
    return .init(
      kind: .weights, name: "vectors, copied", bytes: bytes,
      formula: "\(copied.count) vectors x 4 B, in whole pages", basis: .exact)
  }

  /// Projections of delta nets whose rows are interleaved by key head are copied apart.
  private func interleaved() -> MemoryBreakdown.Part? {
    let copied = priced.tensors.filter { !$0.isNextToken && $0.purpose.slot == .deltaNetInputGate }
    guard !copied.isEmpty else { return nil }
    return .init(
      kind: .weights, name: "projections, copied", bytes: copied.reduce(0) { $0 + $1.byteCount },
      formula: "\(copied.count) ssm_in tensors, rows put in order", basis: .exact)
  }

  private func keyValueCache() throws -> MemoryBreakdown.Part {
    let size = options.pouchCacheType == .f32 ? 4 : 2
    let positions = Checked.padded(options.contextLength, to: 16)
    let attentions = model.attentionLayers.map(\.attention)
    var texts = attentions.indices.filter { attentions.firstIndex(of: attentions[$0]) == $0 }.map { first in
      let a = attentions[first]
      let room = RuntimeMemory.cachedPositions(
        of: a, contextLength: options.contextLength, batchLength: batch)
      return
        "\(attentions.count { $0 == a }) attention layers of \(model.layers.count) x \(room) positions x "
        + "\(a.keyValueHeadCount) KV heads x (\(a.headDim) + \(Checked.padded(a.headDim, to: 16))) x \(size) B"
    }
    let latents = model.layers.compactMap(\.mixer.latent)
    if let latent = latents.first {
      texts.append(
        "\(latents.count) latent attention layers x \(positions) positions x (\(latent.latentWidth) latent + "
          + "\(latent.rotaryDim) rotary) x \(size) B")
    }
    return .init(
      kind: .keyValueCache, name: "KV cache", bytes: try counted().cacheByteCount,
      formula: texts.joined(separator: " + "), basis: .exact)
  }

  private func recurrentState() throws -> MemoryBreakdown.Part? {
    var texts: [String] = []
    if let net = model.deltaNetLayers.first?.net {
      texts.append(
        "\(model.deltaNetLayers.count) linear layers x 4 B x (\(net.kernelLength - 1) x "
          + "\(net.channelCount) conv + \(net.valueHeadCount) heads x \(net.keyDim) x "
          + "\(Checked.padded(net.valueDim, to: 16)))")
    }
    if let part = model.shortConvolutions.first {
      texts.append(
        "\(model.shortConvolutions.count) short convolutions x 4 B x \(part.kernelLength - 1) x \(part.width)"
      )
    }
    guard !texts.isEmpty else { return nil }
    return .init(
      kind: .recurrentState, name: "recurrent and conv state", bytes: try counted().stateByteCount,
      formula: texts.joined(separator: " + "), basis: .exact)
  }

  /// The largest batch of activations as int8 codes: codes twice, sums and scales.
  private func preparedByteCount() throws -> Int {
    var (columns, rows) = (model.hiddenSize, batch)
    func take(_ width: Int, slots: Int = 1) {
      guard width * slots > columns * (rows / batch) else { return }
      (columns, rows) = (width, batch * slots)
    }
    // Experts last: of batches of equal size the one without slots counts, whatever the order of layers.
    for layer in model.layers {
      switch layer.mixer {
      case .attention(let part): take(part.queryWidth)
      case .deltaNet(let part): take(part.valueWidth)
      case .latent(let part):
        for width in [part.queryRank ?? 0, part.valueWidth] { take(width) }
        for width in [part.keyDim, part.latentWidth] { take(width, slots: part.headCount) }
      case .shortConvolution(let part): take(part.width)
      }
      if let part = layer.feedForward.dense { take(part.width) }
    }
    for experts in model.layers.compactMap(\.feedForward.experts) {
      take(experts.width, slots: experts.usedCount)
    }
    let lines = (columns + 255) / 256 | 1
    return try Checked.product("activations", rows, 2 * lines * 256 + columns / 256 * 52)
  }

  /// What the runtime says that it takes.
  private func counted() throws -> RuntimeMemory {
    let counted = RuntimeMemory(
      model, contextLength: options.contextLength, batchLength: batch, threads: options.threadCount,
      cacheType: options.pouchCacheType == .f32 ? .f32 : .f16)
    guard let counted else { throw Checked.overflow("KV cache") }
    return counted
  }

  private func scratch() throws -> MemoryBreakdown.Part {
    let counted = try counted()
    let (rows, scores) = (counted.rowByteCount, counted.scoreByteCount)
    return .init(
      kind: .computeBuffer, name: "scratch memory", bytes: try Checked.sum("scratch", [rows, scores]),
      formula:
        "\(batch) tokens x \(rows / 4 / batch) values x 4 B + scores: \(options.threadCount) threads x "
        + "\(scores / 4 / options.threadCount) x 4 B",
      basis: .exact)
  }

  /// Activations as 8-bit codes come and go with every product; the system's heap keeps two to five times the largest
  /// batch of them, differently from run to run.
  private func activations() throws -> MemoryBreakdown.Part {
    let prepared = try preparedByteCount()
    return .init(
      kind: .computeBuffer, name: "8-bit activations",
      bytes: try Checked.product("activations", prepared, 13) / 4,
      formula: "3.25 x \(prepared) B, the largest batch of them: what the heap keeps", basis: .measured)
  }

  private func logits() throws -> MemoryBreakdown.Part {
    let copies = 4
    return .init(
      kind: .outputBuffer, name: "output logits",
      bytes: try Checked.product("logits", model.vocabularySize, copies, 4),
      formula: "\(model.vocabularySize) tokens x (scratch 4 B + copy 4 B + candidates 8 B)", basis: .exact)
  }

  func tokenizer() -> MemoryBreakdown.Part {
    let header = priced.headerByteCount.upperBound
    return .init(
      kind: .tokenizer, name: "tokenizer",
      bytes: header + model.vocabularySize * Self.bytesPerToken,
      formula: "\(header) B of metadata + \(model.vocabularySize) tokens x \(Self.bytesPerToken) B of tables",
      basis: .measured)
  }

  /// Strings, maps and merges, per token: 120 bytes were measured with Qwen's tokenizer, 200 with that of Llama 3.
  private static let bytesPerToken = 160
}

extension PricedModel {
  /// A process without a model: program, Foundation, thread stacks.
  static let processByteCount = 24_000_000
  /// What of it is no page of a file; 5 MB were measured with `pouch-perplexity`.
  static let anonymousByteCount = 5_000_000

  /// What a process holds for the model once it is open, before anything is computed: tokenizer and vectors.
  var heldByteCount: Int {
    let memory = PouchMemory(priced: self, options: RunOptions(contextLength: 1))
    return memory.tokenizer().bytes + memory.vectors().bytes
  }

  /// What running the model takes.
  ///
  /// - Parameters:
  ///   - engine: Whose rules apply.
  ///   - options: Context, batch and types of the cache.
  /// - Returns: The parts and their sum.
  /// - Throws: ``EstimationError``.
  package func memory(of engine: RunOptions.Engine, _ options: RunOptions) throws -> MemoryBreakdown {
    switch engine {
    case .llamaCpp: try LlamaMemory(priced: self, options: options).breakdown()
    case .pouch: try PouchMemory(priced: self, options: options).breakdown()
    }
  }
}
