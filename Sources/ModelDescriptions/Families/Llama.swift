internal import FileBytes
internal import TextTokenizers

extension ModelFamily {
  /// Llama 1 to 3, TinyLlama, SmolLM2 and plain Mistral: query and key rows reordered for adjacent rotary pairs.
  static let llama = ModelFamily(
    name: "llama",
    architectures: ["LlamaForCausalLM", "LLaMAForCausalLM", "MistralForCausalLM", "LlamaModel"],
    modelTypes: ["llama", "mistral"],
    ggufArchitecture: "llama",
    vocabularyStyle: .llama,
    defaults: ["max_position_embeddings": .integer(2048), "rms_norm_eps": .number(1e-6)],
    traits: Traits(
      inputBias: .key("attention_bias"), outputBias: .key("attention_bias"), takesOutputBias: true,
      window: .mistral,
      turnsWholeHeads: true),
    parts: { $0.attention.rotaryPairing = .adjacent },
    configured: { $1.hasFeedForwardBias = try $0.flag("mlp_bias") },
    ownKeys: [.vocabularySize, .rotaryDimensions],
    made: MadeTensor.llama3Factors,
    blocks: { CommonTensors.trunk($0) })
}

extension ModelFamily.MadeTensor {
  /// The factors of rotary pairs under the scaling of Llama 3.1.
  @Sendable static func llama3Factors(_ model: HyperParameters) -> [Self] {
    guard let factors = model.rope.llama3Factors(dimensions: model.attention.headDim) else { return [] }
    return [Self(name: CommonTensors.rotaryFactors, slot: .rotaryFactors, values: factors)]
  }
}
