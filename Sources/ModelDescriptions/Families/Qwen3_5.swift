internal import TextTokenizers

extension ModelFamily {
  /// Qwen3.5 and Qwen3.6, dense: gated delta nets and gated attention.
  static let qwen3_5 = ModelFamily(
    name: "qwen3_5",
    architectures: ["Qwen3_5ForConditionalGeneration", "Qwen3_5ForCausalLM"],
    modelTypes: ["qwen3_5", "qwen3_5_text"],
    ggufArchitecture: "qwen35",
    vocabularyStyle: .bytePairs,
    defaults: hybridDefaults.merging([
      "num_key_value_heads": .integer(4), "intermediate_size": .integer(12288),
    ]) { $1 },
    traits: Traits(
      normIsOffset: true, hasQueryKeyNorm: true, inputBias: .key("attention_bias"),
      outputBias: .key("attention_bias"), hasOutputGate: true, isHybrid: true, canPredictNextTokens: true),
    blocks: { model in
      let trunk = (0..<model.layerCount).map { index in
        let layer = CommonTensors(model, layer: index)
        let mixer =
          model.layerKinds[index] == .attention ? layer.attention() : DeltaNetTensors(layer)?.rules() ?? []
        return BlockRules(
          block: index,
          rules: layer.layerNorms(secondName: "post_attention_norm") + mixer + layer.feedForward())
      }
      return [CommonTensors.outside(model)] + trunk
        + NextTokenTensors(model: model).blocks { $0.feedForward() }
    })
}
