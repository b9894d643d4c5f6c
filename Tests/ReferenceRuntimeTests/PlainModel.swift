import Foundation
import ModelDescriptions
import ReferenceRuntime

/// A forward pass in double precision, written down as the papers have it: keys and values of latent attention are made
/// for every head, experts are sorted, nothing is cached.
final class PlainModel {
  let model: LoadedModel
  private var known: [String: [Double]] = [:]

  init(_ model: LoadedModel) { self.model = model }

  var architecture: Architecture { model.architecture }

  /// The logits of all tokens, one row after the other.
  func logits(_ tokens: [Int32]) throws -> [Double] {
    let (hidden, ends) = (architecture.hiddenSize, architecture.ends)
    let embedding = try values("token_embd.weight")
    var stream = tokens.map { token in
      embedding[(Int(token) * hidden)..<((Int(token) + 1) * hidden)].map { $0 * ends.embeddingScale }
    }
    for (block, layer) in architecture.layers.enumerated() {
      let prefix = "blk.\(block)."
      let before = try stream.map { try norm($0, prefix + "attn_norm") }
      let mixed =
        switch layer.mixer {
        case .attention(let part): try attention(before, part, prefix)
        case .latent(let part): try latent(before, part, prefix)
        case .shortConvolution(let part): try convolution(before, part, prefix)
        case .deltaNet: [[Double]]()
        }
      for row in stream.indices {
        stream[row] = try added(mixed[row], to: stream[row], layer.residual, prefix + "post_attention_norm")
      }
      for row in stream.indices {
        let y = try feedForward(
          try norm(stream[row], prefix + "ffn_norm"), stream: stream[row], layer.feedForward, prefix)
        stream[row] = try added(y, to: stream[row], layer.residual, prefix + "post_ffw_norm")
        guard layer.residual.hasOutputScale else { continue }
        let scale = try values(prefix + "layer_output_scale.weight")[0]
        stream[row] = stream[row].map { $0 * scale }
      }
    }
    return try stream.flatMap { row in
      var logits = try product("output.weight", try norm(row, "output_norm"))
      if ends.hasOutputBias { logits = plus(logits, try values("output.bias")) }
      logits = logits.map { $0 / ends.logitDivisor }
      if let cap = ends.logitCap { logits = logits.map { cap * tanh($0 / cap) } }
      return logits
    }
  }

  /// The stream with what a branch gives.
  private func added(
    _ y: [Double], to stream: [Double], _ residual: Residual, _ name: String
  ) throws -> [Double] {
    let normed = residual.normsOutputs ? rms(y, try values(name + ".weight")) : y
    return plus(stream, normed.map { $0 * residual.factor })
  }

  private func convolution(
    _ x: [[Double]], _ part: ShortConvolution, _ prefix: String
  ) throws -> [[Double]] {
    let taps = try values(prefix + "shortconv.conv.weight")
    let thirds = try x.map { parts(try product(prefix + "shortconv.in_proj.weight", $0), part.width) }
    return try x.indices.map { position in
      let sums = (0..<part.width).map { channel in
        (0..<part.kernelLength).reduce(0.0) { sum, tap in
          let source = position - part.kernelLength + 1 + tap
          guard source >= 0 else { return sum }
          return sum + taps[channel * part.kernelLength + tap] * thirds[source][0][channel]
            * thirds[source][2][channel]
        }
      }
      return try product(
        prefix + "shortconv.out_proj.weight", zip(sums, thirds[position][1]).map { $0 * $1 })
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
        let narrow = rms(
          try product(prefix + "attn_q_a.weight", row), try values(prefix + "attn_q_a_norm.weight"),
          part.latentNormEpsilon)
        all = try product(prefix + "attn_q_b.weight", narrow)
      }
      if let growth = part.queryGrowth {
        let factor = 1 + growth.weight * log(1 + floor(Double(position) / Double(growth.length)))
        all = all.map { $0 * factor }
      }
      let down = try product(prefix + "attn_kv_a_mqa.weight", row)
      let vector = rms(
        Array(down[..<c]), try values(prefix + "attn_kv_a_norm.weight"), part.latentNormEpsilon)
      let rotation = PlainRotation(part.rope, dimensions: dr, isAdjacent: true)
      let shared = rotation.turned(Array(down[c...]), position)
      var (q, k, v): ([[Double]], [[Double]], [[Double]]) = ([], [], [])
      for head in 0..<part.headCount {
        let own = Array(all[(head * (dn + dr))..<((head + 1) * (dn + dr))])
        q.append(own[..<dn] + rotation.turned(Array(own[dn...]), position))
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
    var factors: [Double]?
    if part.rope.takesFactors, model.store.names.contains("rope_freqs.weight") {
      factors = try values("rope_freqs.weight")
    }
    let rotation = PlainRotation(
      part.rope, dimensions: part.rotaryDimensions, isAdjacent: part.rotaryPairing == .adjacent,
      factors: factors)
    func projected(_ name: String, _ row: [Double]) throws -> [Double] {
      let y = try product(prefix + name + ".weight", row)
      let bias = name == "attn_output" ? part.hasOutputBias : part.hasInputBias
      return bias ? plus(y, try values(prefix + name + ".bias")) : y
    }
    func heads(_ name: String, _ row: [Double], _ position: Int) throws -> [[Double]] {
      var all = try projected(name, row)
      let normWeights = part.hasQueryKeyNorm ? try values(prefix + name + "_norm.weight") : nil
      if let normWeights, !part.normsAfterRotation {
        all =
          part.normsWholeWidth
          ? rms(all, normWeights) : parts(all, part.headDim).flatMap { rms($0, normWeights) }
      }
      if let limit = part.clip { all = all.map { min(max($0, -limit), limit) } }
      let turned = parts(all, part.headDim).map { rotation.turned($0, position) }
      guard let normWeights, part.normsAfterRotation else { return turned }
      return turned.map { rms($0, normWeights) }
    }
    let queries = try x.enumerated().map { try heads("attn_q", $1, $0) }
    let keys = try x.enumerated().map { try heads("attn_k", $1, $0) }
    let contents = try x.map { row in
      var all = try projected(part.hasValueProjection ? "attn_v" : "attn_k", row)
      if let limit = part.clip { all = all.map { min(max($0, -limit), limit) } }
      let heads = parts(all, part.headDim)
      return part.normsValues ? heads.map { rms($0, [Double](repeating: 1, count: $0.count)) } : heads
    }
    return try attended(
      queries, keys, contents, part.scoreScale ?? pow(Double(part.headDim), -0.5), group: part.groupSize,
      window: part.window, sinks: part.hasSinks ? try values(prefix + "attn_sinks.weight") : nil
    ).map { try projected("attn_output", $0) }
  }

  /// Causal softmax attention, heads side by side.
  private func attended(
    _ queries: [[[Double]]], _ keys: [[[Double]]], _ contents: [[[Double]]], _ scale: Double, group: Int,
    window: Int? = nil, sinks: [Double]? = nil
  ) -> [[Double]] {
    queries.indices.map { position in
      queries[position].indices.flatMap { head in
        let first = window.map { max(0, position + 1 - $0) } ?? 0
        let scores = (first...position).map { scale * dot(queries[position][head], keys[$0][head / group]) }
        let weights = softmax(scores + (sinks.map { [$0[head]] } ?? []))
        return contents[0][head / group].indices.map { d in
          (first...position).reduce(0.0) { $0 + weights[$1 - first] * contents[$1][head / group][d] }
        }
      }
    }
  }

  func values(_ name: String) throws -> [Double] {
    if let list = known[name] { return list }
    let list = try model.store.values(name).map(Double.init)
    known[name] = list
    return list
  }

  /// One of a stack's matrices times a vector.
  func product(_ name: String, _ x: [Double], matrix: Int = 0, rows: Int? = nil) throws -> [Double] {
    let weights = try values(name)
    let count = rows ?? weights.count / x.count
    return (0..<count).map { row in
      let start = (matrix * count + row) * x.count
      return x.indices.reduce(0.0) { $0 + weights[start + $1] * x[$1] }
    }
  }

  /// The model's norm before a branch.
  func norm(_ x: [Double], _ name: String) throws -> [Double] {
    let weight = try values(name + ".weight")
    guard architecture.norm == .meanAndVariance else { return rms(x, weight) }
    let mean = x.reduce(0, +) / Double(x.count)
    let centred = x.map { $0 - mean }
    return plus(rms(centred, weight), try values(name + ".bias"))
  }

  func rms(_ x: [Double], _ weight: [Double], _ epsilon: Double? = nil) -> [Double] {
    let scale = 1 / (dot(x, x) / Double(x.count) + (epsilon ?? architecture.normEpsilon)).squareRoot()
    return zip(x, weight).map { $0 * scale * $1 }
  }

  func softmax(_ x: [Double]) -> [Double] {
    let top = x.max() ?? 0
    let powers = x.map { exp($0 - top) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }

  func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
  func plus(_ a: [Double], _ b: [Double]) -> [Double] { zip(a, b).map(+) }
  func parts(_ x: [Double], _ width: Int) -> [[Double]] {
    stride(from: 0, to: x.count, by: width).map { Array(x[$0..<($0 + width)]) }
  }
}
