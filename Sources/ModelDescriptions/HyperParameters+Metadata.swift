internal import FileBytes
public import TensorTypes

extension HyperParameters {
  /// Reads the hyper-parameters of a GGUF.
  ///
  /// What a GGUF does not store follows from the architecture: norms are complete (never stored minus one), and the
  /// chosen experts' weights are divided by their sum in all architectures but `qwen2moe`. Biases on projections and
  /// tied embeddings show in the tensors, not in the metadata; set them from there.
  ///
  /// Files of Ollama's converter are read, too: numbers of key and value heads per layer, zero where there is no
  /// softmax attention, which then tell the kinds of layers, and three rotary sections.
  ///
  /// - Parameters:
  ///   - metadata: The entries of the file.
  ///   - embeddingRows: The rows of the embedding tensor; without them the size of the vocabulary is that of the key
  ///     or of the list of tokens.
  ///   - file: The name that errors give.
  /// - Throws: ``DescriptionError`` with `invalidMetadata` or `notSupported`.
  public init(metadata: [MetadataEntry], embeddingRows: Int? = nil, file: String) throws {
    let reader = try MetadataReader(metadata, file: file)
    let blocks = try reader.integer("block_count")
    let nextToken = try reader.optionalInteger("nextn_predict_layers") ?? 0
    guard nextToken < blocks else {
      throw reader.fault(
        "nextn_predict_layers", expected: "less than block_count (\(blocks))", found: "\(nextToken)")
    }
    layerCount = blocks - nextToken
    nextTokenLayerCount = nextToken
    hiddenSize = try reader.integer("embedding_length")
    let tokens = metadata.first { $0.key == "tokenizer.ggml.tokens" }
    var tokenCount: Int?
    if case .array(let list)? = tokens?.value { tokenCount = list.count }
    let stated = try reader.optionalInteger("vocab_size")
    guard let rows = embeddingRows ?? stated ?? tokenCount else {
      throw reader.fault("vocab_size", expected: "a whole number or a list of tokens", found: "neither")
    }
    vocabularySize = rows
    contextLength = try reader.optionalInteger("context_length")
    feedForwardSize = try reader.optionalInteger("feed_forward_length")
    normEpsilon = Double(try reader.optionalFloat("attention.layer_norm_rms_epsilon") ?? 1e-6)
    normIsOffset = false
    tiedEmbeddings = false

    let family = reader.family
    let kinds = try reader.layerKinds(count: layerCount, blockCount: blocks)
    layerKinds = kinds.kinds
    fullAttentionInterval = kinds.interval
    if family.traits.isLatent {
      let latent = try LatentAttention(reader, metadata: metadata, file: file)
      latentAttention = latent
      attention = latent.plainHeads
    } else {
      attention = try reader.attention(hiddenSize: hiddenSize, kinds: kinds.kinds, blockCount: blocks)
      attention.rotaryPairing = family.traits.rotaryPairing
      attention.rotaryDimensions =
        try reader.optionalInteger("rope.dimension_count") ?? attention.headDim
      attention.rope = try RopeParameters(metadata: metadata, architecture: reader.architecture, file: file)
      if attention.rotaryDimensions != attention.headDim {
        attention.rope.partialFactor = Double(attention.rotaryDimensions) / Double(attention.headDim)
      }
    }
    windows = [Int?](repeating: nil, count: layerCount)
    isCausal = reader.flag("attention.causal") ?? true
    experts = try reader.experts(feedForwardSize: feedForwardSize)
    leadingDenseCount = try reader.leadingDenseCount(layerCount: layerCount)
    if family.traits.hasDeepstack {
      deepstackLayerCount = try reader.optionalInteger("n_deepstack_layers") ?? 0
    }
    linearAttention = family.traits.isHybrid ? try reader.linearAttention() : nil
  }
}

extension MetadataReader {
  func attention(
    hiddenSize: Int, kinds: [HyperParameters.LayerKind], blockCount: Int
  ) throws -> Attention {
    let heads = try integer("attention.head_count")
    let keyValueHeads = try keyValueHeadCount(kinds: kinds, blockCount: blockCount) ?? heads
    guard heads % keyValueHeads == 0 else {
      throw fault("attention.head_count_kv", expected: "a divisor of \(heads)")
    }
    let headDim = try optionalInteger("attention.key_length") ?? hiddenSize / heads
    let valueDim = try optionalInteger("attention.value_length") ?? headDim
    guard headDim == valueDim, headDim > 0 else {
      throw fault("attention.value_length", expected: "\(headDim), the length of keys")
    }
    var attention = Attention(
      headCount: heads, keyValueHeadCount: keyValueHeads, headDim: headDim)
    if case .always = family.traits.inputBias { attention.hasInputBias = true }
    if case .always = family.traits.queryKeyNorm { attention.hasQueryKeyNorm = true }
    attention.normsWholeWidth = family.traits.normsWholeWidth
    attention.hasOutputGate = family.traits.hasOutputGate
    return attention
  }

  /// The key and value heads of the layers with softmax attention; what a list says of other layers does not count.
  private func keyValueHeadCount(kinds: [HyperParameters.LayerKind], blockCount: Int) throws -> Int? {
    let key = "attention.head_count_kv"
    let range = 1...(1 << 16)
    guard let counts = value(key)?.integers else { return try optionalInteger(key, in: range) }
    try check(key, counts, layerCount: kinds.count, blockCount: blockCount)
    let used = Set(zip(counts, kinds).filter { $0.1 == .attention }.map(\.0))
    guard used.allSatisfy(range.contains) else {
      throw fault(key, expected: "a number above 0 for each layer with softmax attention")
    }
    guard used.count < 2 else {
      var error = fault(key, expected: "one number for all layers with softmax attention")
      error.code = .notSupported
      error.fault.remedy = "layers of different sizes are not supported yet"
      throw error
    }
    return used.first
  }

  private func check(_ key: String, _ list: [Int], layerCount: Int, blockCount: Int) throws {
    guard list.count == blockCount || list.count == layerCount else {
      throw fault(key, expected: "one number, or one for each of \(blockCount) blocks")
    }
  }

  func experts(feedForwardSize: Int?) throws -> Experts? {
    guard family.traits.isMixture else { return nil }
    let count = try integer("expert_count")
    let used = try integer("expert_used_count", in: 1...count)
    // Some architectures know one width; early files of others have no key for that of an expert.
    let isJoint = family.traits.expertWidthIsFeedForwardSize
    let stated = isJoint ? nil : try optionalInteger("expert_feed_forward_length")
    let whole = feedForwardSize ?? 0
    let width = stated.flatMap { $0 > 0 ? $0 : nil } ?? (isJoint ? whole : whole / used)
    guard width > 0 else {
      throw fault("expert_feed_forward_length", expected: "a whole number above 0")
    }
    var experts = Experts(
      count: count, usedCount: used, width: width, router: try router(expertCount: count, used: used))
    switch family.traits.sharedExpert {
    case .none: break
    case .gated:
      let stated = try optionalInteger("expert_shared_feed_forward_length") ?? 0
      let shared = stated > 0 ? stated : whole
      guard shared != 0 else {
        throw fault("expert_shared_feed_forward_length", expected: "a whole number above 0")
      }
      experts.sharedWidth = shared
    case .counted:
      experts.hasSharedGate = false
      let shared = try integer("expert_shared_count")
      experts.sharedWidth = shared > 0 ? shared * width : nil
    }
    return experts
  }

  /// The router as the keys say, as the architecture has it where they are silent.
  private func router(expertCount count: Int, used: Int) throws -> Router {
    var router = family.traits.assumedRouter
    if family.traits.hasLeadingDense {
      // A factor of 0 stands for none.
      let scale = decimal(Double(try optionalFloat("expert_weights_scale") ?? 1))
      router.scale = scale == 0 ? 1 : scale
    }
    if family.traits.saysRouter {
      if let number = try optionalInteger("expert_gating_func") {
        router.scoring = number == 2 ? .sigmoid : .softmax
      }
      router.normalizesTopK = flag("expert_weights_norm") ?? router.normalizesTopK
      router.hasSelectionBias = router.scoring == .sigmoid
    }
    router.groupCount = max(1, try optionalInteger("expert_group_count") ?? 1)
    guard router.groupCount > 1 else { return router }
    // All models that choose groups by a softmax choose them by the highest.
    if router.scoring == .softmax { router.groupRule = .highest }
    router.usedGroupCount = max(1, try optionalInteger("expert_group_used_count") ?? router.groupCount)
    switch router.groupFault(expertCount: count, usedCount: used) {
    case .count(let expected): throw fault("expert_group_count", expected: expected)
    case .usedCount(let expected): throw fault("expert_group_used_count", expected: expected)
    case nil: break
    }
    return router
  }

  /// How many of the first layers are dense.
  func leadingDenseCount(layerCount: Int) throws -> Int {
    let key = "leading_dense_block_count"
    guard family.traits.hasLeadingDense, let count = try optionalInteger(key) else { return 0 }
    guard count <= layerCount else {
      throw fault(key, expected: "at most the \(layerCount) layers of the trunk")
    }
    return count
  }

  func linearAttention() throws -> GatedDeltaNet {
    let keyHeads = try integer("ssm.group_count")
    let valueHeads = try integer("ssm.time_step_rank")
    let width = try integer("ssm.inner_size")
    guard valueHeads % keyHeads == 0, width % valueHeads == 0 else {
      throw fault(
        "ssm.time_step_rank", expected: "a multiple of \(keyHeads) that divides ssm.inner_size (\(width))")
    }
    var net = GatedDeltaNet(
      keyHeadCount: keyHeads, valueHeadCount: valueHeads,
      keyDim: try integer("ssm.state_size"),
      valueDim: width / valueHeads, kernelLength: try integer("ssm.conv_kernel"))
    // Ollama's converter says of its files whether heads were reordered; others follow the architecture.
    let isTiled = flag("ssm.v_head_reordered") ?? family.traits.tilesValueHeads
    net.valueHeadOrder = isTiled ? .tiled : .grouped
    net.hasJointGates = family.traits.joinsGates
    return net
  }

  /// What mixes positions in each trunk layer, and every how many layers attention is full, where that is said.
  ///
  /// A list of recurrent layers decides; without one the interval, without that a list of key and value heads with
  /// zeros in it, without any an interval of 4.
  func layerKinds(count: Int, blockCount: Int) throws -> (
    kinds: [HyperParameters.LayerKind], interval: Int?
  ) {
    let key = "full_attention_interval"
    guard family.traits.isHybrid else {
      return ([HyperParameters.LayerKind](repeating: .attention, count: count), nil)
    }
    if let value = value("attention.recurrent_layers") {
      let flags: [Bool]? =
        if case .array(.bool(let list)) = value { list } else { value.integers?.map { $0 != 0 } }
      guard let flags, flags.count >= count else {
        throw fault("attention.recurrent_layers", expected: "a Boolean for each of \(count) layers")
      }
      // Beside the list the interval says nothing, whatever it is.
      let stated = self.value(key)?.integer.flatMap { (1...4096).contains($0) ? $0 : nil }
      return (flags.prefix(count).map { $0 ? .linearAttention : .attention }, stated ?? 4)
    }
    let interval = try optionalInteger(key, in: 1...4096)
    let byInterval = (0..<count).map { index -> HyperParameters.LayerKind in
      (index + 1) % (interval ?? 4) == 0 ? .attention : .linearAttention
    }
    guard let heads = value("attention.head_count_kv")?.integers, heads.contains(0) else {
      return (byInterval, interval ?? 4)
    }
    try check("attention.head_count_kv", heads, layerCount: count, blockCount: blockCount)
    let byHeads = heads.prefix(count).map { $0 == 0 ? HyperParameters.LayerKind.linearAttention : .attention }
    guard interval == nil || byHeads == byInterval else {
      throw fault(
        "attention.head_count_kv", expected: "zeros where \(key) (\(interval ?? 4)) puts no attention")
    }
    return (byHeads, interval ?? 4)
  }
}
