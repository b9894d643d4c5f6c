internal import FileBytes
internal import TextTokenizers

extension ModelFamily {
  /// What both Qwen3-VL families have when the configuration is silent.
  static let qwen3_vl_defaults: [String: JSONValue] = [
    "max_position_embeddings": .integer(128000), "rms_norm_eps": .number(1e-6),
    "rope_theta": .number(500_000),
  ]

  /// How many layers take features of pictures: three is what the configuration's class has when the file is silent.
  private static let qwen3_vl_deepstack: @Sendable (ModelConfig, inout HyperParameters) -> Void = {
    $1.deepstackLayerCount =
      $0.document["vision_config"]?["deepstack_visual_indexes"]?.elements?.count ?? 3
  }

  /// The text part of Qwen3-VL, dense.
  static let qwen3_vl = ModelFamily(
    name: "qwen3_vl",
    architectures: ["Qwen3VLForConditionalGeneration"],
    modelTypes: ["qwen3_vl", "qwen3_vl_text"],
    ggufArchitecture: "qwen3vl",
    vocabularyStyle: .sentencePieceOrBytePairs,
    defaults: qwen3_vl_defaults.merging(["head_dim": .integer(128)]) { $1 },
    traits: Traits(
      queryKeyNorm: .always, inputBias: .key("attention_bias"), outputBias: .key("attention_bias"),
      defaultSections: [24, 20, 20]),
    configured: qwen3_vl_deepstack,
    ownKeys: [.deepstack],
    blocks: { CommonTensors.trunk($0) })

  /// The text part of Qwen3-VL with routed experts.
  static let qwen3_vl_moe = ModelFamily(
    name: "qwen3_vl_moe",
    architectures: ["Qwen3VLMoeForConditionalGeneration"],
    modelTypes: ["qwen3_vl_moe", "qwen3_vl_moe_text"],
    ggufArchitecture: "qwen3vlmoe",
    vocabularyStyle: .bytePairs,
    defaults: qwen3_vl_defaults.merging([
      "num_experts": .integer(60), "num_experts_per_tok": .integer(4),
      "moe_intermediate_size": .integer(1408),
    ]) { $1 },
    traits: Traits(
      queryKeyNorm: .always, inputBias: .key("attention_bias"), outputBias: .key("attention_bias"),
      defaultSections: [24, 20, 20],
      isMixture: true),
    configured: qwen3_vl_deepstack,
    ownKeys: [.expertWidth, .deepstack],
    // Released checkpoints hold the matrices of experts transposed, those saved anew by transformers 5 do not.
    blocks: { CommonTensors.trunk($0) { $1.mayBeTransposed = true } })
}
