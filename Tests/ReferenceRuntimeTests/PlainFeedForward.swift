import Foundation
import ModelDescriptions

extension PlainModel {
  /// What the feed-forward part of a layer gives for one token.
  func feedForward(
    _ x: [Double], stream: [Double], _ part: FeedForward, _ prefix: String
  ) throws -> [Double] {
    switch part {
    case .dense: return try network(x, prefix, "")
    case .experts(let part): return try experts(x, stream: stream, part, prefix)
    case .parallel(_, let part):
      let input = rms(stream, try values(prefix + "pre_ffw_norm_2.weight"))
      return plus(
        rms(try network(x, prefix, ""), try values(prefix + "post_ffw_norm_1.weight")),
        rms(
          try experts(input, stream: stream, part, prefix), try values(prefix + "post_ffw_norm_2.weight")))
    }
  }

  private func experts(
    _ x: [Double], stream: [Double], _ part: Experts, _ prefix: String
  ) throws -> [Double] {
    var y = [Double](repeating: 0, count: x.count)
    for (expert, share) in try shares(x, stream: stream, part, prefix) {
      let own = try network(x, prefix, "_exps", matrix: expert, width: part.width, hasBias: part.hasBias)
      y = plus(y, own.map { $0 * share })
    }
    guard part.sharedWidth != nil else { return y }
    let shared = try network(x, prefix, "_shexp")
    guard part.hasSharedGate else { return plus(y, shared) }
    let gate = 1 / (1 + exp(-(try product(prefix + "ffn_gate_inp_shexp.weight", x)[0])))
    return plus(y, shared.map { $0 * gate })
  }

  /// The chosen experts and what each counts for.
  private func shares(
    _ x: [Double], stream: [Double], _ part: Experts, _ prefix: String
  ) throws -> [(expert: Int, share: Double)] {
    let router = part.router
    var input = x
    if router.hasOwnInput {
      let scale = try values(prefix + "ffn_gate_inp.scale")
      input = rms(stream, scale).map { $0 / Double(x.count).squareRoot() }
    }
    var z = try product(prefix + "ffn_gate_inp.weight", input)
    if router.hasBias { z = plus(z, try values(prefix + "ffn_gate_inp.bias")) }
    let chosen =
      switch router.scoring {
      case .softmax: try largest(softmax(z), part, prefix)
      case .sigmoid: try largest(z.map { 1 / (1 + exp(-$0)) }, part, prefix)
      case .chosenSoftmax: bySoftmax(z, part)
      case .sparseMixer(let jitter): inTurn(z, part, jitter: jitter)
      }
    let factors = router.hasExpertScales ? try values(prefix + "ffn_down_exps.scale") : nil
    return chosen.map { ($0.expert, $0.share * router.scale * (factors?[$0.expert] ?? 1)) }
  }

  private func largest(
    _ probabilities: [Double], _ part: Experts, _ prefix: String
  ) throws -> [(expert: Int, share: Double)] {
    let router = part.router
    var p = probabilities
    var selection = p
    if router.hasSelectionBias { selection = plus(p, try values(prefix + "exp_probs_b.bias")) }
    if router.groupCount > 1 {
      let size = part.count / router.groupCount
      let marks = parts(selection, size).map { group -> Double in
        let sorted = group.sorted(by: >)
        return router.groupRule == .highest ? sorted[0] : sorted[0] + sorted[1]
      }
      let best = marks.indices.sorted { marks[$0] > marks[$1] }.prefix(router.usedGroupCount)
      for expert in p.indices where !best.contains(expert / size) {
        selection[expert] = router.groupRule == .highest ? 0 : -.infinity
        if router.groupRule == .highest { p[expert] = 0 }
      }
    }
    let top = selection.indices.sorted { selection[$0] > selection[$1] }.prefix(part.usedCount)
    var sum = top.reduce(0) { $0 + p[$1] }
    switch router.sumGuard {
    case .added(let value): sum += value
    case .atLeast(let value): sum = max(sum, value)
    }
    return top.map { ($0, router.normalizesTopK ? p[$0] / sum : p[$0]) }
  }

  private func bySoftmax(_ z: [Double], _ part: Experts) -> [(expert: Int, share: Double)] {
    let top = z.indices.sorted { z[$0] > z[$1] }.prefix(part.usedCount)
    return zip(top, softmax(top.map { z[$0] })).map { ($0, $1) }
  }

  private func inTurn(
    _ z: [Double], _ part: Experts, jitter: Double
  ) -> [(expert: Int, share: Double)] {
    var left = Array(z.indices)
    return (0..<part.usedCount).map { _ in
      let best = left.max { z[$0] < z[$1] } ?? 0
      let near = left.filter { (z[best] - z[$0]) / max(abs(z[$0]), z[best]) <= 2 * jitter }
      let share = 1 / near.reduce(0) { $0 + exp(z[$1] - z[best]) }
      left.removeAll { $0 == best }
      return (best, share)
    }
  }

  private func network(
    _ x: [Double], _ prefix: String, _ suffix: String, matrix: Int = 0, width: Int? = nil,
    hasBias: Bool = false
  ) throws -> [Double] {
    func projected(_ role: String, _ x: [Double], _ rows: Int?) throws -> [Double] {
      let name = prefix + "ffn_" + role + suffix
      let y = try product(name + ".weight", x, matrix: matrix, rows: rows)
      return hasBias ? plus(y, parts(try values(name + ".bias"), y.count)[matrix]) : y
    }
    let gate = try projected("gate", x, width)
    let up = try projected("up", x, width)
    let inner = zip(gate, up).map { g, u in
      switch architecture.activation {
      case .tanhGELU: g / 2 * (1 + tanh((2 / Double.pi).squareRoot() * (g + 0.044715 * g * g * g))) * u
      case .clampedSwiGLU(let part):
        (min(max(u, -part.limit), part.limit) + 1) * min(g, part.limit)
          / (1 + exp(-part.slope * min(g, part.limit)))
      default: g / (1 + exp(-g)) * u
      }
    }
    return try projected("down", inner, width.map { _ in x.count })
  }
}
