internal import FileBytes
internal import TextTokenizers

extension ModelFamily {
  /// dots.llm1: Qwen3's attention with the router, the shared experts and the dense first layers of DeepSeek-V3.
  static let dots1 = ModelFamily(
    name: "dots1",
    architectures: ["Dots1ForCausalLM"],
    modelTypes: ["dots1"],
    ggufArchitecture: "dots1",
    vocabularyStyle: .bytePairs,
    defaults: [
      "max_position_embeddings": .integer(2048), "rms_norm_eps": .number(1e-6), "n_group": .integer(1),
      "topk_group": .integer(1), "first_k_dense_replace": .integer(0), "routed_scaling_factor": .number(1),
      "intermediate_size": .integer(10944), "moe_intermediate_size": .integer(1408),
    ],
    traits: Traits(
      queryKeyNorm: .always, inputBias: .key("attention_bias"), outputBias: .key("attention_bias"),
      isMixture: true, hasLeadingDense: true, sharedExpert: .counted, assumedRouter: .sigmoidWithBias,
      router: Router.sigmoidWithBias, needsEqualHeads: true, turnsWholeHeads: true, needsOutputHead: true),
    ownKeys: [
      .expertWidth, .leadingDense, .sharedExpertCount, .expertScale, .expertSum(isWrittenAlways: true),
    ],
    blocks: { CommonTensors.trunk($0) })
}
