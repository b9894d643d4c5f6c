internal import FileBytes
internal import TextTokenizers

extension ModelFamily {
  /// Qwen1.5 to Qwen2.5, dense: biases on query, key and value.
  static let qwen2 = ModelFamily(
    name: "qwen2",
    architectures: ["Qwen2ForCausalLM", "Qwen2Model"],
    modelTypes: ["qwen2"],
    ggufArchitecture: "qwen2",
    vocabularyStyle: .sentencePieceOrBytePairs,
    defaults: [
      "max_position_embeddings": .integer(32768), "num_key_value_heads": .integer(32),
      "rms_norm_eps": .number(1e-6),
    ],
    traits: Traits(inputBias: .always, window: .lastLayers),
    blocks: { CommonTensors.trunk($0) })
}
