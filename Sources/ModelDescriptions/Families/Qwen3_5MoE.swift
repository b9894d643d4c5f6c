internal import TextTokenizers

extension ModelFamily {
  /// Qwen3.5-MoE and Qwen3.6-MoE: gated delta nets, gated attention, routed experts and a gated shared expert.
  static let qwen3_5_moe = ModelFamily(
    name: "qwen3_5_moe",
    architectures: ["Qwen3_5MoeForConditionalGeneration", "Qwen3_5MoeForCausalLM"],
    modelTypes: ["qwen3_5_moe", "qwen3_5_moe_text"],
    ggufArchitecture: "qwen35moe",
    vocabularyStyle: .bytePairs,
    defaults: hybridDefaults.merging([
      "num_key_value_heads": .integer(2), "num_experts": .integer(256),
      "num_experts_per_tok": .integer(8), "moe_intermediate_size": .integer(512),
      "shared_expert_intermediate_size": .integer(512),
    ]) { $1 },
    traits: Traits(
      normIsOffset: true, hasQueryKeyNorm: true, inputBias: .key("attention_bias"),
      outputBias: .key("attention_bias"), hasOutputGate: true, isHybrid: true, isMixture: true,
      hasSharedExpert: true, normalizesTopK: .always, canPredictNextTokens: true),
    blocks: { model in
      let trunk = (0..<model.layerCount).map { index in
        let layer = CommonTensors(model, layer: index)
        let mixer =
          model.layerKinds[index] == .attention ? layer.attention() : DeltaNetTensors(layer)?.rules() ?? []
        return BlockRules(
          block: index, rules: layer.layerNorms(secondName: "post_attention_norm") + mixer + layer.router(),
          experts: layer.experts())
      }
      return [CommonTensors.outside(model)] + trunk + NextTokenTensors(model: model).blocks { $0.router() }
    })
}
