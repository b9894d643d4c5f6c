internal import FileBytes
internal import TextTokenizers

extension HyperParameters {
  /// Reads the hyper-parameters of a checkpoint.
  ///
  /// - Parameters:
  ///   - config: The configuration; absent keys take the family's defaults.
  ///   - family: The family, see ``ModelFamily/family(of:)``.
  /// - Throws: ``DescriptionError`` with `invalidConfig` for impossible values, `notSupported` for variants that
  ///   cannot be converted yet.
  package init(config: ModelConfig, family: ModelFamily) throws {
    let config = config.seen(by: family)
    let traits = family.traits
    layerCount = try config.integer("num_hidden_layers", in: 1...4096)
    hiddenSize = try config.integer("hidden_size", in: 1...(1 << 20))
    vocabularySize = try config.integer("vocab_size")
    contextLength = try config.optionalInteger("max_position_embeddings", in: 1...Int(UInt32.max))
    feedForwardSize = try config.optionalInteger("intermediate_size", in: 0...(1 << 24))
    tiedEmbeddings = try Self.tiesEmbeddings(config)
    normEpsilon = try config.optionalFactor("rms_norm_eps") ?? 1e-6
    guard normEpsilon <= 0.1 else {
      throw config.invalid("rms_norm_eps", expected: "a number above 0 and at most 0.1")
    }
    normIsOffset = traits.normIsOffset
    activation = traits.activation
    if let value = config["hidden_act"] {
      guard let name = value.text else { throw config.invalid("hidden_act", expected: "a name") }
      activation = Activation(named: name)
    }
    if config["is_causal"] != nil { isCausal = try config.flag("is_causal") }

    if traits.isLatent {
      let latent = try LatentAttention(config)
      latentAttention = latent
      attention = latent.plainHeads
    } else {
      attention = try Self.attention(config, traits)
      attention.rope = try RopeParameters(config, of: traits.hasOwnWindowHeads ? "full_attention" : nil)
      attention.rotaryDimensions = try Self.rotaryDimensions(
        config, traits, &attention.rope, headDim: attention.headDim)
    }
    windows = try family.windows(config, layerCount: layerCount)
    experts = traits.isMixture ? try Self.experts(config, family) : nil
    if traits.hasLeadingDense {
      leadingDenseCount = try Self.leadingDenseCount(config, layerCount: layerCount)
      if experts == nil { leadingDenseCount = 0 }
    }
    linearAttention = traits.isHybrid ? try Self.linearAttention(config, traits) : nil
    fullAttentionInterval = try config.optionalInteger("full_attention_interval", in: 1...4096)
    layerKinds = try Self.layerKinds(config, traits, count: layerCount)
    if traits.isHybrid { fullAttentionInterval = fullAttentionInterval ?? 4 }
    family.parts(&self)
    try family.configured(config, &self)
    if attention.rotaryPairing == .adjacent, attention.headDim % 2 != 0 {
      throw config.invalid(
        "head_dim", expected: "an even number (\(attention.headDim) dimensions cannot be paired)")
    }
  }

  /// How many dimensions of a head turn.
  ///
  /// Some families turn a share of them. The others' classes in transformers turn all of them when angles are not
  /// stretched, whatever `partial_rotary_factor` says, and fail when they are.
  private static func rotaryDimensions(
    _ config: ModelConfig, _ traits: ModelFamily.Traits, _ rope: inout RopeParameters, headDim: Int
  ) throws -> Int {
    if let share = traits.rotaryShare { rope.partialFactor = rope.partialFactor ?? share }
    let part = rope.partialFactor ?? 1
    switch rope.scaling {
    // All pairs are laid out, some of them with a speed of 0.
    case .proportional: return headDim
    case _ where traits.rotaryShare != nil:
      let turned = Int(Double(headDim) * part)
      guard turned >= 2, turned % 2 == 0 else {
        throw config.invalid(
          "partial_rotary_factor",
          expected: "a share of \(headDim) dimensions that is an even number of them, not \(turned)")
      }
      return turned
    case .none:
      rope.partialFactor = nil
      return headDim
    default:
      guard part == 1 else {
        throw DescriptionError(
          .notSupported,
          Fault(
            file: config.file, subject: "partial_rotary_factor",
            expected: "1 or no such key in a family that turns whole heads with stretched angles",
            found: "\(part)", remedy: "transformers cannot run this configuration either"))
      }
      return headDim
    }
  }

  /// How many of the first layers have a dense network, as `first_k_dense_replace` or a list of kinds says.
  private static func leadingDenseCount(_ config: ModelConfig, layerCount: Int) throws -> Int {
    let step = try config.optionalInteger("moe_layer_freq") ?? 1
    guard step == 1 else {
      throw DescriptionError(
        .notSupported,
        Fault(
          file: config.file, subject: "moe_layer_freq", expected: "1", found: "\(step)",
          remedy: "a GGUF cannot say that dense layers and layers with experts take turns"))
    }
    if let count = try config.optionalInteger("first_k_dense_replace", in: 0...4096) {
      guard count <= layerCount else {
        throw config.invalid("first_k_dense_replace", expected: "at most num_hidden_layers (\(layerCount))")
      }
      return count
    }
    // Configurations that were made anew list the kind of each layer instead.
    guard let kinds = try config.optionalStrings("mlp_layer_types") else { return min(1, layerCount) }
    let count = kinds.prefix { $0 == "dense" }.count
    guard kinds.count == layerCount, kinds.dropFirst(count).allSatisfy({ $0 == "sparse" }) else {
      throw config.invalid(
        "mlp_layer_types", expected: "\(layerCount) entries, dense ones first, then sparse ones")
    }
    return count
  }

  /// Whether the embedding may serve as the output head.
  ///
  /// transformers looks at the root for the class of a model with several parts and at the text part for a text model
  /// alone, so either place counts; a checkpoint with a head of its own keeps it in any case.
  private static func tiesEmbeddings(_ config: ModelConfig) throws -> Bool {
    let own = try config.flag("tie_word_embeddings")
    return own || config.document["tie_word_embeddings"]?.flag == true
  }

  private static func attention(_ config: ModelConfig, _ traits: ModelFamily.Traits) throws -> Attention {
    let heads = try config.integer("num_attention_heads", in: 1...(1 << 16))
    let keyValueHeads = try config.optionalInteger("num_key_value_heads", in: 1...(1 << 16)) ?? heads
    guard heads % keyValueHeads == 0 else {
      throw config.invalid("num_key_value_heads", expected: "a divisor of num_attention_heads (\(heads))")
    }
    let hidden = try config.integer("hidden_size", in: 1...(1 << 20))
    guard
      let headDim = try config.optionalInteger("head_dim", in: 1...(1 << 16))
        ?? (hidden % heads == 0 ? hidden / heads : nil)
    else { throw config.invalid("num_attention_heads", expected: "a divisor of hidden_size (\(hidden))") }
    var attention = Attention(headCount: heads, keyValueHeadCount: keyValueHeads, headDim: headDim)
    func has(_ rule: ModelFamily.Presence) throws -> Bool {
      switch rule {
      case .never: false
      case .always: true
      case .key(let key): try config.flag(key)
      }
    }
    attention.hasInputBias = try has(traits.inputBias)
    attention.hasOutputBias = try has(traits.outputBias)
    attention.hasQueryKeyNorm = try has(traits.queryKeyNorm)
    return attention
  }

  private static func experts(_ config: ModelConfig, _ family: ModelFamily) throws -> Experts {
    let countKeys = ["num_local_experts", "num_experts", "n_routed_experts"]
    let countKey =
      countKeys.first { config[$0] != nil } ?? (family.traits.hasLeadingDense ? countKeys[2] : countKeys[1])
    let count = try config.integer(countKey, in: 1...65536)
    let used = try config.integer("num_experts_per_tok", in: 1...count)
    let step = try config.optionalInteger("decoder_sparse_step") ?? 1
    let denseLayers = config["mlp_only_layers"]?.elements ?? []
    guard step == 1, denseLayers.isEmpty else {
      throw DescriptionError(
        .notSupported,
        Fault(
          file: config.file, subject: "decoder_sparse_step, mlp_only_layers",
          expected: "experts in every layer (1 and an empty list)",
          found: "\(step) and a list of \(denseLayers.count)",
          remedy: "llama.cpp cannot load models of \(family.name) that mix dense and expert layers"))
    }
    let width = try config.integer(
      family.traits.expertWidthIsFeedForwardSize ? "intermediate_size" : "moe_intermediate_size")
    var experts = Experts(
      count: count, usedCount: used, width: width,
      router: try family.traits.router?(config) ?? family.traits.assumedRouter)
    switch family.traits.sharedExpert {
    case .none: break
    case .gated: experts.sharedWidth = try config.integer("shared_expert_intermediate_size")
    case .counted:
      experts.hasSharedGate = false
      experts.sharedWidth = try sharedWidth(config, width)
    case .sized:
      experts.hasSharedGate = false
      let whole = try config.optionalInteger("shared_expert_intermediate_size", in: 0...(1 << 24)) ?? 0
      experts.sharedWidth = whole > 0 ? whole : try sharedWidth(config, width)
    }
    return experts
  }

  /// The width of so many shared experts that compute as one, `nil` without them.
  private static func sharedWidth(_ config: ModelConfig, _ width: Int) throws -> Int? {
    let count = try config.optionalInteger("n_shared_experts", in: 0...1024) ?? 0
    guard count * width <= 1 << 24 else {
      throw config.invalid(
        "n_shared_experts", expected: "experts that are at most \(1 << 24) wide together, \(width) each")
    }
    return count > 0 ? count * width : nil
  }

  private static func linearAttention(
    _ config: ModelConfig, _ traits: ModelFamily.Traits
  ) throws -> GatedDeltaNet {
    let keyHeads = try config.integer("linear_num_key_heads", in: 1...(1 << 16))
    let valueHeads = try config.integer("linear_num_value_heads", in: 1...(1 << 16))
    guard valueHeads % keyHeads == 0 else {
      throw config.invalid(
        "linear_num_value_heads", expected: "a multiple of linear_num_key_heads (\(keyHeads))")
    }
    var net = GatedDeltaNet(
      keyHeadCount: keyHeads, valueHeadCount: valueHeads,
      keyDim: try config.integer("linear_key_head_dim", in: 1...(1 << 16)),
      valueDim: try config.integer("linear_value_head_dim", in: 1...(1 << 16)),
      kernelLength: try config.integer("linear_conv_kernel_dim", in: 1...1024))
    net.valueHeadOrder = traits.tilesValueHeads ? .tiled : .grouped
    return net
  }

  /// What mixes positions in each layer, as `layer_types` or a family's own keys say.
  private static func layerKinds(
    _ config: ModelConfig, _ traits: ModelFamily.Traits, count: Int
  ) throws -> [LayerKind] {
    guard traits.isHybrid || traits.hasShortConvolutions else {
      return [LayerKind](repeating: .attention, count: count)
    }
    let (other, name) =
      traits.isHybrid ? (LayerKind.linearAttention, "linear_attention") : (.shortConvolution, "conv")
    if let names = try config.optionalStrings("layer_types") {
      guard names.count == count else {
        throw config.invalid("layer_types", expected: "\(count) entries, one for each of num_hidden_layers")
      }
      return try names.map { found in
        switch found {
        case name: return other
        case "full_attention": return .attention
        default:
          throw DescriptionError(
            .notSupported,
            Fault(
              file: config.file, subject: "layer_types", expected: "\(name) or full_attention", found: found))
        }
      }
    }
    if traits.hasShortConvolutions {
      guard let list = config["full_attn_idxs"] else {
        throw config.invalid("layer_types", expected: "conv or full_attention for each layer")
      }
      guard let numbers = list.elements?.map(\.integer),
        numbers.allSatisfy({ $0.map((0..<count).contains) == true })
      else { throw config.invalid("full_attn_idxs", expected: "a list of layers, 0 to \(count - 1)") }
      return (0..<count).map { numbers.contains($0) ? .attention : other }
    }
    let interval = try config.optionalInteger("full_attention_interval", in: 1...4096) ?? 4
    return (0..<count).map { ($0 + 1) % interval == 0 ? .attention : other }
  }
}
