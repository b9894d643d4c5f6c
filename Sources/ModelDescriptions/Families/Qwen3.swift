internal import FileBytes
internal import TextTokenizers

extension ModelFamily {
  /// Qwen3, dense: norms on query and key heads.
  static let qwen3 = ModelFamily(
    name: "qwen3",
    architectures: ["Qwen3ForCausalLM", "Qwen3Model"],
    modelTypes: ["qwen3"],
    ggufArchitecture: "qwen3",
    vocabularyStyle: .sentencePieceOrBytePairs,
    defaults: [
      "max_position_embeddings": .integer(32768), "num_key_value_heads": .integer(32),
      "head_dim": .integer(128), "rms_norm_eps": .number(1e-6),
    ],
    traits: Traits(
      queryKeyNorm: .always, inputBias: .key("attention_bias"), outputBias: .key("attention_bias"),
      window: .lastLayers),
    blocks: { CommonTensors.trunk($0) })
}
