internal import TensorTypes

extension TypedKey where Value == Int {
  static var kernelLength: Self { .required("ssm.conv_kernel", in: 2...1024) }
  package static var stateSize: Self { .required("ssm.state_size", in: 1...(1 << 16)) }
  package static var stateGroupCount: Self { .required("ssm.group_count", in: 1...(1 << 16)) }
  package static var stateHeadCount: Self { .required("ssm.time_step_rank", in: 1...(1 << 16)) }
  package static var stateWidth: Self { .required("ssm.inner_size", in: 1...(1 << 24)) }
  package static var fullAttentionInterval: Self {
    .optional("full_attention_interval", else: 4, in: 0...4096)
  }
}

extension TypedKey where Value == [Bool] {
  package static var recurrentLayers: Self {
    .optional("attention.recurrent_layers", as: "full_attention_interval", form: .perBlock)
  }
}

extension TypedKey where Value == Bool {
  /// Ollama's converter says of its files whether value heads were reordered.
  package static var areValueHeadsTiled: Self { .optional("ssm.v_head_reordered", as: "the architecture") }
}

extension GatedDeltaNet {
  /// The keys of models that mix gated delta nets with softmax attention.
  static var keys: [MetadataKey] {
    MetadataKey.counts(
      .kernelLength, .stateSize, .stateGroupCount, .stateHeadCount, .stateWidth, .fullAttentionInterval)
      + [TypedKey<[Bool]>.recurrentLayers.key]
  }

  /// Reads the delta net of the layers that have one.
  ///
  /// - Throws: ``DescriptionError`` with `invalidMetadata`.
  init(_ keys: KeyReader, _ traits: ModelFamily.Traits) throws {
    let keyHeads = try keys.value(.stateGroupCount)
    let valueHeads = try keys.value(.stateHeadCount)
    let width = try keys.value(.stateWidth)
    guard width % valueHeads == 0 else {
      throw keys.fault(.stateHeadCount, expected: "a divisor of ssm.inner_size (\(width))")
    }
    self.init(
      keyHeadCount: keyHeads, valueHeadCount: valueHeads, keyDim: try keys.value(.stateSize),
      valueDim: width / valueHeads, kernelLength: try keys.value(.kernelLength))
    valueHeadOrder = try keys.stated(.areValueHeadsTiled) ?? traits.tilesValueHeads ? .tiled : .grouped
  }

  /// Writes the delta net.
  func write(_ keys: inout KeyWriter) {
    keys.add(.kernelLength, kernelLength)
    keys.add(.stateSize, keyDim)
    keys.add(.stateGroupCount, keyHeadCount)
    keys.add(.stateHeadCount, valueHeadCount)
    keys.add(.stateWidth, valueWidth)
  }
}

extension HyperParameters {
  /// For each block whether it has a recurrent state, blocks for next-token prediction included.
  var recurrentFlags: [Bool] {
    layerKinds.map { $0 == .linearAttention } + [Bool](repeating: false, count: nextTokenLayerCount)
  }

  /// Writes which layers have a recurrent state.
  func writeLayerKinds(_ keys: inout KeyWriter) {
    keys.add(.recurrentLayers, recurrentFlags)
    keys.add(.fullAttentionInterval, fullAttentionInterval)
  }

  /// What mixes positions in each trunk layer, and every how many layers attention is full, where that is said.
  ///
  /// A list of recurrent layers decides; without one the interval, without that a list of key and value heads with
  /// zeros in it, without any an interval of 4.
  static func layerKinds(
    _ keys: KeyReader, _ traits: ModelFamily.Traits, count: Int, blockCount: Int
  ) throws -> (kinds: [LayerKind], interval: Int?) {
    if traits.hasShortConvolutions {
      guard let heads = keys.raw(.keyValueHeadCount)?.integers else {
        throw keys.fault(.keyValueHeadCount, expected: "a number for each layer, 0 for convolutions")
      }
      try keys.checkLength(.keyValueHeadCount, heads, layerCount: count, blockCount: blockCount)
      return (heads.prefix(count).map { $0 == 0 ? .shortConvolution : .attention }, nil)
    }
    guard traits.isHybrid else { return ([LayerKind](repeating: .attention, count: count), nil) }
    if keys.raw(.recurrentLayers) != nil {
      guard let flags = try? keys.stated(.recurrentLayers), flags.count >= count else {
        throw keys.fault(.recurrentLayers, expected: "a Boolean for each of \(count) layers")
      }
      // Beside the list the interval says nothing, whatever it is.
      let stated = keys.count(.fullAttentionInterval).flatMap { (1...4096).contains($0) ? $0 : nil }
      return (flags.prefix(count).map { $0 ? .linearAttention : .attention }, stated ?? 4)
    }
    let stated = try keys.stated(.fullAttentionInterval, in: 1...4096)
    let interval = stated ?? 4
    let byInterval = (0..<count).map { ($0 + 1) % interval == 0 ? LayerKind.attention : .linearAttention }
    guard let heads = keys.raw(.keyValueHeadCount)?.integers, heads.contains(0) else {
      return (byInterval, interval)
    }
    try keys.checkLength(.keyValueHeadCount, heads, layerCount: count, blockCount: blockCount)
    let byHeads = heads.prefix(count).map { $0 == 0 ? LayerKind.linearAttention : .attention }
    guard stated == nil || byHeads == byInterval else {
      throw keys.fault(
        .keyValueHeadCount,
        expected: "zeros where \(TypedKey.fullAttentionInterval.key.name) (\(interval)) puts no attention")
    }
    return (byHeads, interval)
  }
}
