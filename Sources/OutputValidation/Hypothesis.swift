#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif
internal import CheckpointConversion
internal import ModelDescriptions
internal import TensorTypes

/// One way in which a tensor may have come to hold other values than the source gives: each row of the file is some
/// row of the source's tensors, with its values reordered or changed.
struct Hypothesis {
  var kind: Finding.Kind
  /// What the tensor holds, after "found".
  var found: String
  var remedy: String
  /// The planned tensor whose rows it holds.
  var tensor: Int
  /// The row of that tensor that a row of the file holds; `nil` for the same row.
  var row: (@Sendable (Int) -> Int)?
  /// The value that each position of a row holds; `nil` for the same order.
  var columns: [Int]?
  /// What happened to each value.
  var change: (@Sendable (Float) -> Float)?
}

/// Makes the hypotheses for a tensor from what the family's conversion does.
struct HypothesisMaker {
  let plan: ConversionPlan
  let family: ModelFamily?
  let model: HyperParameters?
  /// Planned tensors by shape.
  private let byShape: [[Int]: [Int]]

  private static let convertAgain = "convert the model again with a current converter"

  init(plan: ConversionPlan, family: ModelFamily?, model: HyperParameters?) {
    self.plan = plan
    self.family = family
    self.model = model
    byShape = Dictionary(grouping: plan.tensors.indices) { plan.tensors[$0].ggmlShape }
  }

  /// Reordered or changed values of the same tensor.
  func ownHypotheses(_ index: Int) -> [Hypothesis] {
    let name = plan.tensors[index].name
    var result: [Hypothesis] = []
    if name.hasSuffix("norm.weight") {
      for (offset, text) in [
        (Float(-1), "one less: the stored offset, to which one was not added"),
        (1, "one more: one was added twice, or to a norm that is stored whole"),
      ] {
        result.append(
          Hypothesis(
            kind: .normOffset, found: "the norm's weights, all \(text)", remedy: Self.convertAgain,
            tensor: index,
            change: { $0 + offset }))
      }
    }
    if name.hasSuffix("ssm_a") {
      result.append(
        Hypothesis(
          kind: .decayNotConverted, found: "the logarithms of the decay rates (A_log), not -exp of them",
          remedy: Self.convertAgain, tensor: index, change: { $0 < 0 ? logarithm(-$0) : $0 }))
    }
    result += rotary(index, name) + valueHeads(index, name)
    return result
  }

  private func rotary(_ index: Int, _ name: String) -> [Hypothesis] {
    guard let model, name.contains(".attn_q.") || name.contains(".attn_k.") else { return [] }
    let headDim = model.attention.headDim
    let tensor = plan.tensors[index]
    let isBias = name.hasSuffix(".bias")
    let count = isBias ? tensor.rowLength : tensor.rowCount
    guard headDim > 1, count % headDim == 0 else { return [] }
    let run = RowRun(source: 0, firstRow: 0, rowCount: count, order: .pairHalves(headDim: headDim))
    let forward = (0..<count).map { run.sourceRow(at: $0) }
    let what = isBias ? "values" : "rows"
    let isAdjacent = model.attention.rotaryPairing == .adjacent
    return [
      make(
        .rotaryOrder,
        isAdjacent
          ? "\(what) in the checkpoint's order: the permutation for rotary pairs is missing"
          : "\(what) that were permuted back for rotary pairs, which this architecture does not want",
        index, isBias, inverse(forward)),
      make(
        .rotaryOrder,
        isAdjacent
          ? "\(what) that were permuted for rotary pairs twice"
          : "\(what) permuted for adjacent rotary pairs, which this architecture does not want", index,
        isBias, forward),
    ]
  }

  private func valueHeads(_ index: Int, _ name: String) -> [Hypothesis] {
    guard let net = model?.linearAttention, net.repetition > 1, net.keyHeadCount > 1 else { return [] }
    let tensor = plan.tensors[index]
    /// The first row (or column), rows per head, and whether heads are along the row.
    let layout: (first: Int, unit: Int, inRow: Bool)?
    switch name.split(separator: ".", maxSplits: 2).last.map(String.init) ?? "" {
    case "attn_qkv.weight": layout = (2 * net.keyWidth, net.valueDim, false)
    case "ssm_conv1d.weight": layout = (2 * net.keyWidth, net.valueDim, false)
    case "attn_gate.weight": layout = (0, net.valueDim, false)
    case "ssm_beta.weight", "ssm_alpha.weight": layout = (0, 1, false)
    case "ssm_a", "ssm_dt.bias": layout = (0, 1, true)
    case "ssm_out.weight": layout = (0, net.valueDim, true)
    default: layout = nil
    }
    guard let layout else { return [] }
    let count = layout.inRow ? tensor.rowLength : tensor.rowCount
    guard count == layout.first + net.valueHeadCount * layout.unit else { return [] }
    func spread(_ heads: [Int]) -> [Int] {
      Array(0..<layout.first)
        + heads.flatMap { head in (0..<layout.unit).map { layout.first + head * layout.unit + $0 } }
    }
    let tiled = net.tiledHeadOrder
    let isTiled = family?.ggufArchitecture != "qwen3next"
    return [
      make(
        .valueHeadOrder,
        isTiled
          ? "value heads in the checkpoint's order, grouped by key head: the reordering is missing"
          : "value heads that were reordered back", index, layout.inRow, spread(inverse(tiled))),
      make(
        .valueHeadOrder,
        isTiled
          ? "value heads that were reordered twice" : "value heads tiled over key heads, not grouped by them",
        index, layout.inRow, spread(tiled)),
    ]
  }

  private func make(
    _ kind: Finding.Kind, _ found: String, _ index: Int, _ isColumns: Bool, _ order: [Int]
  ) -> Hypothesis {
    if isColumns {
      return Hypothesis(kind: kind, found: found, remedy: Self.convertAgain, tensor: index, columns: order)
    }
    return Hypothesis(kind: kind, found: found, remedy: Self.convertAgain, tensor: index, row: { order[$0] })
  }

  private func inverse(_ order: [Int]) -> [Int] {
    var result = order
    for (position, from) in order.enumerated() { result[from] = position }
    return result
  }

  /// Other tensors of the same shape, nearest layers first.
  func otherTensors(_ index: Int, limit: Int = 400) -> [Hypothesis] {
    let own = plan.tensors[index]
    let (layer, stem) = Self.parts(own.name)
    func distance(_ other: Int) -> (Int, Int, Int) {
      let (otherLayer, otherStem) = Self.parts(plan.tensors[other].name)
      return (abs((layer ?? 0) - (otherLayer ?? 0)), otherStem == stem ? 0 : 1, other)
    }
    return (byShape[own.ggmlShape] ?? []).filter { $0 != index }.sorted { distance($0) < distance($1) }
      .prefix(limit)
      .map { other in
        let name = plan.tensors[other].name
        let isCounterpart = Self.counterpart(own.name) == name
        return Hypothesis(
          kind: isCounterpart ? .swappedTensors : .otherTensor,
          found: isCounterpart
            ? "the weights of \(name): gate and up are exchanged" : "the weights of \(name)",
          remedy: Self.convertAgain, tensor: other)
      }
  }

  /// The name with gate and up exchanged; `nil` for other tensors.
  static func counterpart(_ name: String) -> String? {
    if name.contains(".ffn_gate_inp") { return nil }
    if name.contains(".ffn_gate") { return name.replacing(".ffn_gate", with: ".ffn_up") }
    if name.contains(".ffn_up") { return name.replacing(".ffn_up", with: ".ffn_gate") }
    return nil
  }

  private static func parts(_ name: String) -> (layer: Int?, stem: Substring) {
    let parts = name.split(separator: ".", maxSplits: 2)
    guard parts.count == 3, parts[0] == "blk", let layer = Int(parts[1]) else { return (nil, name[...]) }
    return (layer, parts[2])
  }
}

private func logarithm(_ x: Float) -> Float { logf(x) }
