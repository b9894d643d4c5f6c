import Foundation
import ModelDescriptions
import ReferenceRuntime

/// A forward pass in double precision, written down as the papers have it: keys and values of latent attention are made
/// for every head, experts are sorted, nothing is cached.
final class PlainModel {
  private let model: LoadedModel
  private var known: [String: [Double]] = [:]

  init(_ model: LoadedModel) { self.model = model }

  /// The logits of all tokens, one row after the other.
  func logits(_ tokens: [Int32]) throws -> [Double] {
    let architecture = model.architecture
    let (hidden, epsilon) = (architecture.hiddenSize, architecture.normEpsilon)
    let embedding = try values("token_embd.weight")
    var stream = tokens.map { Array(embedding[(Int($0) * hidden)..<((Int($0) + 1) * hidden)]) }
    for (block, layer) in architecture.layers.enumerated() {
      let prefix = "blk.\(block)."
      let before = try stream.map { norm($0, try values(prefix + "attn_norm.weight"), epsilon) }
      let mixed =
        switch layer.mixer {
        case .attention(let part): try attention(before, part, prefix)
        case .latent(let part): try latent(before, part, prefix)
        case .deltaNet, .shortConvolution: [[Double]]()
        }
      for row in stream.indices { stream[row] = plus(stream[row], mixed[row]) }
      for row in stream.indices {
        let x = norm(stream[row], try values(prefix + "ffn_norm.weight"), epsilon)
        let y =
          switch layer.feedForward {
          case .dense: try network(x, prefix, "")
          case .experts(let part): try experts(x, part, prefix)
          case .parallel: x
          }
        stream[row] = plus(stream[row], y)
      }
    }
    return try stream.flatMap {
      try product("output.weight", norm($0, try values("output_norm.weight"), epsilon))
    }
  }

  private func latent(_ x: [[Double]], _ part: LatentAttention, _ prefix: String) throws -> [[Double]] {
    let (dn, dr, c) = (part.keyDim, part.rotaryDim, part.latentWidth)
    let projection = try values(prefix + "attn_k_b.weight")
    var (queries, keys, contents): ([[[Double]]], [[[Double]]], [[[Double]]]) = ([], [], [])
    for (position, row) in x.enumerated() {
      var all: [Double]
      if part.queryRank == nil {
        all = try product(prefix + "attn_q.weight", row)
      } else {
        let narrow = norm(
          try product(prefix + "attn_q_a.weight", row), try values(prefix + "attn_q_a_norm.weight"),
          part.latentNormEpsilon)
        all = try product(prefix + "attn_q_b.weight", narrow)
      }
      if let growth = part.queryGrowth {
        let factor = 1 + growth.weight * log(1 + floor(Double(position) / Double(growth.length)))
        all = all.map { $0 * factor }
      }
      let down = try product(prefix + "attn_kv_a_mqa.weight", row)
      let vector = norm(
        Array(down[..<c]), try values(prefix + "attn_kv_a_norm.weight"), part.latentNormEpsilon)
      let shared = turned(Array(down[c...]), position, part.rope, adjacent: true)
      var (q, k, v): ([[Double]], [[Double]], [[Double]]) = ([], [], [])
      for head in 0..<part.headCount {
        let own = Array(all[(head * (dn + dr))..<((head + 1) * (dn + dr))])
        q.append(own[..<dn] + turned(Array(own[dn...]), position, part.rope, adjacent: true))
        // Stored transposed: c rows of dn values.
        let key = (0..<dn).map { i in
          (0..<c).reduce(0.0) { $0 + projection[(head * c + $1) * dn + i] * vector[$1] }
        }
        k.append(key + shared)
        v.append(try product(prefix + "attn_v_b.weight", vector, matrix: head, rows: part.valueDim))
      }
      queries.append(q)
      keys.append(k)
      contents.append(v)
    }
    var scale = pow(Double(dn + dr), -0.5)
    if case .yarn(let yarn) = part.rope.scaling, let weight = yarn.scoreWeight {
      scale *= pow(0.1 * weight * log(yarn.factor) + 1, 2)
    }
    return try attended(queries, keys, contents, scale, group: 1).map {
      try product(prefix + "attn_output.weight", $0)
    }
  }

  private func attention(_ x: [[Double]], _ part: Attention, _ prefix: String) throws -> [[Double]] {
    func heads(_ name: String, _ row: [Double], _ position: Int) throws -> [[Double]] {
      var all = try product(prefix + name + ".weight", row)
      let isTurned = name != "attn_v"
      if isTurned, part.hasQueryKeyNorm {
        let weight = try values(prefix + name + "_norm.weight")
        all =
          part.normsWholeWidth
          ? norm(all, weight, model.architecture.normEpsilon)
          : parts(all, part.headDim).flatMap { norm($0, weight, model.architecture.normEpsilon) }
      }
      if let limit = part.clip { all = all.map { min(max($0, -limit), limit) } }
      let heads = parts(all, part.headDim)
      return isTurned
        ? heads.map { turned($0, position, part.rope, adjacent: part.rotaryPairing == .adjacent) } : heads
    }
    let queries = try x.enumerated().map { try heads("attn_q", $1, $0) }
    let keys = try x.enumerated().map { try heads("attn_k", $1, $0) }
    let contents = try x.enumerated().map { try heads("attn_v", $1, $0) }
    return try attended(queries, keys, contents, pow(Double(part.headDim), -0.5), group: part.groupSize).map {
      try product(prefix + "attn_output.weight", $0)
    }
  }

  /// Causal softmax attention, heads side by side.
  private func attended(
    _ queries: [[[Double]]], _ keys: [[[Double]]], _ contents: [[[Double]]], _ scale: Double, group: Int
  ) -> [[Double]] {
    queries.indices.map { position in
      queries[position].indices.flatMap { head in
        let scores = (0...position).map { scale * dot(queries[position][head], keys[$0][head / group]) }
        let weights = softmax(scores)
        return contents[0][head / group].indices.map { d in
          (0...position).reduce(0.0) { $0 + weights[$1] * contents[$1][head / group][d] }
        }
      }
    }
  }

  private func experts(_ x: [Double], _ part: Experts, _ prefix: String) throws -> [Double] {
    let (router, scores) = (part.router, try product(prefix + "ffn_gate_inp.weight", x))
    var p = router.scoring == .softmax ? softmax(scores) : scores.map { 1 / (1 + exp(-$0)) }
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
    let sum = router.normalizesTopK ? top.reduce(1e-20) { $0 + p[$1] } : 1
    var y = [Double](repeating: 0, count: x.count)
    for expert in top {
      let own = try network(x, prefix, "_exps", matrix: expert, width: part.width)
      y = plus(y, own.map { $0 * p[expert] / sum * router.scale })
    }
    guard part.sharedWidth != nil else { return y }
    let shared = try network(x, prefix, "_shexp")
    guard part.hasSharedGate else { return plus(y, shared) }
    let gate = 1 / (1 + exp(-(try product(prefix + "ffn_gate_inp_shexp.weight", x)[0])))
    return plus(y, shared.map { $0 * gate })
  }

  private func network(
    _ x: [Double], _ prefix: String, _ suffix: String, matrix: Int = 0, width: Int? = nil
  ) throws -> [Double] {
    func name(_ role: String) -> String { prefix + "ffn_" + role + suffix + ".weight" }
    let gate = try product(name("gate"), x, matrix: matrix, rows: width)
    let up = try product(name("up"), x, matrix: matrix, rows: width)
    let inner = zip(gate, up).map { $0 / (1 + exp(-$0)) * $1 }
    return try product(name("down"), inner, matrix: matrix, rows: width.map { _ in x.count })
  }

  private func turned(_ x: [Double], _ position: Int, _ rope: RopeParameters, adjacent: Bool) -> [Double] {
    let pairs = x.count / 2
    var (y, magnitude) = (x, 1.0)
    var speeds = (0..<pairs).map { pow(rope.theta, -2 * Double($0) / Double(x.count)) }
    if case .yarn(let yarn) = rope.scaling {
      func place(_ turns: Double) -> Double {
        Double(x.count) * log(Double(yarn.originalContextLength) / (turns * 2 * .pi)) / (2 * log(rope.theta))
      }
      let low = max(floor(place(yarn.betaFast ?? 32)), 0)
      let high = min(ceil(place(yarn.betaSlow ?? 1)), Double(x.count - 1))
      for pair in 0..<pairs {
        let ramp = min(max((Double(pair) - low) / (high == low ? 0.001 : high - low), 0), 1)
        speeds[pair] *= ramp / yarn.factor + 1 - ramp
      }
      magnitude = yarn.attentionFactor ?? (0.1 * log(yarn.factor) + 1)
    }
    for pair in 0..<pairs {
      let angle = Double(position) * speeds[pair]
      let (c, s) = (cos(angle) * magnitude, sin(angle) * magnitude)
      let (i, j) = adjacent ? (2 * pair, 2 * pair + 1) : (pair, pair + pairs)
      (y[i], y[j]) = (x[i] * c - x[j] * s, x[i] * s + x[j] * c)
    }
    return y
  }

  private func values(_ name: String) throws -> [Double] {
    if let list = known[name] { return list }
    let list = try model.store.values(name).map(Double.init)
    known[name] = list
    return list
  }

  /// One of a stack's matrices times a vector.
  private func product(_ name: String, _ x: [Double], matrix: Int = 0, rows: Int? = nil) throws -> [Double] {
    let weights = try values(name)
    let count = rows ?? weights.count / x.count
    return (0..<count).map { row in
      let start = (matrix * count + row) * x.count
      return x.indices.reduce(0.0) { $0 + weights[start + $1] * x[$1] }
    }
  }

  private func norm(_ x: [Double], _ weight: [Double], _ epsilon: Double) -> [Double] {
    let scale = 1 / (dot(x, x) / Double(x.count) + epsilon).squareRoot()
    return zip(x, weight).map { $0 * scale * $1 }
  }

  private func softmax(_ x: [Double]) -> [Double] {
    let top = x.max() ?? 0
    let powers = x.map { exp($0 - top) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }

  private func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
  private func plus(_ a: [Double], _ b: [Double]) -> [Double] { zip(a, b).map(+) }
  private func parts(_ x: [Double], _ width: Int) -> [[Double]] {
    stride(from: 0, to: x.count, by: width).map { Array(x[$0..<($0 + width)]) }
  }
}
