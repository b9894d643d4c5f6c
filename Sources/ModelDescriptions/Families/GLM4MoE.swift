internal import FileBytes
internal import TextTokenizers

extension ModelFamily {
  /// GLM-4.5 to 4.7 and their Air models: a sigmoid router, dense layers first, half of each head turns.
  static let glm4_moe = ModelFamily(
    name: "glm4_moe",
    architectures: ["Glm4MoeForCausalLM"],
    modelTypes: ["glm4_moe"],
    ggufArchitecture: "glm4moe",
    vocabularyStyle: .glm,
    defaults: [
      "max_position_embeddings": .integer(131072), "rms_norm_eps": .number(1e-5),
      "num_key_value_heads": .integer(8), "intermediate_size": .integer(10944),
      "moe_intermediate_size": .integer(1408), "num_experts_per_tok": .integer(8),
      "n_shared_experts": .integer(1), "n_routed_experts": .integer(128), "n_group": .integer(1),
      "topk_group": .integer(1), "first_k_dense_replace": .integer(1), "norm_topk_prob": .bool(true),
      "routed_scaling_factor": .number(1),
    ],
    traits: Traits(
      queryKeyNorm: .key("use_qk_norm"), inputBias: .key("attention_bias"), rotaryShare: 0.5, isMixture: true,
      hasLeadingDense: true, sharedExpert: .counted, assumedRouter: .sigmoidWithBias,
      router: Router.sigmoidWithBias, nextToken: .afterTrunk, maySaySections: true),
    ownKeys: [
      .rotaryDimensions, .expertWidth, .sharedExpertCount, .leadingDense, .scoring, .expertScale,
      .expertSum(isWrittenAlways: true), .nextToken(none: .whenConfigured),
    ],
    blocks: {
      CommonTensors.trunk($0, secondNorm: "post_attention_norm")
        + NextTokenTensors(model: $0).numberedBlocks(secondNorm: "post_attention_norm")
    })
}
