internal import TensorTypes

/// The blocks that predict one token further (multi-token prediction), which follow the trunk.
struct NextTokenTensors {
  private let model: HyperParameters

  init(model: HyperParameters) {
    var model = model
    model.normIsOffset = model.nextTokenNormIsOffset ?? model.normIsOffset
    self.model = model
  }

  /// The blocks; those of the output are numbered on from the trunk.
  func blocks(feedForward: (CommonTensors) -> [TensorRule]) -> [BlockRules] {
    (0..<model.nextTokenLayerCount).map { index in
      let common = CommonTensors(
        model, source: "mtp.layers.\(index).", target: "blk.\(model.layerCount + index).")
      var rules =
        common.layerNorms(secondName: "post_attention_norm") + common.attention() + feedForward(common)
      if index == 0 { rules += entrance() }
      return BlockRules(block: model.layerCount + index, rules: rules, experts: common.experts())
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
