internal import FileBytes
internal import TextTokenizers

extension ModelFamily {
  /// Qwen3-MoE: routed experts, no shared one, norms on query and key heads.
  static let qwen3_moe = ModelFamily(
    name: "qwen3_moe",
    architectures: ["Qwen3MoeForCausalLM"],
    modelTypes: ["qwen3_moe"],
    ggufArchitecture: "qwen3moe",
    vocabularyStyle: .bytePairs,
    defaults: [
      "max_position_embeddings": .integer(32768), "num_key_value_heads": .integer(4),
      "rms_norm_eps": .number(1e-6), "intermediate_size": .integer(6144),
      "num_experts_per_tok": .integer(8), "moe_intermediate_size": .integer(768),
      "norm_topk_prob": .bool(false),
    ],
    traits: Traits(
      queryKeyNorm: .always, inputBias: .key("attention_bias"), outputBias: .key("attention_bias"),
      window: .whenUsed,
      isMixture: true, needsExpertWidth: true, router: Router.withConfiguredSum),
    ownKeys: [.expertWidth, .sharedExpertWidth],
    blocks: { CommonTensors.trunk($0) })
}
