internal import FileBytes
internal import ModelDescriptions
internal import TensorTypes

/// What llama.cpp keeps of positions that it has seen: keys and values of all cells, and states of fixed size.
struct LlamaCaches {
  let model: Architecture
  let options: RunOptions
  /// Cells of one stream.
  let cells: Int
  /// Cells of one stream in the cache of layers with a window; `nil` when all layers share one cache.
  let windowCells: Int?
  let streams: Int

  /// Layers whose rows in a cache are equal.
  private struct Kind {
    var attention: Attention
    var isWindowed: Bool
    var layerCount: Int
  }

  /// Keys and values of all layers with attention.
  ///
  /// - Throws: ``EstimationError`` with `overflow` or `badOption`.
  func keyValues() throws -> MemoryBreakdown.Part {
    let parts = try softmax() + latent()
    return .init(
      kind: .keyValueCache, name: "KV cache", bytes: try Checked.sum("KV cache", parts.map(\.bytes)),
      formula: parts.map(\.text).joined(separator: " + "), basis: .exact)
  }

  /// Bytes of keys and values of the layers with a window.
  ///
  /// - Throws: ``EstimationError`` with `overflow` or `badOption`.
  func windowByteCount() throws -> Int {
    try Checked.sum("KV cache", try softmax().filter(\.isWindowed).map(\.bytes))
  }

  private typealias Share = (bytes: Int, text: String, isWindowed: Bool)

  private func softmax() throws -> [Share] {
    // Without flash attention, values lie in columns, and every layer has as many as the widest.
    let widest = model.attentionLayers.lazy.map(\.attention.keyValueWidth).max() ?? 0
    return try kinds.map { kind in
      let a = kind.attention
      let cells = kind.isWindowed ? windowCells ?? self.cells : self.cells
      let keyRow = try row(options.keyType, a.keyValueWidth, .keyType)
      let valueRow = try row(options.valueType, options.flashAttention ? a.keyValueWidth : widest, .valueType)
      let window = kind.isWindowed ? a.window.map { " with a window of \($0)" } ?? "" : ""
      return (
        try Checked.product("KV cache", kind.layerCount, cells, streams, keyRow + valueRow),
        "\(kind.layerCount) attention layers of \(model.layers.count)\(window) x \(cells * streams) cells x (\(keyRow) B "
          + "of keys [\(options.keyType.name)] + \(valueRow) B of values [\(options.valueType.name)]), "
          + "\(a.keyValueHeadCount) KV heads x \(a.headDim)", kind.isWindowed
      )
    }
  }

  /// In order of the first layer of each.
  private var kinds: [Kind] {
    var kinds: [Kind] = []
    for (_, attention) in model.attentionLayers {
      var attention = attention
      let isWindowed = windowCells != nil && attention.window != nil
      if !isWindowed { attention.window = nil }
      if let place = kinds.firstIndex(where: { $0.attention == attention }) {
        kinds[place].layerCount += 1
      } else {
        kinds.append(Kind(attention: attention, isWindowed: isWindowed, layerCount: 1))
      }
    }
    return kinds
  }

  private func latent() throws -> [Share] {
    let latents = model.layers.compactMap(\.mixer.latent)
    let kinds = latents.indices.filter { $0 == latents.firstIndex(of: latents[$0]) }.map { latents[$0] }
    return try kinds.map { a in
      guard options.keyType == options.valueType else {
        throw EstimationError(
          .badOption,
          Fault(
            subject: "\(.valueType)",
            expected: "\(options.keyType.name) as \(.keyType) says: latent attention has one cache for both",
            found: "\(options.valueType.name)"))
      }
      let layers = latents.count { $0 == a }
      let keyRow = try row(options.keyType, a.cachedWidth, .keyType)
      return (
        try Checked.product("KV cache", layers, cells, streams, keyRow),
        "\(layers) attention layers of \(model.layers.count) x \(cells * streams) cells x \(keyRow) B "
          + "[\(options.keyType.name)], \(a.latentWidth) latent + \(a.rotaryDim) rotary values", false
      )
    }
  }

  private func row(_ type: TensorType, _ width: Int, _ setting: Setting) throws -> Int {
    guard let bytes = type.rowByteCount(length: width) else {
      throw EstimationError(
        .badOption,
        Fault(
          subject: Wording(setting), expected: "a type that \(width) values per token fit into",
          found: "\(type.name), blocks of \(type.blockLength)"))
    }
    return bytes
  }

  /// States of recurrent layers and convolutions; `nil` for models without.
  ///
  /// - Throws: ``EstimationError`` with `overflow`.
  func states() throws -> MemoryBreakdown.Part? {
    let sequences = options.sequenceCount
    var (bytes, texts): ([Int], [String]) = ([], [])
    if let net = model.deltaNetLayers.first?.net {
      let layers = model.deltaNetLayers.count
      let convolution = try Checked.product("state", net.kernelLength - 1, net.channelCount)
      let matrices = try Checked.product("state", net.valueHeadCount, net.valueDim, net.keyDim)
      bytes.append(try Checked.product("state", layers, sequences, 4, convolution + matrices))
      texts.append(
        "\(layers) linear layers x \(sequences) sequences x 4 B x "
          + "(\(net.kernelLength - 1) x \(net.channelCount) conv + \(net.valueHeadCount) heads x \(net.keyDim) x "
          + "\(net.valueDim))")
    }
    if let part = model.shortConvolutions.first {
      let layers = model.shortConvolutions.count
      bytes.append(try Checked.product("state", layers, sequences, 4, part.kernelLength - 1, part.width))
      texts.append(
        "\(layers) short convolutions x \(sequences) sequences x 4 B x \(part.kernelLength - 1) x \(part.width)"
      )
    }
    guard !bytes.isEmpty else { return nil }
    return .init(
      kind: .recurrentState, name: "recurrent and conv state", bytes: try Checked.sum("state", bytes),
      formula: texts.joined(separator: " + "), basis: .exact)
  }
}
