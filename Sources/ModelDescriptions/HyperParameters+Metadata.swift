internal import FileBytes
public import TensorTypes

extension HyperParameters {
  /// Reads the hyper-parameters of a GGUF.
  ///
  /// What a GGUF does not store follows from the architecture: norms are complete (never stored minus one), and the
  /// chosen experts' weights are divided by their sum in all architectures but `qwen2moe`. Biases on projections and
  /// tied embeddings show in the tensors, not in the metadata; set them from there.
  ///
  /// - Parameters:
  ///   - metadata: The entries of the file.
  ///   - file: The name that errors give.
  /// - Throws: ``DescriptionError`` with `invalidMetadata` or `notSupported`.
  public init(metadata: [MetadataEntry], file: String) throws {
    let reader = try MetadataReader(metadata, file: file)
    let blocks = try reader.integer("block_count", in: 1...4096)
    let nextToken = try reader.optionalInteger("nextn_predict_layers", in: 0...64) ?? 0
    guard nextToken < blocks else {
      throw reader.fault(
        "nextn_predict_layers", expected: "less than block_count (\(blocks))", found: "\(nextToken)")
    }
    layerCount = blocks - nextToken
    nextTokenLayerCount = nextToken
    hiddenSize = try reader.integer("embedding_length", in: 1...(1 << 20))
    let tokens = metadata.first { $0.key == "tokenizer.ggml.tokens" }
    var tokenCount: Int?
    if case .array(let list)? = tokens?.value { tokenCount = list.count }
    guard let rows = try reader.optionalInteger("vocab_size", in: 1...(1 << 24)) ?? tokenCount else {
      throw reader.fault("vocab_size", expected: "a whole number or a list of tokens", found: "neither")
    }
    vocabularySize = rows
    contextLength = try reader.optionalInteger("context_length", in: 0...(1 << 31))
    feedForwardSize = try reader.optionalInteger("feed_forward_length", in: 0...(1 << 24))
    normEpsilon = Double(try reader.optionalFloat("attention.layer_norm_rms_epsilon") ?? 1e-6)
    normIsOffset = false
    tiedEmbeddings = false

    let family = reader.family
    attention = try reader.attention(hiddenSize: hiddenSize)
    rotaryPairing = family.traits.rotaryPairing
    rotaryDimensions =
      try reader.optionalInteger("rope.dimension_count", in: 1...(1 << 16)) ?? attention.headDim
    rope = try RopeParameters(metadata: metadata, architecture: reader.architecture, file: file)
    if rotaryDimensions != attention.headDim {
      rope.partialFactor = Double(rotaryDimensions) / Double(attention.headDim)
    }
    windows = [Int?](repeating: nil, count: layerCount)
    isCausal = try reader.flag("attention.causal") ?? true
    experts = try reader.experts(feedForwardSize: feedForwardSize)
    linearAttention = family.traits.isHybrid ? try reader.linearAttention() : nil
    fullAttentionInterval =
      family.traits.isHybrid ? try reader.optionalInteger("full_attention_interval", in: 1...4096) ?? 4 : nil
    layerKinds = try reader.layerKinds(count: layerCount, interval: fullAttentionInterval)
  }
}

/// Typed access to the entries under an architecture's name.
private struct MetadataReader {
  let file: String
  let architecture: String
  let family: ModelFamily
  private let values: [String: MetadataValue]

  init(_ metadata: [MetadataEntry], file: String) throws {
    self.file = file
    values = Dictionary(metadata.map { ($0.key, $0.value) }) { first, _ in first }
    guard let architecture = values["general.architecture"]?.text else {
      throw DescriptionError(
        .invalidMetadata,
        Fault(file: file, subject: "general.architecture", expected: "a name", found: "no such key"))
    }
    self.architecture = architecture
    let isMixture = (values[architecture + ".expert_count"]?.integer ?? 0) > 0
    guard let family = ModelFamily.family(ggufArchitecture: architecture, isMixture: isMixture) else {
      throw DescriptionError(
        .notSupported,
        Fault(
          file: file, subject: "general.architecture",
          expected: "one of " + Set(ModelFamily.all.map(\.ggufArchitecture)).sorted().joined(separator: ", "),
          found: architecture))
    }
    self.family = family
  }

  func fault(_ key: String, expected: String, found: String? = nil) -> DescriptionError {
    DescriptionError(
      .invalidMetadata,
      Fault(
        file: file, subject: architecture + "." + key, expected: expected,
        found: found ?? values[architecture + "." + key].map { "\($0)" } ?? "no such key"))
  }

  func optionalInteger(_ key: String, in range: ClosedRange<Int>) throws -> Int? {
    guard let value = values[architecture + "." + key] else { return nil }
    guard let number = value.integer, range.contains(number) else {
      throw fault(key, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  func integer(_ key: String, in range: ClosedRange<Int>) throws -> Int {
    guard let number = try optionalInteger(key, in: range) else {
      throw fault(key, expected: "a whole number")
    }
    return number
  }

  func optionalFloat(_ key: String) throws -> Float? {
    guard let value = values[architecture + "." + key] else { return nil }
    guard case .float32(let number) = value, number.isFinite else {
      throw fault(key, expected: "an f32 number")
    }
    return number
  }

  func flag(_ key: String) throws -> Bool? {
    guard let value = values[architecture + "." + key] else { return nil }
    guard case .bool(let flag) = value else { throw fault(key, expected: "true or false") }
    return flag
  }

  func attention(hiddenSize: Int) throws -> HyperParameters.Attention {
    let heads = try integer("attention.head_count", in: 1...(1 << 16))
    let keyValueHeads = try optionalInteger("attention.head_count_kv", in: 1...(1 << 16)) ?? heads
    guard heads % keyValueHeads == 0 else {
      throw fault("attention.head_count_kv", expected: "a divisor of \(heads)")
    }
    let headDim = try optionalInteger("attention.key_length", in: 1...(1 << 16)) ?? hiddenSize / heads
    let valueDim = try optionalInteger("attention.value_length", in: 1...(1 << 16)) ?? headDim
    guard headDim == valueDim, headDim > 0 else {
      throw fault("attention.value_length", expected: "\(headDim), the length of keys")
    }
    var attention = HyperParameters.Attention(
      headCount: heads, keyValueHeadCount: keyValueHeads, headDim: headDim)
    if case .always = family.traits.inputBias { attention.hasInputBias = true }
    attention.hasQueryKeyNorm = family.traits.hasQueryKeyNorm
    attention.hasOutputGate = family.traits.hasOutputGate
    return attention
  }

  func experts(feedForwardSize: Int?) throws -> HyperParameters.Experts? {
    guard let count = try optionalInteger("expert_count", in: 0...65536), count > 0 else { return nil }
    guard let width = try optionalInteger("expert_feed_forward_length", in: 1...(1 << 24)) ?? feedForwardSize
    else {
      throw fault("expert_feed_forward_length", expected: "a whole number")
    }
    return HyperParameters.Experts(
      count: count, usedCount: try integer("expert_used_count", in: 1...count), width: width,
      sharedWidth: family.traits.hasSharedExpert
        ? try optionalInteger("expert_shared_feed_forward_length", in: 1...(1 << 24)) : nil,
      normalizesTopK: architecture != "qwen2moe")
  }

  func linearAttention() throws -> HyperParameters.LinearAttention {
    let keyHeads = try integer("ssm.group_count", in: 1...(1 << 16))
    let valueHeads = try integer("ssm.time_step_rank", in: 1...(1 << 16))
    let width = try integer("ssm.inner_size", in: 1...(1 << 24))
    guard valueHeads % keyHeads == 0, width % valueHeads == 0 else {
      throw fault(
        "ssm.time_step_rank", expected: "a multiple of \(keyHeads) that divides ssm.inner_size (\(width))")
    }
    return HyperParameters.LinearAttention(
      keyHeadCount: keyHeads, valueHeadCount: valueHeads,
      keyDim: try integer("ssm.state_size", in: 1...(1 << 16)),
      valueDim: width / valueHeads, kernelLength: try integer("ssm.conv_kernel", in: 1...1024))
  }

  func layerKinds(count: Int, interval: Int?) throws -> [HyperParameters.LayerKind] {
    guard let interval else { return [HyperParameters.LayerKind](repeating: .attention, count: count) }
    if let value = values[architecture + ".attention.recurrent_layers"] {
      guard case .array(.bool(let flags)) = value, flags.count >= count else {
        throw fault("attention.recurrent_layers", expected: "a Boolean for each of \(count) layers")
      }
      return flags.prefix(count).map { $0 ? .linearAttention : .attention }
    }
    return (0..<count).map { ($0 + 1) % interval == 0 ? .attention : .linearAttention }
  }
}
