internal import FileBytes
internal import TextTokenizers

extension ModelFamily {
  /// DeepSeek-MoE, the first of them: llama's attention, dense layers first, shared experts beside the routed ones.
  static let deepseek = ModelFamily(
    name: "deepseek",
    architectures: ["DeepseekForCausalLM"],
    modelTypes: ["deepseek"],
    ggufArchitecture: "deepseek",
    vocabularyStyle: .sentencePieceOrBytePairs,
    defaults: [
      "max_position_embeddings": .integer(2048), "rms_norm_eps": .number(1e-6),
      "first_k_dense_replace": .integer(0), "moe_intermediate_size": .integer(1407),
    ],
    traits: Traits(
      isMixture: true, hasLeadingDense: true, sharedExpert: .counted,
      assumedRouter: Router(normalizesTopK: false), router: Router.withConfiguredSum, turnsWholeHeads: true),
    parts: { $0.attention.rotaryPairing = .adjacent },
    ownKeys: [
      .rotaryDimensions, .noRotaryScaling, .leadingDense, .vocabularySize, .expertWidth, .expertScale,
      .sharedExpertCount,
    ],
    blocks: { CommonTensors.trunk($0) })

  /// DeepSeek-V2 and V2.5: attention over latent vectors, a softmax router.
  static let deepseek_v2 = ModelFamily(
    name: "deepseek_v2",
    architectures: ["DeepseekV2ForCausalLM"],
    modelTypes: ["deepseek_v2"],
    ggufArchitecture: "deepseek2",
    vocabularyStyle: .bytePairs,
    defaults: [
      "max_position_embeddings": .integer(2048), "rms_norm_eps": .number(1e-6), "kv_lora_rank": .integer(512),
      "head_dim": .integer(64),
      "intermediate_size": .integer(11008), "qk_nope_head_dim": .integer(128),
      "qk_rope_head_dim": .integer(64),
      "v_head_dim": .integer(128), "n_routed_experts": .integer(64), "n_shared_experts": .integer(2),
      "moe_intermediate_size": .integer(1407), "first_k_dense_replace": .integer(0),
      "routed_scaling_factor": .number(1),
    ],
    traits: Traits(
      isLatent: true, isMixture: true, hasLeadingDense: true, sharedExpert: .counted,
      assumedRouter: Router(normalizesTopK: false), router: Router.softmaxWithGroups, nextToken: .leftOut),
    ownKeys: latentKeys,
    blocks: latentBlocks)

  /// DeepSeek-V3, V3.1 and R1, and Kimi K2: attention over latent vectors, a sigmoid router with groups.
  static let deepseek_v3 = ModelFamily(
    name: "deepseek_v3",
    architectures: ["DeepseekV3ForCausalLM"],
    modelTypes: ["deepseek_v3", "kimi_k2"],
    ggufArchitecture: "deepseek2",
    vocabularyStyle: .bytePairs,
    defaults: [
      "max_position_embeddings": .integer(4096), "rms_norm_eps": .number(1e-6), "kv_lora_rank": .integer(512),
      "head_dim": .integer(64),
      "intermediate_size": .integer(18432), "qk_nope_head_dim": .integer(128),
      "qk_rope_head_dim": .integer(64),
      "v_head_dim": .integer(128), "n_routed_experts": .integer(256), "n_shared_experts": .integer(1),
      "moe_intermediate_size": .integer(2048), "first_k_dense_replace": .integer(3),
      "routed_scaling_factor": .number(2.5), "num_experts_per_tok": .integer(8), "n_group": .integer(8),
      "topk_group": .integer(4), "norm_topk_prob": .bool(true),
    ],
    traits: Traits(
      isLatent: true, isMixture: true, hasLeadingDense: true, sharedExpert: .counted,
      assumedRouter: Router(normalizesTopK: false), router: Router.sigmoidWithBias, nextToken: .leftOut,
      needsScoringKey: true),
    ownKeys: latentKeys,
    blocks: latentBlocks)

  /// GLM-4.7-Flash: DeepSeek-V3's parts with GLM's vocabulary and a block for next-token prediction.
  static let glm4_moe_lite = ModelFamily(
    name: "glm4_moe_lite",
    architectures: ["Glm4MoeLiteForCausalLM"],
    modelTypes: ["glm4_moe_lite"],
    ggufArchitecture: "deepseek2",
    vocabularyStyle: .glm,
    defaults: [
      "max_position_embeddings": .integer(202752), "rms_norm_eps": .number(1e-5),
      "kv_lora_rank": .integer(512), "intermediate_size": .integer(10240), "qk_nope_head_dim": .integer(192),
      "qk_rope_head_dim": .integer(64), "v_head_dim": .integer(256), "n_routed_experts": .integer(64),
      "n_shared_experts": .integer(1), "moe_intermediate_size": .integer(1536),
      "routed_scaling_factor": .number(1.8), "num_experts_per_tok": .integer(4), "n_group": .integer(1),
      "topk_group": .integer(1), "norm_topk_prob": .bool(true),
    ],
    traits: Traits(
      isLatent: true, isMixture: true, hasLeadingDense: true, sharedExpert: .counted,
      assumedRouter: Router(normalizesTopK: false), router: Router.sigmoidWithBias, nextToken: .afterTrunk),
    ownKeys: latentKeys,
    blocks: latentBlocks)

  /// Mistral Small 4: DeepSeek's latent attention, a softmax router, gate and up projections in one tensor.
  static let mistral4 = ModelFamily(
    name: "mistral4",
    architectures: ["Mistral4ForCausalLM"],
    wrappers: ["Mistral3ForConditionalGeneration"],
    modelTypes: ["mistral4"],
    ggufArchitecture: "mistral4",
    vocabularyStyle: .bytePairs,
    defaults: [
      "max_position_embeddings": .integer(1_048_576), "rms_norm_eps": .number(1e-6),
      "kv_lora_rank": .integer(256), "head_dim": .integer(64), "intermediate_size": .integer(12288),
      "qk_nope_head_dim": .integer(64),
      "qk_rope_head_dim": .integer(64), "v_head_dim": .integer(128), "n_routed_experts": .integer(128),
      "n_shared_experts": .integer(1), "moe_intermediate_size": .integer(2048),
      "first_k_dense_replace": .integer(0), "routed_scaling_factor": .number(1),
      "num_experts_per_tok": .integer(4), "n_group": .integer(1), "topk_group": .integer(1),
      "norm_topk_prob": .bool(true),
    ],
    traits: Traits(
      isLatent: true, isMixture: true, hasLeadingDense: true, sharedExpert: .counted,
      assumedRouter: Router(normalizesTopK: false), router: Router.softmaxWithGroups,
      joinsExpertGateAndUp: true),
    ownKeys: latentKeys,
    blocks: { CommonTensors.trunk($0) { $1.joinsGateAndUp = true } })

  private static let latentKeys: [OwnKey] = [
    .leadingDense, .vocabularySize, .latentWidths, .expertWidth, .sharedExpertCount, .expertScale,
    .expertSum(isWrittenAlways: false), .latentRotation, .nextToken(),
  ]

  /// Every family of a latent architecture may find a next-token block in a GGUF.
  private static let latentBlocks: @Sendable (HyperParameters) -> [BlockRules] = {
    CommonTensors.trunk($0) + NextTokenTensors(model: $0).numberedBlocks(secondNorm: "ffn_norm")
  }
}
