internal import TensorTypes
internal import TextTokenizers

/// The entries under the architecture's own name, such as `qwen3moe.block_count`, and the file type, which the
/// converter writes in their midst.
struct ArchitectureMetadata {
  private let architecture: String
  private(set) var entries: [MetadataEntry] = []

  init(map: CheckpointMap, config rawConfig: ModelConfig, fileType: UInt32) throws {
    architecture = map.family.ggufArchitecture
    let model = map.model
    let config = rawConfig.filled(with: map.family.defaults)
    let isLlama = architecture == "llama"
    add("block_count", model.blockCount)
    add("context_length", model.contextLength)
    add("embedding_length", model.hiddenSize)
    add("feed_forward_length", model.feedForwardSize)
    add("attention.head_count", model.attention.headCount)
    add("attention.head_count_kv", model.attention.keyValueHeadCount)
    if rawConfig["is_causal"]?.flag == false { add("attention.causal", .bool(false)) }
    addRope(model)
    add("attention.layer_norm_rms_epsilon", .float32(Float(model.normEpsilon)))
    let experts =
      model.experts?.count ?? config["num_local_experts"]?.integer ?? config["num_experts"]?.integer
    add("expert_count", experts)
    add("expert_used_count", model.experts?.usedCount ?? config["num_experts_per_tok"]?.integer)
    // The class of plain llama configurations fills in the head dimension, that of mixtral does not.
    if config["head_dim"] != nil || (isLlama && model.experts == nil) {
      add("attention.key_length", model.attention.headDim)
      add("attention.value_length", model.attention.headDim)
    }
    entries.append(MetadataEntry("general.file_type", .uint32(fileType)))
    if isLlama {
      add("vocab_size", model.vocabularySize)
      add("rope.dimension_count", model.attention.headDim)
    }
    if architecture.hasSuffix("moe") || model.linearAttention != nil {
      add("expert_feed_forward_length", config["moe_intermediate_size"]?.integer)
      add("expert_shared_feed_forward_length", config["shared_expert_intermediate_size"]?.integer)
    }
    if let net = model.linearAttention { addLinearAttention(model, net) }
  }

  private mutating func add(_ key: String, _ value: MetadataValue) {
    entries.append(MetadataEntry(architecture + "." + key, value))
  }

  private mutating func add(_ key: String, _ value: Int?) {
    if let value, let number = UInt32(exactly: value) { add(key, .uint32(number)) }
  }

  private mutating func addRope(_ model: HyperParameters) {
    switch model.attention.rope.scaling {
    case .linear(let factor):
      add("rope.scaling.type", .string("linear"))
      add("rope.scaling.factor", .float32(Float(factor)))
    case .yarn(let yarn):
      add("rope.scaling.type", .string("yarn"))
      add("rope.scaling.factor", .float32(Float(yarn.factor)))
      add("rope.scaling.original_context_length", yarn.originalContextLength)
      let optional = [
        ("yarn_ext_factor", yarn.extrapolationFactor), ("yarn_attn_factor", yarn.attentionFactor),
        ("yarn_beta_fast", yarn.betaFast), ("yarn_beta_slow", yarn.betaSlow),
      ]
      for (key, value) in optional {
        if let value { add("rope.scaling." + key, .float32(Float(value))) }
      }
    case .longRope:
      add("rope.scaling.type", .string("longrope"))
    case .proportional(let factor) where factor != 1 && model.attention.rope.partialFactor ?? 1 == 1:
      add("rope.scaling.type", .string("linear"))
      add("rope.scaling.factor", .float32(Float(factor)))
    case .none, .llama3, .dynamic, .proportional, .unknown: break
    }
    if let sections = model.attention.rope.sections { addSections(sections) }
    add("rope.freq_base", .float32(Float(model.attention.rope.theta)))
  }

  /// Four sections, filled up with zeros.
  private mutating func addSections(_ sections: [Int]) {
    let padded = (sections + [0, 0, 0, 0]).prefix(4).map { Int32(clamping: $0) }
    add("rope.dimension_sections", .array(.int32(Array(padded))))
  }

  private mutating func addLinearAttention(_ model: HyperParameters, _ net: GatedDeltaNet) {
    if model.nextTokenLayerCount > 0 { add("nextn_predict_layers", model.nextTokenLayerCount) }
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
    if model.attention.rope.sections == nil, architecture != "qwen3next" { addSections([11, 11, 10]) }
  }
}
