internal import FileBytes
internal import ModelDescriptions
internal import TensorTypes

/// What the name of an architecture says beyond its metadata.
struct ArchitectureTraits {
  var pairing = RotarySettings.Pairing.halves
  var hasOutputGate = false
  var headOrder: DecoderShape.DeltaNet.HeadOrder?
  var hasSharedExpert = false
  /// llama.cpp's fixed choice; GGUF files do not say.
  var normalizesTopK = true
  /// Experts are expected (`true`), refused (`false`), or as the metadata says.
  var isMixture: Bool?

  /// The architectures that have a forward pass.
  static let known: [String: ArchitectureTraits] = [
    "llama": ArchitectureTraits(pairing: .adjacent),
    "qwen2": ArchitectureTraits(isMixture: false),
    "qwen3": ArchitectureTraits(isMixture: false),
    "qwen2moe": ArchitectureTraits(hasSharedExpert: true, normalizesTopK: false, isMixture: true),
    "qwen3moe": ArchitectureTraits(isMixture: true),
    "qwen3next": ArchitectureTraits(
      hasOutputGate: true, headOrder: .grouped, hasSharedExpert: true, isMixture: true),
    "qwen35": ArchitectureTraits(hasOutputGate: true, headOrder: .tiled, isMixture: false),
    "qwen35moe": ArchitectureTraits(
      hasOutputGate: true, headOrder: .tiled, hasSharedExpert: true, isMixture: true),
  ]
}

extension DecoderShape {
  /// Reads the metadata of a GGUF file.
  ///
  /// - Parameters:
  ///   - metadata: All entries.
  ///   - embeddingShape: The shape of `token_embd.weight`, fastest dimension first.
  ///   - file: The name for messages.
  /// - Throws: ``RuntimeError`` with `unsupportedArchitecture` or `badMetadata`.
  init(metadata: [MetadataEntry], embeddingShape: [Int], file: String) throws {
    let keys = try MetadataReader(metadata, file: file)
    guard let traits = ArchitectureTraits.known[keys.architecture] else {
      throw RuntimeError(
        .unsupportedArchitecture,
        Fault(
          file: file, subject: "general.architecture",
          expected: "one of " + ArchitectureTraits.known.keys.sorted().joined(separator: ", "),
          found: keys.architecture, remedy: "this architecture is not supported yet"))
    }
    architecture = keys.architecture
    hiddenSize = try keys.integer("embedding_length")
    guard embeddingShape.count == 2, embeddingShape[0] == hiddenSize, embeddingShape[1] > 0 else {
      throw RuntimeError(
        .wrongShape,
        Fault(
          file: file, subject: "token_embd.weight", expected: "shape [\(hiddenSize), vocabulary]",
          found: "\(embeddingShape)"))
    }
    vocabularySize = embeddingShape[1]
    let blockCount = try keys.integer("block_count", 1...10_000)
    let nextToken = try keys.optional("nextn_predict_layers", 0...64) ?? 0
    layerCount = blockCount - nextToken
    contextLength = try keys.optional("context_length", 1...(1 << 31))
    normEpsilon = Float(try keys.number("attention.layer_norm_rms_epsilon") ?? 1e-6)

    let heads = try keys.integer("attention.head_count", 1...(1 << 16))
    let headDim = try keys.optional("attention.key_length", 1...(1 << 16)) ?? hiddenSize / heads
    attention = Attention(
      headCount: heads,
      keyValueHeadCount: try keys.optional("attention.head_count_kv", 1...(1 << 16)) ?? heads,
      headDim: headDim, hasOutputGate: traits.hasOutputGate)

    let expertCount = try keys.optional("expert_count", 0...(1 << 16)) ?? 0
    feedForwardSize = try keys.optional("feed_forward_length", 0...(1 << 24)) ?? 0
    if traits.isMixture ?? (expertCount > 0) {
      experts = Experts(
        count: try keys.integer("expert_count", 1...(1 << 16)),
        usedCount: try keys.integer("expert_used_count", 1...(1 << 16)),
        width: try keys.optional("expert_feed_forward_length") ?? feedForwardSize,
        sharedWidth: traits.hasSharedExpert
          ? try keys.optional("expert_shared_feed_forward_length") ?? 0 : nil,
        normalizesTopK: traits.normalizesTopK)
    }

    mixers = [MixerKind](repeating: .attention, count: max(layerCount, 0))
    if let order = traits.headOrder {
      let valueHeads = try keys.integer("ssm.time_step_rank", 1...(1 << 16))
      let inner = try keys.integer("ssm.inner_size")
      deltaNet = DeltaNet(
        keyHeadCount: try keys.integer("ssm.group_count", 1...(1 << 16)), valueHeadCount: valueHeads,
        keyDim: try keys.integer("ssm.state_size", 1...(1 << 16)), valueDim: inner / valueHeads,
        kernelLength: try keys.integer("ssm.conv_kernel", 1...64), headOrder: order)
      let interval = try keys.optional("full_attention_interval", 1...10_000) ?? 4
      let recurrent = try keys.flags("attention.recurrent_layers")
      for layer in mixers.indices {
        let isRecurrent =
          if let recurrent { layer < recurrent.count && recurrent[layer] } else {
            (layer + 1) % interval != 0
          }
        if isRecurrent { mixers[layer] = .gatedDeltaNet }
      }
    }

    windows = [Int?](repeating: nil, count: mixers.count)
    rotary = try RotarySettings(
      try Self.rope(metadata, keys), pairing: traits.pairing,
      dimensions: try keys.optional("rope.dimension_count", 2...(1 << 16)) ?? headDim,
      contextLength: contextLength, architecture: keys.architecture, file: file)
    try Self.checkCausal(
      try keys.flag("attention.causal") ?? true, subject: keys.architecture + ".attention.causal", file: file)
    if let groups = try keys.optional("expert_group_count", 0...(1 << 16)), groups > 1 {
      throw RuntimeError(
        .badMetadata,
        Fault(
          file: file, subject: keys.architecture + ".expert_group_count", expected: "1 or no such key",
          found: "\(groups)", remedy: "choosing groups of experts is not supported yet"))
    }
    try check(file: file)
  }

  private static func rope(_ metadata: [MetadataEntry], _ keys: MetadataReader) throws -> RopeParameters {
    do {
      return try RopeParameters(metadata: metadata, architecture: keys.architecture, file: keys.file)
    } catch let error as DescriptionError {
      throw RuntimeError(.badMetadata, error.fault)
    }
  }

  /// Refuses models whose tokens see those after them.
  static func checkCausal(_ isCausal: Bool, subject: String, file: String) throws {
    guard !isCausal else { return }
    throw RuntimeError(
      .unsupportedArchitecture,
      Fault(
        file: file, subject: subject, expected: "true", found: "false",
        remedy: "attention in both directions is not supported yet"))
  }

  /// Checks what the numbers must satisfy together, so that no later arithmetic can trap.
  func check(file: String) throws {
    func require(_ condition: Bool, _ expected: String, _ found: String) throws {
      guard condition else {
        throw RuntimeError(
          .badMetadata, Fault(file: file, subject: architecture, expected: expected, found: found))
      }
    }
    try require(layerCount > 0, "at least one layer", "\(layerCount)")
    try require(mixers.count == layerCount, "\(layerCount) layer kinds", "\(mixers.count)")
    let a = attention
    try require(
      a.headDim > 0 && a.headCount > 0, "heads of at least one dimension", "\(a.headCount) of \(a.headDim)")
    try require(
      a.keyValueHeadCount > 0 && a.headCount % a.keyValueHeadCount == 0,
      "query heads divisible by key heads", "\(a.headCount) and \(a.keyValueHeadCount)")
    try require(
      rotary.dimensions > 0 && rotary.dimensions % 2 == 0 && rotary.dimensions <= a.headDim,
      "an even number of rotary dimensions up to \(a.headDim)", "\(rotary.dimensions)")
    try require(rotary.base > 0 && rotary.base.isFinite, "a rotary base above 0", "\(rotary.base)")
    switch rotary.scaling {
    case .none: break
    case .linear(let factor), .yarn(let factor, _, _, _, _, _), .proportional(_, let factor):
      try require(factor > 0, "a rotary scaling factor above 0", "\(factor)")
    case .perPair(let factors):
      try require(
        factors.count == rotary.dimensions / 2, "\(rotary.dimensions / 2) rotary factors",
        "\(factors.count)")
    }
    try require(windows.count == layerCount, "\(layerCount) windows", "\(windows.count)")
    try require(normEpsilon >= 0, "an epsilon of at least 0", "\(normEpsilon)")
    if let experts {
      try require(
        experts.usedCount > 0 && experts.usedCount <= experts.count,
        "1 to \(experts.count) experts per token",
        "\(experts.usedCount)")
      try require(experts.width > 0, "an expert width above 0", "\(experts.width)")
      if let shared = experts.sharedWidth {
        try require(shared > 0, "a shared expert width above 0", "\(shared)")
      }
    } else {
      try require(feedForwardSize > 0, "a feed-forward width above 0", "\(feedForwardSize)")
    }
    if let net = deltaNet {
      try require(
        net.keyHeadCount > 0 && net.valueHeadCount % net.keyHeadCount == 0,
        "value heads divisible by key heads", "\(net.valueHeadCount) and \(net.keyHeadCount)")
      try require(
        net.keyDim > 0 && net.valueDim > 0, "heads of at least one dimension",
        "\(net.keyDim), \(net.valueDim)")
    } else {
      try require(!mixers.contains(.gatedDeltaNet), "no delta-net layers", "some")
    }
  }
}
