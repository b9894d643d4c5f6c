internal import FileBytes
internal import TextTokenizers

extension ModelFamily {
  /// What the three hybrid families have in common when the configuration is silent.
  static let hybridDefaults: [String: JSONValue] = [
    "max_position_embeddings": .integer(32768), "rms_norm_eps": .number(1e-6),
    "head_dim": .integer(256), "partial_rotary_factor": .number(0.25),
    "linear_conv_kernel_dim": .integer(4), "linear_key_head_dim": .integer(128),
    "linear_value_head_dim": .integer(128), "linear_num_key_heads": .integer(16),
    "linear_num_value_heads": .integer(32),
  ]

  /// Qwen3-Next: three gated delta nets to one gated attention, projections interleaved by key head.
  static let qwen3_next = ModelFamily(
    name: "qwen3_next",
    architectures: ["Qwen3NextForCausalLM"],
    modelTypes: ["qwen3_next"],
    ggufArchitecture: "qwen3next",
    vocabularyStyle: .bytePairs,
    defaults: hybridDefaults.merging([
      "num_key_value_heads": .integer(2), "intermediate_size": .integer(5632),
      "num_experts": .integer(512), "num_experts_per_tok": .integer(10),
      "moe_intermediate_size": .integer(512), "shared_expert_intermediate_size": .integer(512),
      "norm_topk_prob": .bool(true),
    ]) { $1 },
    traits: Traits(
      normIsOffset: true, queryKeyNorm: .always, inputBias: .key("attention_bias"),
      outputBias: .key("attention_bias"), rotaryShare: 0.25, isHybrid: true,
      tilesValueHeads: false,
      isMixture: true,
      sharedExpert: .gated, router: Router.withConfiguredSum, nextToken: .separate),
    parts: {
      $0.attention.hasOutputGate = true
      $0.linearAttention?.hasJointGates = true
    },
    ownKeys: [.expertWidth, .sharedExpertWidth, .nextToken(), .deltaNet],
    blocks: {
      CommonTensors.trunk($0, secondNorm: "post_attention_norm")
        + NextTokenTensors(model: $0).separateBlocks()
    })
}
