internal import FileBytes
internal import TextTokenizers

extension ModelFamily {
  /// Qwen1.5-MoE and Qwen2-MoE: routed experts and a gated shared expert.
  static let qwen2_moe = ModelFamily(
    name: "qwen2_moe",
    architectures: ["Qwen2MoeForCausalLM"],
    modelTypes: ["qwen2_moe"],
    ggufArchitecture: "qwen2moe",
    vocabularyStyle: .bytePairs,
    defaults: [
      "max_position_embeddings": .integer(32768), "num_key_value_heads": .integer(16),
      "rms_norm_eps": .number(1e-6), "intermediate_size": .integer(5632),
      "num_experts": .integer(60), "num_experts_per_tok": .integer(4),
      "moe_intermediate_size": .integer(1408), "shared_expert_intermediate_size": .integer(5632),
      "qkv_bias": .bool(true), "norm_topk_prob": .bool(false),
    ],
    traits: Traits(
      inputBias: .key("qkv_bias"), window: .alternateFirstLayers, isMixture: true, sharedExpert: .gated,
      assumedRouter: Router(normalizesTopK: false), router: Router.withConfiguredSum, needsOutputHead: true),
    ownKeys: [.expertWidth, .sharedExpertWidth],
    blocks: { CommonTensors.trunk($0) })
}
