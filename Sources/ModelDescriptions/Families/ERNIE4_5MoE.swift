internal import FileBytes
internal import TextTokenizers

extension ModelFamily {
  /// ERNIE 4.5 with experts: a softmax router with a bias on its choice, shared experts, dense layers first.
  static let ernie4_5_moe = ModelFamily(
    name: "ernie4_5_moe",
    architectures: ["Ernie4_5_MoeForCausalLM"],
    modelTypes: ["ernie4_5_moe"],
    ggufArchitecture: "ernie4_5-moe",
    vocabularyStyle: .ernie,
    defaults: [
      "max_position_embeddings": .integer(131072), "rms_norm_eps": .number(1e-5),
      "rope_theta": .number(500_000), "num_key_value_heads": .integer(4),
      "intermediate_size": .integer(12288), "moe_num_experts": .integer(64), "moe_k": .integer(6),
      "moe_num_shared_experts": .integer(2), "moe_intermediate_size": .integer(1536),
      "moe_layer_start_index": .integer(1), "moe_layer_interval": .integer(1),
      "tie_word_embeddings": .bool(true),
    ],
    keyNames: [
      "num_experts": "moe_num_experts", "num_experts_per_tok": "moe_k",
      "n_shared_experts": "moe_num_shared_experts", "first_k_dense_replace": "moe_layer_start_index",
    ],
    traits: Traits(
      inputBias: .key("use_bias"), outputBias: .key("use_bias"), takesOutputBias: true, isMixture: true,
      hasLeadingDense: true,
      sharedExpert: .sized(isAssumed: false), turnsWholeHeads: true),
    parts: { model in
      model.attention.rotaryPairing = .adjacent
      model.attention.checkpointsPairAdjacent = true
      model.experts?.router.hasSelectionBias = true
      model.experts?.router.sumGuard = .atLeast(1e-12)
    },
    configured: { config, model in
      let step = try config.optionalInteger("moe_layer_interval") ?? 1
      guard step == 1 else {
        throw config.invalid("moe_layer_interval", expected: "1: experts in every layer")
      }
      if let last = config["moe_layer_end_index"]?.integer, last != -1, last != model.layerCount - 1 {
        throw config.invalid(
          "moe_layer_end_index", expected: "-1 or the last layer (\(model.layerCount - 1))")
      }
    },
    ownKeys: [
      .expertCounts, .layerStep, .leadingDense, .expertWidth, .sharedExpertCount, .sharedExpertWidth,
    ],
    blocks: { model in
      let blocks = CommonTensors.trunk(
        model,
        names: ["mlp.gate.e_score_correction_bias": "mlp.moe_statics.e_score_correction_bias"]
      ) { $1.order = [.gate, .up, .down] }
      // A matrix of one row, as checkpoints have it.
      let count = model.experts?.count ?? 0
      return blocks.map { block in
        var block = block
        for index in block.rules.indices where block.rules[index].outputs.first?.slot == .selectionBias {
          block.rules[index].shapes = [[1, count]]
          block.rules[index].outputs[0].ggmlShape = [count, 1]
        }
        return block
      }
    })
}
