internal import FileBytes
internal import TextTokenizers

extension ModelFamily {
  /// Qwen3.5 and Qwen3.6, dense: gated delta nets and gated attention.
  static let qwen3_5 = ModelFamily(
    name: "qwen3_5",
    architectures: ["Qwen3_5ForConditionalGeneration", "Qwen3_5ForCausalLM"],
    modelTypes: ["qwen3_5", "qwen3_5_text"],
    ggufArchitecture: "qwen35",
    vocabularyStyle: .bytePairs,
    defaults: hybridDefaults.merging([
      "num_key_value_heads": .integer(4), "intermediate_size": .integer(12288),
    ]) { $1 },
    traits: Traits(
      normIsOffset: true, queryKeyNorm: .always, inputBias: .key("attention_bias"),
      outputBias: .key("attention_bias"), rotaryShare: 0.25,
      defaultSections: [11, 11, 10], isHybrid: true, nextToken: .separate),
    parts: { $0.attention.hasOutputGate = true },
    ownKeys: [.expertWidth, .sharedExpertWidth, .nextToken(), .deltaNet],
    blocks: {
      CommonTensors.trunk($0, secondNorm: "post_attention_norm")
        + NextTokenTensors(model: $0).separateBlocks()
    })
}
