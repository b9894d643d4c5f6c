internal import FileBytes
internal import TextTokenizers

extension ModelFamily {
  /// LFM2 with experts: short convolutions in most layers, attention in the others, a sigmoid router.
  static let lfm2_moe = ModelFamily(
    name: "lfm2_moe",
    architectures: ["Lfm2MoeForCausalLM"],
    modelTypes: ["lfm2_moe"],
    ggufArchitecture: "lfm2moe",
    vocabularyStyle: .bytePairs,
    defaults: [
      "max_position_embeddings": .integer(128_000), "norm_eps": .number(1e-5), "rope_theta": .number(1e6),
      "num_key_value_heads": .integer(8), "intermediate_size": .integer(7168),
      "moe_intermediate_size": .integer(1792), "num_experts": .integer(32),
      "num_experts_per_tok": .integer(4),
      "num_dense_layers": .integer(2), "conv_L_cache": .integer(3), "use_expert_bias": .bool(true),
      "norm_topk_prob": .bool(true), "tie_word_embeddings": .bool(true),
    ],
    keyNames: ["rms_norm_eps": "norm_eps", "first_k_dense_replace": "num_dense_layers"],
    traits: Traits(
      queryKeyNorm: .always, hasShortConvolutions: true, isMixture: true, hasLeadingDense: true,
      assumedRouter: .sigmoidWithBias, turnsWholeHeads: true),
    parts: { $0.experts?.router.sumGuard = .added(1e-6) },
    configured: { config, model in
      model.shortConvolution = ShortConvolution(
        width: model.hiddenSize, kernelLength: try config.integer("conv_L_cache", in: 2...1024))
      guard try !config.flag("conv_bias") else { throw config.invalid("conv_bias", expected: "false") }
      model.experts?.router.hasSelectionBias = try config.flag("use_expert_bias")
      model.experts?.router.normalizesTopK = try config.flag("norm_topk_prob")
      model.experts?.router.scale = try config.optionalFactor("routed_scaling_factor") ?? 1
    },
    ownKeys: [.expertWidth, .leadingDense, .scoring, .vocabularySize, .shortConvolution],
    // llama.cpp's loader wants the bias in any case.
    made: { model in
      guard let experts = model.experts, !experts.router.hasSelectionBias else { return [] }
      return (model.leadingDenseCount..<model.layerCount).map { layer in
        MadeTensor(
          name: CommonTensors.target(layer) + "exp_probs_b.bias", slot: .selectionBias, block: layer,
          values: [Float](repeating: 0, count: experts.count))
      }
    },
    blocks: { model in
      var blocks = CommonTensors.trunk(
        model,
        names: [
          "model.norm": "model.embedding_norm", "input_layernorm": "operator_norm",
          "post_attention_layernorm": "ffn_norm", "self_attn.o_proj": "self_attn.out_proj",
          "self_attn.q_norm": "self_attn.q_layernorm", "self_attn.k_norm": "self_attn.k_layernorm",
          "mlp": "feed_forward", "mlp.gate_proj": "feed_forward.w1", "mlp.up_proj": "feed_forward.w3",
          "mlp.down_proj": "feed_forward.w2",
          "mlp.gate.e_score_correction_bias": "feed_forward.expert_bias",
        ]
      ) { _, experts in
        experts.names = [.gate: "w1", .down: "w2", .up: "w3"]
        experts.order = [.gate, .down, .up]
      }
      // The norm before the head has this name in a GGUF.
      for index in blocks[0].rules.indices where blocks[0].rules[index].outputs[0].slot == .outputNorm {
        blocks[0].rules[index].outputs[0].name = "token_embd_norm.weight"
      }
      return blocks
    })
}
