internal import TensorTypes

/// The tensors of gated delta nets, in the two forms in which checkpoints store their projections.
///
/// Value heads are grouped by key head in checkpoints (`g * r + i` belongs to key head g, with r value heads per
/// key head). In the split form the output has them tiled over the key heads (head j belongs to key head j mod
/// count), so that a broadcast serves; in the interleaved form they stay grouped.
struct DeltaNetTensors {
  let common: CommonTensors
  let net: GatedDeltaNet

  init?(_ common: CommonTensors) {
    guard let net = common.model.linearAttention else { return nil }
    self.common = common
    self.net = net
  }

  private var source: String { common.source + "linear_attn." }
  private var target: String { common.target }
  private var hidden: Int { common.model.hiddenSize }

  /// `nil` when every key head has one value head, so that both orders are the same.
  private var headOrder: [Int]? { net.repetition == 1 || net.keyHeadCount == 1 ? nil : net.tiledHeadOrder }

  /// Rows of value heads from `first` on, in the output's order.
  private func valueRows(from first: Int, headRows: Int) -> [RuleOutput.Rows] {
    guard let headOrder else { return [.init(first, net.valueHeadCount * headRows)] }
    return headOrder.map { .init(first + $0 * headRows, headRows) }
  }

  /// Values of value heads along a row, in the output's order.
  private func valueColumns(width: Int) -> ColumnOrder {
    headOrder.map { .blocks(width: width, order: $0) } ?? .identity
  }

  /// All tensors, in the form that the net has.
  func rules() -> [TensorRule] { net.hasJointGates ? interleaved() : split() }

  /// Projections stored separately (`in_proj_qkv`, `in_proj_z`, `in_proj_b`, `in_proj_a`).
  private func split() -> [TensorRule] {
    let queryKeyRows = 2 * net.keyWidth
    func heads(_ name: String, _ output: String, _ slot: TensorSlot, headRows: Int) -> TensorRule {
      let shape = [net.valueHeadCount * headRows, hidden]
      return TensorRule(
        source + name + ".weight", shapes: [shape],
        outputs: [
          RuleOutput(
            target + output + ".weight", slot, ggmlShape: shape.reversed(),
            runs: valueRows(from: 0, headRows: headRows))
        ])
    }
    let channels = [RuleOutput.Rows(0, queryKeyRows)] + valueRows(from: queryKeyRows, headRows: net.valueDim)
    return [
      TensorRule(
        source + "in_proj_qkv.weight", shapes: [[net.channelCount, hidden]],
        outputs: [
          RuleOutput(
            target + "attn_qkv.weight", .deltaNetInput, ggmlShape: [hidden, net.channelCount], runs: channels)
        ]),
      heads("in_proj_z", "attn_gate", .deltaNetGate, headRows: net.valueDim),
      heads("in_proj_b", "ssm_beta", .deltaNetBeta, headRows: 1),
      heads("in_proj_a", "ssm_alpha", .deltaNetAlpha, headRows: 1),
    ]
      + shared(
        channels: channels, perHead: valueColumns(width: 1), perValue: valueColumns(width: net.valueDim))
  }

  /// Projections stored together, interleaved by key head (`in_proj_qkvz`, `in_proj_ba`).
  private func interleaved() -> [TensorRule] {
    let groupValues = net.repetition * net.valueDim
    let group = 2 * net.keyDim + 2 * groupValues  // rows: q, k, v of r heads, z of r heads
    func rows(at offset: Int, count: Int) -> [RuleOutput.Rows] {
      (0..<net.keyHeadCount).map { .init($0 * group + offset, count) }
    }
    return [
      TensorRule(
        source + "in_proj_qkvz.weight", shapes: [[net.keyHeadCount * group, hidden]],
        outputs: [
          RuleOutput(
            target + "attn_qkv.weight", .deltaNetInput, ggmlShape: [hidden, net.channelCount],
            runs: rows(at: 0, count: net.keyDim) + rows(at: net.keyDim, count: net.keyDim)
              + rows(at: 2 * net.keyDim, count: groupValues)),
          RuleOutput(
            target + "attn_gate.weight", .deltaNetGate, ggmlShape: [hidden, net.valueWidth],
            runs: rows(at: 2 * net.keyDim + groupValues, count: groupValues)),
        ]),
      TensorRule(
        source + "in_proj_ba.weight", target + "ssm_ba.weight", [2 * net.valueHeadCount, hidden],
        .deltaNetGates),
    ] + shared(channels: [.init(0, net.channelCount)], perHead: .identity, perValue: .identity)
  }

  /// What both forms have: convolution, decay, time step, norm and output projection.
  private func shared(
    channels: [RuleOutput.Rows], perHead: ColumnOrder, perValue: ColumnOrder
  ) -> [TensorRule] {
    let (count, kernel) = (net.channelCount, net.kernelLength)
    return [
      TensorRule(
        source + "conv1d.weight", shapes: [[count, 1, kernel], [count, kernel, 1], [count, kernel]],
        outputs: [
          RuleOutput(target + "ssm_conv1d.weight", .convolution, ggmlShape: [kernel, count], runs: channels)
        ]),
      TensorRule(
        source + "A_log", target + "ssm_a", [net.valueHeadCount], .decay, operation: .negateExponential,
        columns: perHead),
      TensorRule(
        source + "dt_bias", target + "ssm_dt.bias", [net.valueHeadCount], .stepBias, columns: perHead),
      // This norm is stored as it is, also in families whose other norms are stored minus one.
      TensorRule(source + "norm.weight", target + "ssm_norm.weight", [net.valueDim], .deltaNetNorm),
      TensorRule(
        source + "out_proj.weight", target + "ssm_out.weight", [hidden, net.valueWidth], .deltaNetOutput,
        columns: perValue),
    ]
  }
}
