internal import TensorTypes

/// The blocks that predict one token further (multi-token prediction), which follow the trunk.
struct NextTokenTensors {
  private let model: HyperParameters

  init(model: HyperParameters) {
    var model = model
    model.normIsOffset = model.nextTokenNormIsOffset ?? model.normIsOffset
    self.model = model
  }

  /// Blocks that checkpoints keep under `mtp.`; those of the output are numbered on from the trunk.
  func separateBlocks(secondNorm: String = "post_attention_norm") -> [BlockRules] {
    (0..<model.nextTokenLayerCount).map { index in
      let block = model.layerCount + index
      let common = CommonTensors(model, source: "mtp.layers.\(index).", target: "blk.\(block).")
      var rules = common.block(block, secondNorm: secondNorm)
      if index == 0 { rules.rules += entrance() }
      return rules
    }
  }

  /// Blocks that checkpoints number on from the trunk.
  func numberedBlocks(secondNorm: String, names: ModuleNames = [:]) -> [BlockRules] {
    (0..<model.nextTokenLayerCount).map { index in
      let block = model.layerCount + index
      let common = CommonTensors(model, layer: block, names: names)
      var rules = common.block(block, secondNorm: secondNorm)
      rules.rules += numberedEntrance(common).map { names.applied(to: $0, after: common.source) }
      return rules
    }
  }

  /// What joins the next token's embedding with the trunk's result, as ``numberedBlocks(secondNorm:)`` have it.
  private func numberedEntrance(_ common: CommonTensors) -> [TensorRule] {
    let (source, target) = (common.source, common.target + "nextn.")
    let (hidden, rows) = (model.hiddenSize, model.vocabularySize)
    let rules = [
      TensorRule(
        source + "eh_proj.weight", target + "eh_proj.weight", [hidden, 2 * hidden], .nextTokenProjection),
      TensorRule(
        source + "embed_tokens.weight", target + "embed_tokens.weight", [rows, hidden], .nextTokenEmbedding,
        optional: true),
      TensorRule(source + "enorm.weight", target + "enorm.weight", [hidden], .nextTokenEmbeddingNorm),
      TensorRule(source + "hnorm.weight", target + "hnorm.weight", [hidden], .nextTokenHiddenNorm),
      TensorRule(
        source + "shared_head.head.weight", target + "shared_head_head.weight", [rows, hidden],
        .nextTokenHead, optional: true),
      TensorRule(
        source + "shared_head.norm.weight", target + "shared_head_norm.weight", [hidden], .nextTokenHeadNorm),
    ]
    // Models that share these with the trunk are rarer.
    return rules.map { rule in
      var rule = rule
      rule.isUsual = rule.isOptional
      return rule
    }
  }

  /// What joins the next token's embedding with the trunk's result.
  private func entrance() -> [TensorRule] {
    let common = CommonTensors(model, source: "mtp.", target: "blk.\(model.layerCount).nextn.")
    let hidden = model.hiddenSize
    return [
      TensorRule(
        "mtp.fc.weight", common.target + "eh_proj.weight", [hidden, 2 * hidden], .nextTokenProjection),
      common.norm("pre_fc_norm_embedding.weight", "enorm.weight", .nextTokenEmbeddingNorm, size: hidden),
      common.norm("pre_fc_norm_hidden.weight", "hnorm.weight", .nextTokenHiddenNorm, size: hidden),
      common.norm("norm.weight", "shared_head_norm.weight", .nextTokenHeadNorm, size: hidden),
    ]
  }
}
