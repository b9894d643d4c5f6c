internal import FileBytes
internal import TextTokenizers

extension ModelFamily {
  /// Ling and Ring 2.0: DeepSeek-V3's router, one matrix for queries, keys and values, half of each head turns.
  static let bailing_moe_v2 = ModelFamily(
    name: "bailing_moe",
    architectures: ["BailingMoeV2ForCausalLM"],
    modelTypes: ["bailing_moe", "bailing_moe_v2"],
    ggufArchitecture: "bailingmoe2",
    vocabularyStyle: .bytePairs,
    defaults: [
      "max_position_embeddings": .integer(32768), "rms_norm_eps": .number(1e-6),
      "norm_topk_prob": .bool(true),
      "routed_scaling_factor": .number(1), "num_experts": .integer(256), "num_experts_per_tok": .integer(8),
    ],
    keyNames: [
      "n_shared_experts": "num_shared_experts", "n_routed_experts": "num_experts",
      "scoring_func": "score_function",
    ],
    traits: Traits(
      queryKeyNorm: .always, inputBias: .key("use_qkv_bias"), outputBias: .key("use_bias"), rotaryShare: 0.5,
      isMixture: true, hasLeadingDense: true, sharedExpert: .counted, assumedRouter: .sigmoidWithBias,
      router: Router.sigmoidWithBias, nextToken: .afterTrunk, needsOutputHead: true),
    ownKeys: [
      .rotaryDimensions, .leadingDense, .vocabularySize, .expertWidth, .oneSharedExpertWidth, .expertScale,
      .sharedExpertCount, .expertSum(isWrittenAlways: true), .nextToken(none: .whenConfigured),
    ],
    blocks: { model in
      (CommonTensors.trunk(model, names: names)
        + NextTokenTensors(model: model).numberedBlocks(secondNorm: "ffn_norm", names: names)).map(joined)
    })

  private static let names: ModuleNames = [
    "model.embed_tokens": "model.word_embeddings", "self_attn.o_proj": "attention.dense",
    "self_attn.q_norm": "attention.query_layernorm", "self_attn.k_norm": "attention.key_layernorm",
    "mlp.gate.e_score_correction_bias": "mlp.gate.expert_bias",
    "shared_head.norm": "final_layernorm",
  ]

  /// A block with one matrix for queries, keys and values, in checkpoints and in a GGUF.
  private static func joined(_ block: BlockRules) -> BlockRules {
    let isPart: (TensorRule) -> Bool = { rule in
      rule.outputs.first.map { [.query, .key, .value].contains($0.slot) } ?? false
    }
    let parts = block.rules.filter(isPart)
    guard let first = parts.first, let place = block.rules.firstIndex(where: isPart) else { return block }
    var rows = 0
    let outputs = parts.flatMap(\.outputs).map { output in
      var output = output
      output.runs = [.init(rows, output.ggmlShape[1])]
      rows += output.ggmlShape[1]
      return output
    }
    var rule = TensorRule(
      first.source.replacing("self_attn.q_proj", with: "attention.query_key_value"),
      shapes: [[rows, first.shapes[0][1]]], outputs: outputs)
    rule.joined = (outputs[0].name.replacing("attn_q.", with: "attn_qkv."), .queryKeyValue)
    var block = block
    block.rules.removeAll(where: isPart)
    block.rules.insert(rule, at: place)
    return block
  }
}
