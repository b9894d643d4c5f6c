internal import FileBytes
internal import TextTokenizers

extension ModelFamily {
  /// Mixtral: the llama architecture with routed experts.
  static let mixtral = ModelFamily(
    name: "mixtral",
    architectures: ["MixtralForCausalLM"],
    modelTypes: ["mixtral"],
    ggufArchitecture: "llama",
    vocabularyStyle: .llama,
    defaults: [
      "max_position_embeddings": .integer(131072), "num_key_value_heads": .integer(8),
      "rms_norm_eps": .number(1e-5), "rope_theta": .number(1e6), "num_local_experts": .integer(8),
      "num_experts_per_tok": .integer(2),
    ],
    traits: Traits(
      takesOutputBias: true, window: .always, isMixture: true, expertWidthIsFeedForwardSize: true,
      turnsWholeHeads: true,
      // transformers 5 holds the block as `mlp`, and writes it so when asked not to restore the original names.
      layerAlias: LayerAlias(name: "mlp", canonical: "block_sparse_moe")),
    parts: { $0.attention.rotaryPairing = .adjacent },
    ownKeys: [.vocabularySize, .rotaryDimensions],
    made: MadeTensor.llama3Factors,
    blocks: { model in
      CommonTensors.trunk(model, names: ["mlp": "block_sparse_moe"]) { _, experts in
        experts.names = [.gate: "w1", .down: "w2", .up: "w3"]
        experts.order = [.gate, .down, .up]
      }
    })
}
