import ModelDescriptions
import Testing

/// Models of the parts that families are made of, in miniature, with sizes that fit no vector.
struct ModelParts: CustomTestStringConvertible, Sendable {
  var testDescription: String
  var hidden = 40
  var layers: [Layer]
  var activation = Activation.silu
  var norm = Norm.rootMeanSquare
  var ends = StreamEnds()
  var epsilon = 1e-5
  /// Factors for rotary pairs that the file has.
  var rotaryFactors: [Float]?

  func made(seed: UInt64 = 21, _ change: (inout Architecture) -> Void = { _ in }) throws -> MadeModel {
    var architecture = try MadeModel.architecture(hidden: hidden, layers: layers)
    architecture.name = "parts"
    architecture.activation = activation
    architecture.norm = norm
    architecture.ends = ends
    architecture.normEpsilon = epsilon
    change(&architecture)
    var made = MadeModel(architecture, seed: seed)
    if let rotaryFactors { made.addRotaryFactors(rotaryFactors) }
    return made
  }

  private static func attention(
    _ heads: Int, _ keyHeads: Int, _ dim: Int, _ change: (inout Attention) -> Void = { _ in }
  ) -> Attention {
    var part = Attention(headCount: heads, keyValueHeadCount: keyHeads, headDim: dim)
    change(&part)
    return part
  }

  private static func mixture(
    _ scoring: Router.Scoring, normalizes: Bool = true, used: Int = 3, width: Int = 24, shared: Int? = nil,
    _ change: (inout Experts) -> Void = { _ in }
  ) -> Experts {
    let router = Router(scoring: scoring, normalizesTopK: normalizes)
    var experts = Experts(count: 8, usedCount: used, width: width, sharedWidth: shared, router: router)
    experts.hasSharedGate = false
    change(&experts)
    return experts
  }

  /// gpt-oss: sinks, windows in every other layer, yarn without rounding, biases everywhere, clamped gates.
  static let gptOSS: ModelParts = {
    let part = attention(6, 2, 10) { part in
      (part.hasInputBias, part.hasOutputBias, part.hasSinks) = (true, true, true)
      var yarn = MadeModel.yarn
      (yarn.factor, yarn.originalContextLength, yarn.roundsLimits) = (32, 1024, false)
      part.rope = RopeParameters(theta: 150000, scaling: .yarn(yarn))
    }
    var sliding = part
    sliding.window = 9
    let experts = mixture(.chosenSoftmax) { part in
      (part.hasBias, part.router.hasBias) = (true, true)
    }
    return ModelParts(
      testDescription: "gpt-oss",
      layers: [sliding, part, sliding].map { Layer(mixer: .attention($0), feedForward: .experts(experts)) },
      activation: .clampedSwiGLU(.init(limit: 0.6)))
  }()

  private static func gemma(_ feedForward: FeedForward, rotaryFactors: [Float]?) -> ModelParts {
    let sliding = attention(4, 2, 12) { part in
      (part.hasQueryKeyNorm, part.normsValues, part.scoreScale, part.window) = (true, true, 1, 7)
      part.rope.takesFactors = false
    }
    let full = attention(4, 1, 18) { part in
      (part.hasQueryKeyNorm, part.normsValues, part.scoreScale) = (true, true, 1)
      part.hasValueProjection = false
      part.rope = RopeParameters(theta: 1e6)
      if rotaryFactors == nil {
        part.rope.partialFactor = 0.25
        part.rope.scaling = .proportional(factor: 1)
      }
    }
    var ends = StreamEnds()
    (ends.embeddingScale, ends.logitCap) = (Double(40).squareRoot(), 2)
    return ModelParts(
      testDescription: "Gemma 4, \(feedForward.experts == nil ? "dense" : "experts")",
      layers: [sliding, full, sliding].map { part in
        var layer = Layer(mixer: .attention(part), feedForward: feedForward)
        (layer.residual.normsOutputs, layer.residual.hasOutputScale) = (true, true)
        return layer
      }, activation: .tanhGELU, ends: ends, rotaryFactors: rotaryFactors)
  }

  /// Gemma 4 with experts: dense network and experts side by side, a router with norms of its own.
  static let gemmaExperts = gemma(
    .parallel(
      Dense(width: 50),
      mixture(.softmax) { part in (part.router.hasOwnInput, part.router.hasExpertScales) = (true, true) }),
    rotaryFactors: nil)
  /// Gemma 4 without, as a file has it: pairs that stand still are told by factors.
  static let gemmaDense = gemma(
    .dense(Dense(width: 50)), rotaryFactors: [1, 1] + [Float](repeating: 1e30, count: 7))

  /// LFM2: short convolutions, and an attention between.
  static let lfm: ModelParts = {
    let part = attention(5, 1, 8) { $0.hasQueryKeyNorm = true }
    let experts = mixture(.sigmoid) { part in
      part.router.hasSelectionBias = true
      // Large, so that it is seen.
      part.router.sumGuard = .added(0.5)
    }
    let convolution = Mixer.shortConvolution(ShortConvolution(width: 40, kernelLength: 3))
    let longer = Mixer.shortConvolution(ShortConvolution(width: 40, kernelLength: 4))
    return ModelParts(
      testDescription: "LFM2",
      layers: [
        Layer(mixer: convolution, feedForward: .dense(Dense(width: 30))),
        Layer(mixer: longer, feedForward: .experts(experts)),
        Layer(mixer: .attention(part), feedForward: .experts(experts)),
        Layer(mixer: convolution, feedForward: .experts(experts)),
      ])
  }()

  /// HunYuan: norms after the rotary embedding.
  static let hunYuan: ModelParts = {
    let part = attention(4, 2, 12) { ($0.hasQueryKeyNorm, $0.normsAfterRotation) = (true, true) }
    return ModelParts(
      testDescription: "HunYuan",
      layers: [
        Layer(mixer: .attention(part), feedForward: .experts(mixture(.softmax, shared: 20))),
        Layer(mixer: .attention(part), feedForward: .experts(mixture(.softmax, shared: 20))),
      ])
  }()

  /// Ling: half of each head turns, groups of experts.
  static let ling: ModelParts = {
    let part = attention(4, 2, 12) { ($0.hasQueryKeyNorm, $0.rotaryDimensions) = (true, 6) }
    let experts = mixture(.sigmoid, shared: 24) { part in
      (part.router.hasSelectionBias, part.router.scale) = (true, 2.5)
      (part.router.groupCount, part.router.usedGroupCount) = (4, 2)
    }
    return ModelParts(
      testDescription: "Ling",
      layers: [
        Layer(mixer: .attention(part), feedForward: .dense(Dense(width: 56))),
        Layer(mixer: .attention(part), feedForward: .experts(experts)),
      ])
  }()

  /// ERNIE 4.5: adjacent pairs, a bias on the choice among a softmax's shares.
  static let ernie: ModelParts = {
    let part = attention(5, 1, 8) { $0.rotaryPairing = .adjacent }
    let experts = mixture(.softmax, shared: 48) { part in
      part.router.hasSelectionBias = true
      // Large, so that it is seen.
      part.router.sumGuard = .atLeast(0.8)
    }
    return ModelParts(
      testDescription: "ERNIE 4.5",
      layers: [
        Layer(mixer: .attention(part), feedForward: .dense(Dense(width: 56))),
        Layer(mixer: .attention(part), feedForward: .experts(experts)),
      ])
  }()

  /// Granite: factors at every corner.
  static let granite: ModelParts = {
    let part = attention(4, 2, 10) { ($0.rotaryPairing, $0.scoreScale) = (.adjacent, 0.11) }
    var ends = StreamEnds()
    (ends.embeddingScale, ends.logitDivisor) = (12, 6)
    return ModelParts(
      testDescription: "Granite",
      layers: [nil, 20].map { shared in
        var layer = Layer(
          mixer: .attention(part), feedForward: .experts(mixture(.chosenSoftmax, shared: shared)))
        layer.residual.factor = 0.22
        return layer
      }, ends: ends)
  }()

  /// Phi-3.5-MoE: norms that take the mean away, biases up to the logits, a sparse mixer, longrope.
  static let phi: ModelParts = {
    let part = attention(4, 2, 10) { part in
      (part.hasInputBias, part.hasOutputBias) = (true, true)
      var long = MadeModel.longRope
      (long.shortFactors, long.attentionFactor) = ([1, 1.5, 2, 3, 4], 1.2432)
      part.rope = RopeParameters(theta: 1e4, scaling: .longRope(long))
    }
    var ends = StreamEnds()
    ends.hasOutputBias = true
    let experts = mixture(.sparseMixer(jitter: 0.2), normalizes: false, used: 2)
    return ModelParts(
      testDescription: "Phi-3.5-MoE",
      layers: [
        Layer(mixer: .attention(part), feedForward: .experts(experts)),
        Layer(mixer: .attention(part), feedForward: .experts(experts)),
      ], norm: .meanAndVariance, ends: ends)
  }()

  /// EXAONE: windows with a rotary embedding, and a full attention that knows no positions.
  static let exaone: ModelParts = {
    let sliding = attention(4, 2, 10) { ($0.hasQueryKeyNorm, $0.window) = (true, 5) }
    let full = attention(4, 2, 10) { ($0.hasQueryKeyNorm, $0.rotaryDimensions) = (true, 0) }
    let experts = mixture(.sigmoid, shared: 24) { $0.router.hasSelectionBias = true }
    return ModelParts(
      testDescription: "EXAONE",
      layers: [
        Layer(mixer: .attention(sliding), feedForward: .dense(Dense(width: 56))),
        Layer(mixer: .attention(full), feedForward: .experts(experts)),
      ])
  }()

  static let all = [gptOSS, gemmaExperts, gemmaDense, lfm, hunYuan, ling, ernie, granite, phi, exaone]
}
