internal import FileBytes
internal import TextTokenizers

extension ModelFamily {
  /// Qwen3.5-MoE and Qwen3.6-MoE: gated delta nets, gated attention, routed experts and a gated shared expert.
  static let qwen3_5_moe = ModelFamily(
    name: "qwen3_5_moe",
    architectures: ["Qwen3_5MoeForConditionalGeneration", "Qwen3_5MoeForCausalLM"],
    modelTypes: ["qwen3_5_moe", "qwen3_5_moe_text"],
    ggufArchitecture: "qwen35moe",
    vocabularyStyle: .bytePairs,
    defaults: hybridDefaults.merging([
      "num_key_value_heads": .integer(2), "num_experts": .integer(256),
      "num_experts_per_tok": .integer(8), "moe_intermediate_size": .integer(512),
      "shared_expert_intermediate_size": .integer(512),
    ]) { $1 },
    traits: Traits(
      normIsOffset: true, queryKeyNorm: .always, inputBias: .key("attention_bias"),
      outputBias: .key("attention_bias"), rotaryShare: 0.25,
      defaultSections: [11, 11, 10], isHybrid: true, isMixture: true, needsExpertWidth: true,
      sharedExpert: .gated, nextToken: .separate),
    parts: { $0.attention.hasOutputGate = true },
    ownKeys: [.expertWidth, .sharedExpertWidth, .nextToken(), .deltaNet],
    blocks: {
      CommonTensors.trunk($0, secondNorm: "post_attention_norm")
        + NextTokenTensors(model: $0).separateBlocks()
    })
}
