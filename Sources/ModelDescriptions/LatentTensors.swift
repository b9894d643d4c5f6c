internal import TensorTypes

/// The tensors of attention over latent vectors.
///
/// Checkpoints hold one matrix from the latent vector to keys and values, for each head `keyDim` rows for its key, then
/// `valueDim` for its value. A GGUF has the two parts as stacks of one matrix per head, the keys' transposed.
struct LatentTensors {
  private let common: CommonTensors
  private let part: LatentAttention

  init(_ common: CommonTensors, _ part: LatentAttention) {
    self.common = common
    self.part = part
  }

  /// All tensors.
  func rules() -> [TensorRule] {
    let (source, target) = (common.source + "self_attn.", common.target)
    let hidden = common.model.hiddenSize
    return queries() + [
      TensorRule(
        source + "kv_a_proj_with_mqa.weight", target + "attn_kv_a_mqa.weight", [part.cachedWidth, hidden],
        .latentDown),
      TensorRule(
        source + "kv_a_layernorm.weight", target + "attn_kv_a_norm.weight", [part.latentWidth], .latentNorm),
      keysAndValues(),
      TensorRule(
        source + "o_proj.weight", target + "attn_output.weight", [hidden, part.valueWidth], .attentionOutput),
    ]
  }

  private func queries() -> [TensorRule] {
    let (source, target) = (common.source + "self_attn.", common.target)
    let hidden = common.model.hiddenSize
    guard let rank = part.queryRank else {
      return [
        TensorRule(source + "q_proj.weight", target + "attn_q.weight", [part.queryWidth, hidden], .query)
      ]
    }
    return [
      TensorRule(source + "q_a_proj.weight", target + "attn_q_a.weight", [rank, hidden], .queryDown),
      TensorRule(source + "q_a_layernorm.weight", target + "attn_q_a_norm.weight", [rank], .queryNorm),
      TensorRule(source + "q_b_proj.weight", target + "attn_q_b.weight", [part.queryWidth, rank], .queryUp),
    ]
  }

  private func keysAndValues() -> TensorRule {
    let (latent, perHead) = (part.latentWidth, part.keyDim + part.valueDim)
    let heads = 0..<part.headCount
    return TensorRule(
      common.source + "self_attn.kv_b_proj.weight", shapes: [[part.headCount * perHead, latent]],
      outputs: [
        RuleOutput(
          common.target + "attn_k_b.weight", .latentKey, ggmlShape: [part.keyDim, latent, part.headCount],
          runs: heads.map {
            .init(0, latent, order: .columns(firstElement: $0 * perHead * latent, stride: latent))
          }),
        RuleOutput(
          common.target + "attn_v_b.weight", .latentValue,
          ggmlShape: [latent, part.valueDim, part.headCount],
          runs: heads.map { .init($0 * perHead + part.keyDim, part.valueDim) }),
      ])
  }
}
