import CRuntimeKernels
import Foundation
import ReferenceRuntime
import TestSupport
import Testing

@Suite struct KernelTests {
  static let levels = Session.levels

  private func random(_ count: Int, seed: UInt64, _ range: ClosedRange<Float> = -2...2) -> [Float] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in Float.random(in: range, using: &generator) }
  }

  private func expectClose(_ a: [Float], _ b: [Double], within bound: Double = 1e-6) {
    #expect(a.count == b.count)
    for (index, (x, y)) in zip(a, b).enumerated() {
      #expect(abs(Double(x) - y) <= bound * max(1, abs(y)), "at \(index): \(x), wanted \(y)")
    }
  }

  @Test(arguments: levels) func exponentialIsAccurate(_ level: Int32) {
    // Two units in the last place: one for the polynomial, one for the rounding of the product.
    let bound = 2.0 * 0x1p-23
    var inputs = stride(from: Float(-87), through: 88.5, by: 0.0137).map { $0 }
    inputs += [0, -0.0, 1e-30, -1e-30, 1, -1]
    var values = inputs
    crk_exp(level, values.count, &values)
    for (x, y) in zip(inputs, values) {
      let wanted = exp(Double(x))
      #expect(abs(Double(y) - wanted) <= bound * wanted, "exp(\(x)) is \(y)")
    }
    var special: [Float] = [-.infinity, .infinity, -104, -90, 89, .nan, -1000, 1000]
    crk_exp(level, special.count, &special)
    #expect(special[0] == 0 && special[1] == .infinity && special[4] == .infinity && special[5].isNaN)
    #expect(special[6] == 0 && special[7] == .infinity)
    // Denormal results come out, to within their spacing.
    #expect(abs(Double(special[3]) - exp(-90)) <= 0x1p-149 * 2)
  }

  @Test(arguments: [1, 3, 15, 16, 17, 48, 100]) func rowKernelsAgreeWithPlainCode(_ count: Int) {
    let (x, y) = (random(count, seed: 1), random(count, seed: 2))
    let (dx, dy) = (x.map(Double.init), y.map(Double.init))
    let mean = dx.reduce(0) { $0 + $1 * $1 } / Double(count)
    for level in Self.levels {
      var out = [Float](repeating: 0, count: count)
      crk_rms_norm(level, x, y, count, 1e-5, &out)
      expectClose(out, zip(dx, dy).map { $1 * $0 / (mean + 1e-5).squareRoot() })
      crk_l2_norm(level, x, count, 1e-6, 0.5, &out)
      expectClose(out, dx.map { 0.5 * $0 / (mean * Double(count) + 1e-6).squareRoot() })
      out = y
      crk_add(level, x, count, &out)
      expectClose(out, zip(dx, dy).map { $0 + $1 })
      out = y
      crk_add_scaled(level, x, 0.25, count, &out)
      expectClose(out, zip(dx, dy).map { 0.25 * $0 + $1 })
      out = y
      crk_silu_multiply(level, x, count, &out)
      expectClose(out, zip(dx, dy).map { $0 * $1 / (1 + exp(-$1)) })
      out = y
      crk_multiply_silu(level, x, count, &out)
      expectClose(out, zip(dx, dy).map { $1 * $0 / (1 + exp(-$0)) })
      out = y
      crk_sigmoid_multiply(level, x, count, &out)
      expectClose(out, zip(dx, dy).map { $1 / (1 + exp(-$0)) })
      out = y
      crk_softmax(level, count, &out)
      let total = dy.reduce(0) { $0 + exp($1) }
      expectClose(out, dy.map { exp($0) / total })
    }
  }

  @Test("The first of the greatest values", arguments: [0, 1, 15, 16, 17, 63, 64, 65, 200, 1000])
  func firstGreatestAgreesWithPlainCode(_ count: Int) {
    var generator = SeededGenerator(seed: UInt64(count))
    for round in 0..<40 {
      // Few different values, so that there are ties in and across vectors; in some rounds values that are none.
      var x = (0..<count).map { _ in Float(Int.random(in: -9...3, using: &generator)) }
      if round % 4 == 1 { for index in x.indices where x[index] < 0 { x[index] = -.infinity } }
      if round % 4 == 2 { for index in x.indices where x[index] > 1 { x[index] = .nan } }
      var wanted = 0
      var best = -Float.infinity
      for index in x.indices where x[index] > best { (wanted, best) = (index, x[index]) }
      for level in Self.levels { #expect(crk_first_greatest(level, x, count) == wanted) }
    }
    for level in Self.levels {
      for value in [-Float.infinity, .nan] {
        #expect(crk_first_greatest(level, [Float](repeating: value, count: count), count) == 0)
      }
    }
  }

  @Test(arguments: [1, 3, 15, 16, 17, 48, 100]) func laterRowKernelsAgreeWithPlainCode(_ count: Int) {
    let (x, y, z) = (random(count, seed: 1), random(count, seed: 2, -9...9), random(count, seed: 3))
    let (dx, dy, dz) = (x.map(Double.init), y.map(Double.init), z.map(Double.init))
    let mean = dx.reduce(0, +) / Double(count)
    let centred: [Double] = dx.map { $0 - mean }
    let variance = centred.reduce(0.0) { $0 + $1 * $1 } / Double(count)
    let deviation = (variance + 1e-2).squareRoot()
    func gelu(_ g: Double) -> Double {
      let inner = (2 / Double.pi).squareRoot() * (g + 0.044715 * g * g * g)
      return g / 2 * (1 + tanh(inner))
    }
    func swiglu(_ up: Double, _ gate: Double) -> Double {
      let (u, g) = (min(max(up, -1.5), 1.5), min(gate, 1.5))
      return (u + 1) * g / (1 + exp(-1.702 * g))
    }
    var results: [[Float]] = []
    for level in Self.levels {
      var out = x
      out.withUnsafeMutableBufferPointer { out in
        crk_layer_norm(level, out.baseAddress, z, y, count, 1e-2, out.baseAddress)
      }
      expectClose(out, dx.indices.map { dz[$0] * centred[$0] / deviation + dy[$0] })
      var all = out
      out = y
      crk_gelu_multiply(level, x, count, &out)
      expectClose(out, zip(dx, dy).map { gelu($1) * $0 }, within: 2e-6)
      all += out
      out = y
      crk_clamped_swiglu(level, x, 1.5, 1.702, count, &out)
      expectClose(out, zip(dx, dy).map { swiglu($0, $1) })
      all += out
      out = y
      crk_soft_cap(level, 3, count, &out)
      expectClose(out, dy.map { 3 * tanh($0 / 3) })
      results.append(all + out)
    }
    for other in results.dropFirst() { #expect(firstDifference(other, results[0]) == nil) }
  }

  /// Values that nothing may hide or be spoilt by.
  @Test(arguments: levels) func gatesKeepWhatIsNotFinite(_ level: Int32) {
    let extremes: [Float] = [.nan, 1e30, -1e30, 0, -0.0, 100, -100]
    var out = extremes
    crk_gelu_multiply(level, [Float](repeating: 1, count: 7), 7, &out)
    #expect(out[0].isNaN && out[1] == 1e30 && out[5] == 100)
    #expect(out[2] == 0 && out[3] == 0 && out[6] == 0)
    out = extremes
    crk_clamped_swiglu(level, [1, 1, 1, 1, 1, .nan, 1], 7, 1.702, 7, &out)
    #expect(out[0].isNaN && out[5].isNaN && abs(out[1] - 14) < 1e-3 && out[2] == 0 && out[3] == 0)
    out = extremes
    crk_soft_cap(level, 30, 7, &out)
    #expect(out[0].isNaN && out[1] == 30 && out[2] == -30 && out[3] == 0)
  }

  /// Near 0 a polynomial, elsewhere an exponential: both keep relative precision, and they meet.
  @Test(arguments: levels) func softCapsAreAccurate(_ level: Int32) {
    let inputs = stride(from: Float(-12), through: 12, by: 0.0037).map { $0 } + [1e-20, 0.6249999, 0.625]
    var values = inputs
    crk_soft_cap(level, 1, values.count, &values)
    for (x, y) in zip(inputs, values) {
      let wanted = tanh(Double(x))
      #expect(abs(Double(y) - wanted) <= 3 * 0x1p-23 * abs(wanted), "tanh(\(x)) is \(y)")
    }
  }

  /// The published example: weights 0.1, -0.2, 0.3 over 1, 2, -0.5 from a state of zeros, no activation.
  @Test(arguments: levels) func gatedConvolutionGivesTheWorkedExample(_ level: Int32) {
    let inputs: [Float] = [0, 0, 1, 2, -0.5]
    var results: [Float] = []
    inputs.withUnsafeBufferPointer { inputs in
      for token in 2..<5 {
        var rows: [UnsafePointer<Float>?] = []
        for tap in 0..<3 { rows.append(inputs.baseAddress.map { base in base + (token - 2 + tap) }) }
        var out: Float = 0
        crk_gated_convolve(level, rows, [0.1, -0.2, 0.3], 3, 1, [-2], &out)
        results.append(out)
      }
    }
    expectClose(results, [-0.6, -0.8, 0.9], within: 1e-7)
  }

  @Test(arguments: levels) func convolutionGivesTheWorkedExample(_ level: Int32) {
    let inputs: [Float] = [0, 0, 0, 1, 2, -0.5]
    var results: [Float] = []
    inputs.withUnsafeBufferPointer { inputs in
      for token in 3..<6 {
        var rows: [UnsafePointer<Float>?] = []
        for tap in 0..<4 { rows.append(inputs.baseAddress.map { base in base + (token - 3 + tap) }) }
        var out: Float = 0
        crk_convolve(level, rows, [0.1, -0.2, 0.3, 0.4], 4, 1, &out)
        results.append(out)
      }
    }
    expectClose(results, [0.23947506, 0.82528612, 0.10996680], within: 1e-7)
  }

  @Test(arguments: levels) func deltaRuleGivesTheWorkedExample(_ level: Int32) {
    func unit(_ pair: (Double, Double)) -> [Float] {
      let length = (pair.0 * pair.0 + pair.1 * pair.1 + 1e-6).squareRoot()
      return [Float(pair.0 / length), Float(pair.1 / length)]
    }
    let scale = Float(0.5).squareRoot()
    let queries = [(0.3, -0.4), (1, 0.5), (-0.2, 0.9)].flatMap { unit($0).map { $0 * scale } }
    let keys = [(0.6, 0.8), (-0.5, 0.5), (1, 0)].flatMap(unit)
    let values: [Float] = [1, 2, -1, 0.5, 0.25, -0.75]
    let decays = [-1.40859366, -1.06243048, -2.04631679].map { Float(exp($0)) }
    let betas: [Float] = [0.5, 0.73105858, 0.26894142]
    var state = [Float](repeating: 0, count: 2 * 16)
    var outs = [Float](repeating: 0, count: 6)
    state.withUnsafeMutableBufferPointer { state in
      outs.withUnsafeMutableBufferPointer { outs in
        queries.withUnsafeBufferPointer { queries in
          keys.withUnsafeBufferPointer { keys in
            values.withUnsafeBufferPointer { values in
              decays.withUnsafeBufferPointer { decays in
                betas.withUnsafeBufferPointer { betas in
                  var arguments = crk_delta_rule_arguments(
                    state: state.baseAddress, state_stride: 16, queries: queries.baseAddress,
                    keys: keys.baseAddress, qk_stride: 2, values: values.baseAddress, value_stride: 2,
                    decays: decays.baseAddress, betas: betas.baseAddress, gate_stride: 1,
                    outs: outs.baseAddress,
                    out_stride: 2, key_dim: 2, column_count: 2, token_count: 3)
                  crk_delta_rule(level, &arguments)
                }
              }
            }
          }
        }
      }
    }
    expectClose(
      outs, [-0.098994702, -0.197989404, 0.276757297, 0.144840997, -0.054390880, 0.076773854], within: 5e-7)
    expectClose(
      [state[0], state[1], state[16], state[17]], [0.127052493, -0.204146135, -0.050562861, 0.065857434],
      within: 5e-7)
    // The gated norm of the last output.
    for level in Self.levels {
      var out: [Float] = [0, 0]
      crk_rms_norm(level, Array(outs[4...]), [0.9, 1.1], 2, 1e-6, &out)
      crk_multiply_silu(level, [0.5, -2], 2, &out)
      expectClose(out, [-0.228970901, -0.302589345], within: 2e-6)
    }
  }

  /// Attention in double precision.
  private func attention(
    _ query: [Float], _ keys: [[Float]], _ values: [[Float]], _ scale: Double, sink: Float
  ) -> [Double] {
    let scores = keys.map { key in scale * zip(query, key).reduce(0.0) { $0 + Double($1.0) * Double($1.1) } }
    let top = max(scores.max() ?? 0, Double(sink))
    let weights = scores.map { exp($0 - top) }
    let total = weights.reduce(0, +) + exp(Double(sink) - top)
    return query.indices.map { d in
      zip(weights, values).reduce(0.0) { $0 + $1.0 * Double($1.1[d]) } / total
    }
  }

  @Test(arguments: [(1, 1), (12, 5), (16, 16), (33, 40), (128, 100)])
  func attentionAgreesWithPlainCode(_ headDim: Int, _ positions: Int) {
    let ends = [
      positions, max(1, positions / 2), 1, max(1, positions - 1), max(1, positions / 3), positions,
      min(2, positions),
      max(1, positions - 3),
    ]
    // Everything, and windows of several sizes that begin within and between blocks.
    for window in [positions, 1, 7, 16, 33] where window <= positions {
      let none = [Float](repeating: -.infinity, count: 8)
      for sinks: [Float] in [none, [-.infinity, 0.5, -3, 90, 2, -.infinity, 0, -90]] {
        let spans = zip(ends, sinks).map { crk_span(start: max(0, $0 - window), end: $0, sink: $1) }
        for count in [4, Int(CRK_MOST_QUERIES)] {
          expectAttention(headDim, positions, Array(spans.prefix(count)))
        }
      }
    }
  }

  private func expectAttention(_ headDim: Int, _ positions: Int, _ spans: [crk_span]) {
    let keys = (0..<positions).map { random(headDim, seed: UInt64(100 + $0)) }
    let values = (0..<positions).map { random(headDim, seed: UInt64(900 + $0)) }
    let queries = spans.indices.map { random(headDim, seed: UInt64(5 + $0)) }
    let stride = (headDim + 15) / 16 * 16
    let blocks = (positions + 15) / 16
    for half in [false, true] {
      var results: [[Float]] = []
      for level in Self.levels {
        var keyStore = [Float](repeating: 0, count: blocks * 16 * headDim)
        var valueStore = [Float](repeating: 0, count: blocks * 16 * stride)
        var outs = [[Float]](repeating: [Float](repeating: 0, count: headDim), count: spans.count)
        var single = outs
        keyStore.withUnsafeMutableBytes { keyBytes in
          valueStore.withUnsafeMutableBytes { valueBytes in
            for t in 0..<positions {
              crk_store(
                level, keys[t], values[t], t, headDim, stride, half, keyBytes.baseAddress,
                valueBytes.baseAddress)
            }
            var cache = crk_cache(
              keys: keyBytes.baseAddress, values: valueBytes.baseAddress, head_dim: headDim,
              value_dim: headDim, value_stride: stride, half: half)
            var scratch = [Float](repeating: 0, count: spans.count * (blocks * 16 + stride))
            attend(level, &cache, queries, spans, &scratch, &outs)
            for q in spans.indices {
              var one = [single[q]]
              attend(level, &cache, [queries[q]], [spans[q]], &scratch, &one)
              single[q] = one[0]
            }
          }
        }
        // All queries at once or one by one: the same bits.
        #expect(firstDifference(outs.flatMap(\.self), single.flatMap(\.self)) == nil)
        for q in spans.indices {
          let seen = spans[q].start..<spans[q].end
          let wanted = attention(
            queries[q], Array(keys[seen]), Array(values[seen]), 0.3, sink: spans[q].sink)
          expectClose(outs[q], wanted, within: half ? 5e-3 : 2e-6)
        }
        results.append(outs.flatMap(\.self))
      }
      for other in results.dropFirst() { #expect(firstDifference(other, results[0]) == nil) }
    }
  }

  private func attend(
    _ level: Int32, _ cache: inout crk_cache, _ queries: [[Float]], _ spans: [crk_span],
    _ scratch: inout [Float],
    _ outs: inout [[Float]]
  ) {
    let flat = queries.flatMap(\.self)
    let dims = queries[0].count
    var result = [Float](repeating: 0, count: flat.count)
    flat.withUnsafeBufferPointer { flat in
      result.withUnsafeMutableBufferPointer { result in
        let inputs: [UnsafePointer<Float>?] = queries.indices.map { i in
          flat.baseAddress.map { $0 + i * dims }
        }
        let outputs: [UnsafeMutablePointer<Float>?] = queries.indices.map { i in
          result.baseAddress.map { $0 + i * dims }
        }
        crk_attend(level, &cache, inputs, spans, queries.count, 0.3, &scratch, outputs)
      }
    }
    outs = queries.indices.map { Array(result[($0 * dims)..<(($0 + 1) * dims)]) }
  }

  @Test func wideLevelsAgreeOnDeltaRules() {
    let (dims, columns, tokens) = (20, 23, 7)
    let inputs = random(tokens * (2 * dims + columns), seed: 9, -0.5...0.5)
    let gates = random(2 * tokens, seed: 10, 0...1)
    let results = Self.levels.map { level in
      var state = random(dims * 32, seed: 11)
      var outs = [Float](repeating: 0, count: tokens * columns)
      state.withUnsafeMutableBufferPointer { state in
        outs.withUnsafeMutableBufferPointer { outs in
          inputs.withUnsafeBufferPointer { inputs in
            gates.withUnsafeBufferPointer { gates in
              guard let base = inputs.baseAddress, let gate = gates.baseAddress else { return }
              var arguments = crk_delta_rule_arguments(
                state: state.baseAddress, state_stride: 32, queries: base, keys: base + tokens * dims,
                qk_stride: dims, values: base + 2 * tokens * dims, value_stride: columns, decays: gate,
                betas: gate + tokens, gate_stride: 1, outs: outs.baseAddress, out_stride: columns,
                key_dim: dims,
                column_count: columns, token_count: tokens)
              crk_delta_rule(level, &arguments)
            }
          }
        }
      }
      return state + outs
    }
    for other in results.dropFirst() { #expect(firstDifference(other, results[0]) == nil) }
  }
}

@Suite struct RotaryTests {
  @Test func frequenciesGiveThePublishedValues() {
    let plain = RotaryFrequencies(
      RotarySettings(dimensions: 64, base: 1e7, pairing: .halves, scaling: .none), factors: nil)
    for (pair, wanted) in [(0, 1), (1, 0.60429639), (2, 0.36517413), (15, 5.2329911e-4), (31, 1.6548171e-7)] {
      #expect(abs(Double(plain.frequencies[pair]) / wanted - 1) < 3e-7)
    }
    #expect(plain.magnitude == 1)
  }

  @Test func yarnGivesThePublishedValues() {
    // DeepSeek-V3: base 1e4, factor 40, 64 dimensions, 4096 tokens originally.
    let yarn = RotaryFrequencies(
      RotarySettings(
        dimensions: 64, base: 1e4, pairing: .halves,
        scaling: .yarn(
          factor: 40, originalContextLength: 4096, betaFast: 32, betaSlow: 1, attentionFactor: nil)),
      factors: nil)
    let wanted = [
      (9, 0.074989421), (12, 0.02687936), (16, 0.0055), (17, 0.0035619975), (20, 7.9056942e-4),
      (31, 3.3338036e-6),
    ]
    for (pair, value) in wanted { #expect(abs(Double(yarn.frequencies[pair]) / value - 1) < 1e-6) }
    let magnitude: Double = 0.1 * log(40.0) + 1
    #expect(abs(Double(yarn.magnitude) - magnitude) < 1e-6)
  }

  @Test func longRopeAndProportionalGiveTheirDefinition() {
    func frequencies(_ scaling: RotarySettings.Scaling) -> RotaryFrequencies {
      RotaryFrequencies(
        RotarySettings(dimensions: 8, base: 1e4, pairing: .halves, scaling: scaling), factors: nil)
    }
    func expect(_ found: RotaryFrequencies, _ wanted: [Double]) {
      for (x, y) in zip(found.frequencies, wanted) { #expect(abs(Double(x) - y) <= 1e-6 * y) }
    }
    expect(frequencies(.perPair(factors: [1, 2, 4, 5])), [1, 0.05, 0.0025, 0.0002])
    expect(frequencies(.proportional(turningPairs: 2, factor: 4)), [0.25, 0.025, 0, 0])
    var louder = RotarySettings(dimensions: 8, base: 1e4, pairing: .halves, scaling: .linear(factor: 2))
    louder.magnitude = 1.5
    expect(RotaryFrequencies(louder, factors: nil), [0.5, 0.05, 0.005, 0.0005])
    #expect(RotaryFrequencies(louder, factors: nil).magnitude == 1.5)
  }

  @Test func factorsDivide() {
    let settings = RotarySettings(dimensions: 4, base: 100, pairing: .adjacent, scaling: .none)
    #expect(RotaryFrequencies(settings, factors: [1, 8]).frequencies == [1, 0.1 / 8])
  }
}
