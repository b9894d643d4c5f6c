internal import TensorTypes
internal import TextTokenizers

/// The entries under the architecture's own name, such as `qwen3moe.block_count`, and the file type, which the
/// converter writes in their midst.
struct ArchitectureMetadata {
  private let architecture: String
  /// Whether the configuration as the converter sees it has the width of a head.
  private let hasHeadWidth: Bool
  private(set) var entries: [MetadataEntry] = []

  init(map: CheckpointMap, config rawConfig: ModelConfig, fileType: UInt32) throws {
    architecture = map.family.ggufArchitecture
    let model = map.model
    let config = rawConfig.filled(with: map.family.defaults)
    // transformers has no class for Kimi K2 that would fill it in.
    hasHeadWidth = (rawConfig.modelType == "kimi_k2" ? rawConfig : config)["head_dim"] != nil
    add("block_count", model.blockCount)
    add("context_length", model.contextLength)
    add("embedding_length", model.hiddenSize)
    add("feed_forward_length", model.feedForwardSize)
    add("attention.head_count", model.attention.headCount)
    // Queries brought to the latent space share one key.
    add("attention.head_count_kv", model.latentAttention == nil ? model.attention.keyValueHeadCount : 1)
    if rawConfig["is_causal"]?.flag == false { add("attention.causal", .bool(false)) }
    addRope(model, default: map.family.traits.defaultSections)
    add("attention.layer_norm_rms_epsilon", .float32(Float(model.normEpsilon)))
    let experts =
      model.experts?.count ?? config["num_local_experts"]?.integer ?? config["num_experts"]?.integer
    add("expert_count", experts)
    add("expert_used_count", model.experts?.usedCount ?? config["num_experts_per_tok"]?.integer)
    if let router = model.experts?.router { addRouter(router, map.family, config) }
    addHeadLengths(model)
    entries.append(MetadataEntry("general.file_type", .uint32(fileType)))
    for key in map.family.ownKeys { add(key, model, config, map.family) }
  }

  /// Writes keys that not all architectures have, as far as the model has what they tell.
  private mutating func add(
    _ key: ModelFamily.OwnKey, _ model: HyperParameters, _ config: ModelConfig, _ family: ModelFamily
  ) {
    let experts = model.experts
    switch key {
    case .vocabularySize: add("vocab_size", model.vocabularySize)
    case .rotaryDimensions: add("rope.dimension_count", model.attention.rotaryDimensions)
    case .noRotaryScaling: add("rope.scaling.type", .string("none"))
    case .expertWidth: add("expert_feed_forward_length", experts?.width)
    case .sharedExpertWidth: add("expert_shared_feed_forward_length", experts?.sharedWidth)
    case .sharedExpertCount:
      add("expert_shared_count", experts.map { ($0.sharedWidth ?? 0) / max(1, $0.width) })
    case .leadingDense: add("leading_dense_block_count", model.leadingDenseCount)
    // Elsewhere already, where the configuration names it.
    case .scoring: if config["scoring_func"] == nil, let router = experts?.router { addScoring(router) }
    case .expertScale:
      if let scale = experts?.router.scale { add("expert_weights_scale", .float32(Float(scale))) }
    case .expertSum(let isWrittenAlways):
      if let router = experts?.router, router.normalizesTopK || isWrittenAlways {
        add("expert_weights_norm", .bool(router.normalizesTopK))
      }
    case .latentWidths: if let latent = model.latentAttention { addLatent(latent, model) }
    case .latentRotation: if let latent = model.latentAttention { addLatentRope(latent) }
    case .deltaNet:
      if let net = model.linearAttention {
        addLinearAttention(model, net, default: family.traits.defaultSections)
      }
    case .deepstack: add("n_deepstack_layers", model.deepstackLayerCount)
    case .nextToken(let saysNone):
      let isSaidToBeNone = saysNone && config["num_nextn_predict_layers"]?.integer == 0
      if model.nextTokenLayerCount > 0 || isSaidToBeNone {
        add("nextn_predict_layers", model.nextTokenLayerCount)
      }
    }
  }

  /// Groups of experts, and what makes probabilities of scores.
  private mutating func addRouter(_ router: Router, _ family: ModelFamily, _ config: ModelConfig) {
    if config["n_group"] != nil { add("expert_group_count", router.groupCount) }
    if config["topk_group"] != nil { add("expert_group_used_count", router.usedGroupCount) }
    // Without the key, loaders take softmax for latent attention but in models of some sizes.
    if config["scoring_func"] != nil || (family.traits.isLatent && router.scoring == .sigmoid) {
      addScoring(router)
    }
  }

  private mutating func addScoring(_ router: Router) {
    add("expert_gating_func", router.scoring == .softmax ? 1 : 2)
  }

  /// The lengths of keys and values, where the configuration says them.
  private mutating func addHeadLengths(_ model: HyperParameters) {
    if let latent = model.latentAttention {
      if hasHeadWidth { addLatentLengths(latent) }
    } else if hasHeadWidth || (architecture == "llama" && model.experts == nil) {
      // The class of plain llama configurations fills in the head dimension, that of mixtral does not.
      add("attention.key_length", model.attention.headDim)
      add("attention.value_length", model.attention.headDim)
    }
  }

  private mutating func addLatentLengths(_ latent: LatentAttention) {
    add("attention.key_length", latent.cachedWidth)
    add("attention.value_length", latent.latentWidth)
  }

  private mutating func addLatent(_ latent: LatentAttention, _ model: HyperParameters) {
    // Without the key llama.cpp takes models of 26 and 27 layers alone for ones without a rank.
    if let rank = latent.queryRank ?? ([26, 27].contains(model.layerCount) ? nil : 0) {
      add("attention.q_lora_rank", rank)
    }
    add("attention.kv_lora_rank", latent.latentWidth)
    if !hasHeadWidth { addLatentLengths(latent) }
    add("attention.key_length_mla", latent.keyDim + latent.rotaryDim)
    add("attention.value_length_mla", latent.valueDim)
  }

  private mutating func addLatentRope(_ latent: LatentAttention) {
    add("rope.dimension_count", latent.rotaryDim)
    if case .yarn(let yarn) = latent.rope.scaling, let weight = yarn.scoreWeight {
      // A tenth, as llama.cpp's reader of these architectures expects.
      add("rope.scaling.yarn_log_multiplier", .float32(Float(0.1 * weight)))
    }
    if let growth = latent.queryGrowth {
      add("attention.temperature_scale", .float32(Float(growth.weight)))
      add("attention.temperature_length", growth.length)
    }
  }

  private mutating func add(_ key: String, _ value: MetadataValue) {
    entries.append(MetadataEntry(architecture + "." + key, value))
  }

  private mutating func add(_ key: String, _ value: Int?) {
    if let value, let number = UInt32(exactly: value) { add(key, .uint32(number)) }
  }

  private mutating func addRope(_ model: HyperParameters, default sections: [Int]?) {
    let rope = model.rope
    switch rope.scaling {
    case .linear(let factor):
      add("rope.scaling.type", .string("linear"))
      add("rope.scaling.factor", .float32(Float(factor)))
    case .yarn(let yarn):
      add("rope.scaling.type", .string("yarn"))
      add("rope.scaling.factor", .float32(Float(yarn.factor)))
      add("rope.scaling.original_context_length", yarn.originalContextLength)
      let optional = [
        ("yarn_ext_factor", yarn.extrapolationFactor),
        ("yarn_attn_factor", yarn.statesAttentionFactor ? yarn.attentionFactor : nil),
        ("yarn_beta_fast", yarn.betaFast), ("yarn_beta_slow", yarn.betaSlow),
      ]
      for (key, value) in optional {
        if let value { add("rope.scaling." + key, .float32(Float(value))) }
      }
    case .longRope:
      add("rope.scaling.type", .string("longrope"))
    case .proportional(let factor) where factor != 1 && rope.partialFactor ?? 1 == 1:
      add("rope.scaling.type", .string("linear"))
      add("rope.scaling.factor", .float32(Float(factor)))
    case .none, .llama3, .dynamic, .proportional, .unknown: break
    }
    if let sections = rope.sections { addSections(sections) }
    add("rope.freq_base", .float32(Float(rope.theta)))
    if rope.sections == nil, model.linearAttention == nil, let sections { addSections(sections) }
  }

  /// Four sections, filled up with zeros.
  private mutating func addSections(_ sections: [Int]) {
    let padded = (sections + [0, 0, 0, 0]).prefix(4).map { Int32(clamping: $0) }
    add("rope.dimension_sections", .array(.int32(Array(padded))))
  }

  private mutating func addLinearAttention(
    _ model: HyperParameters, _ net: GatedDeltaNet, default sections: [Int]?
  ) {
    add("ssm.conv_kernel", net.kernelLength)
    add("ssm.state_size", net.keyDim)
    add("ssm.group_count", net.keyHeadCount)
    add("ssm.time_step_rank", net.valueHeadCount)
    add("ssm.inner_size", net.valueWidth)
    let recurrent =
      model.layerKinds.map { $0 == .linearAttention }
      + [Bool](repeating: false, count: model.nextTokenLayerCount)
    add("attention.recurrent_layers", .array(.bool(recurrent)))
    add("full_attention_interval", model.fullAttentionInterval)
    add("rope.dimension_count", model.attention.rotaryDimensions)
    if model.rope.sections == nil, let sections { addSections(sections) }
  }
}
