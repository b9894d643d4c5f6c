internal import FileBytes
internal import TextTokenizers

extension ModelFamily {
  /// MiniMax-M2: norms over all query and all key heads together, a sigmoid router, half of each head turns.
  static let minimax_m2 = ModelFamily(
    name: "minimax_m2",
    architectures: ["MiniMaxM2ForCausalLM"],
    modelTypes: ["minimax_m2", "minimax"],
    ggufArchitecture: "minimax-m2",
    vocabularyStyle: .bytePairs,
    defaults: [
      "hidden_size": .integer(3072), "num_key_value_heads": .integer(8), "head_dim": .integer(128),
      "max_position_embeddings": .integer(196608), "rms_norm_eps": .number(1e-6),
      "rope_theta": .number(5e6), "num_local_experts": .integer(256), "num_experts_per_tok": .integer(8),
    ],
    traits: Traits(
      queryKeyNorm: .always, rotaryShare: 1, isMixture: true, assumedRouter: .sigmoidWithBias,
      expertWidthIsFeedForwardSize: true, needsScoringKey: true, needsOutputHead: true),
    parts: { model in
      model.attention.normsWholeWidth = true
      model.experts?.router.sumGuard = .added(0)
    },
    configured: { config, model in
      // Released configurations say the dimensions, those that transformers writes their share.
      guard let turned = try config.optionalInteger("rotary_dim", in: 2...model.attention.headDim) else {
        return
      }
      guard turned % 2 == 0 else {
        throw config.invalid("rotary_dim", expected: "an even number, as dimensions turn in pairs")
      }
      model.attention.rotaryDimensions = turned
      model.attention.rope.partialFactor = Double(turned) / Double(model.attention.headDim)
    },
    ownKeys: [.expertWidthBesides, .rotaryDimensions, .scoring],
    blocks: { model in
      CommonTensors.trunk(
        model,
        names: [
          "mlp": "block_sparse_moe",
          "mlp.gate.e_score_correction_bias": "block_sparse_moe.e_score_correction_bias",
        ]
      ) { _, experts in
        experts.names = [.gate: "w1", .down: "w2", .up: "w3"]
        experts.order = [.gate, .down, .up]
      }
    })
}
