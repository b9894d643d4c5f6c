internal import FileBytes
internal import TextTokenizers

extension ModelFamily {
  /// K-EXAONE: windows in three of four layers, which alone turn queries and keys; DeepSeek-V3's router.
  static let exaone_moe = ModelFamily(
    name: "exaone_moe",
    architectures: ["ExaoneMoEForCausalLM", "ExaoneMoeForCausalLM"],
    modelTypes: ["exaone_moe"],
    ggufArchitecture: "exaone-moe",
    vocabularyStyle: .bytePairs,
    defaults: [
      "max_position_embeddings": .integer(2048), "rms_norm_eps": .number(1e-5),
      "sliding_window": .integer(4096),
      "intermediate_size": .integer(16384), "moe_intermediate_size": .integer(1024),
      "num_experts": .integer(64), "num_experts_per_tok": .integer(8), "num_shared_experts": .integer(1),
      "norm_topk_prob": .bool(true), "routed_scaling_factor": .number(2.5), "n_group": .integer(1),
      "topk_group": .integer(1),
    ],
    keyNames: ["n_routed_experts": "num_experts", "n_shared_experts": "num_shared_experts"],
    traits: Traits(
      queryKeyNorm: .always, window: .listed(period: 4), isMixture: true, hasLeadingDense: true,
      sharedExpert: .sized(isAssumed: true), assumedRouter: .sigmoidWithBias, router: Router.sigmoidWithBias,
      nextToken: .separate, needsOutputHead: true,
      layerAlias: LayerAlias(
        name: "mlp.e_score_correction_bias", canonical: "mlp.gate.e_score_correction_bias")),
    parts: { model in
      model.isNextTokenDense = true
      guard model.windows.contains(where: { $0 != nil }) else { return }
      // Where there are windows, layers without one know no positions.
      model.slidingAttention = model.attention
      model.attention.rotaryDimensions = 0
    },
    ownKeys: [
      .vocabularySize, .windows(period: 4, pattern: .always), .expertWidth, .sharedExpertCountBesides,
      .sharedExpertWidth, .expertScale, .expertSum(isWrittenAlways: true), .leadingDense,
      .nextToken(none: .always), .noRotaryScaling, .scoring,
    ],
    blocks: {
      CommonTensors.trunk($0) + NextTokenTensors(model: $0).separateBlocks(secondNorm: "ffn_norm")
    })
}
