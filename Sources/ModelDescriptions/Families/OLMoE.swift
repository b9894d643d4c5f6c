internal import FileBytes
internal import TextTokenizers

extension ModelFamily {
  /// OLMoE: routed experts, norms over all query and all key heads together.
  static let olmoe = ModelFamily(
    name: "olmoe",
    architectures: ["OlmoeForCausalLM"],
    modelTypes: ["olmoe"],
    ggufArchitecture: "olmoe",
    vocabularyStyle: .bytePairs,
    defaults: [
      "max_position_embeddings": .integer(4096), "rms_norm_eps": .number(1e-5), "num_experts": .integer(64),
      "num_experts_per_tok": .integer(8),
    ],
    traits: Traits(
      queryKeyNorm: .always, inputBias: .key("attention_bias"),
      outputBias: .key("attention_bias"), isMixture: true, assumedRouter: Router(normalizesTopK: false),
      router: Router.withConfiguredSum, expertWidthIsFeedForwardSize: true,
      needsEqualHeads: true, turnsWholeHeads: true, needsOutputHead: true),
    parts: { $0.attention.normsWholeWidth = true },
    configured: { config, model in
      guard let clip = try config.optionalNumber("clip_qkv") else { return }
      guard clip > 0 else { throw config.invalid("clip_qkv", expected: "a number above 0, or null") }
      model.attention.clip = clip
    },
    blocks: { CommonTensors.trunk($0) })
}
