import FileBytes
import ModelDescriptions
import ReferenceRuntime
import TensorCompute
import Testing

/// What a description can say beside latent attention, and what it must not say.
@Suite struct DescribedModelTests {
  private static let plain: Attention = {
    var part = Attention(headCount: 6, keyValueHeadCount: 2, headDim: 10)
    part.hasQueryKeyNorm = true
    part.normsWholeWidth = true
    return part
  }()

  private static func layers(_ attention: Attention) -> [Layer] {
    let experts = Experts(count: 6, usedCount: 2, width: 20, router: Router(normalizesTopK: false))
    return [
      Layer(mixer: .attention(attention), feedForward: .experts(experts)),
      // Dense layers may come later and be of several widths.
      Layer(mixer: .attention(attention), feedForward: .dense(Dense(width: 90))),
      Layer(mixer: .attention(attention), feedForward: .dense(Dense(width: 30))),
    ]
  }

  private func logits(_ model: LoadedModel, pieces: [Int], threads: Int = 1) throws -> [Float] {
    let session = try Session(model: model, contextLength: 30, threads: threads)
    var next: Int32 = 0
    return try pieces.flatMap { count in
      let tokens = (0..<Int32(count)).map { ($0 + next) * 29 % 64 }
      next += Int32(count)
      return try session.evaluate(tokens: tokens, logits: .all).values
    }
  }

  @Test(arguments: [nil, 0.4, 1.3]) func normsOverAllHeadsAndClipping(_ clip: Double?) throws {
    var part = Self.plain
    part.clip = clip
    let model = try MadeModel(
      MadeModel.architecture(hidden: 36, layers: Self.layers(part)), seed: 5
    ).open()
    let whole = try logits(model, pieces: [30])
    let wanted = try PlainModel(model).logits((0..<30).map { Int32($0 * 29 % 64) }).map { Float($0) }
    #expect(relativeError(whole, wanted) < 1e-5)
    #expect(firstDifference(try logits(model, pieces: [7, 1, 22], threads: 3), whole) == nil)
  }

  @Test func normsAndClippingAreSeen() throws {
    func rows(_ change: (inout Attention) -> Void) throws -> [Float] {
      var part = Self.plain
      change(&part)
      let made = try MadeModel(
        MadeModel.architecture(hidden: 36, layers: Self.layers(part)), seed: 5)
      return try logits(try made.open(), pieces: [30])
    }
    let plain = try rows { _ in }
    #expect(relativeError(try rows { $0.clip = 0.4 }, plain) > 1e-3)
    // A limit that nothing reaches.
    #expect(firstDifference(try rows { $0.clip = 1e6 }, plain) == nil)
  }

  private static let latent = LatentAttention(
    headCount: 2, queryRank: 8, latentWidth: 16, keyDim: 8, rotaryDim: 4, valueDim: 8)

  private func code(_ layer: Layer) throws -> RuntimeError.Code? {
    let architecture = try MadeModel.architecture(hidden: 16, layers: [layer])
    do {
      try architecture.checkRunning(causalKey: "causal", file: "model")
      return nil
    } catch { return (error as? RuntimeError)?.code }
  }

  @Test func impossibleLatentAttentionsAreRefused() throws {
    func refusal(_ change: (inout LatentAttention) -> Void) throws -> RuntimeError.Code? {
      var part = Self.latent
      change(&part)
      return try code(Layer(mixer: .latent(part), feedForward: .dense(Dense(width: 8))))
    }
    #expect(try refusal { _ in } == nil)
    #expect(try refusal { $0.queryRank = nil } == nil)
    let changes: [(inout LatentAttention) -> Void] = [
      { $0.rotaryDim = 0 }, { $0.rotaryDim = 3 }, { $0.rotaryDim = -2 }, { $0.headCount = 0 },
      { $0.keyDim = 0 }, { $0.valueDim = 0 }, { $0.latentWidth = 0 }, { $0.queryRank = 0 },
      { $0.latentNormEpsilon = -1 }, { $0.latentNormEpsilon = .nan }, { $0.rope.theta = 0 },
      { $0.rope.scaling = .linear(factor: 0) }, { $0.queryGrowth = .init(weight: 0.1, length: 0) },
      { $0.queryGrowth = .init(weight: .infinity, length: 8) },
    ]
    for (index, change) in changes.enumerated() {
      #expect(try refusal(change) == .badMetadata, "change \(index)")
    }
  }

  @Test func impossibleRoutersAreRefused() throws {
    func refusal(_ change: (inout Router) -> Void) throws -> RuntimeError.Code? {
      var router = Router(normalizesTopK: true)
      (router.groupCount, router.usedGroupCount) = (4, 2)
      change(&router)
      let experts = Experts(count: 12, usedCount: 6, width: 8, router: router)
      return try code(Layer(mixer: .latent(Self.latent), feedForward: .experts(experts)))
    }
    #expect(try refusal { _ in } == nil)
    #expect(try refusal { $0.usedGroupCount = 4 } == nil)
    #expect(try refusal { ($0.groupCount, $0.usedGroupCount) = (1, 0) } == nil)
    #expect(try refusal { ($0.groupCount, $0.usedGroupCount, $0.groupRule) = (12, 6, .highest) } == nil)
    let changes: [(inout Router) -> Void] = [
      { $0.groupCount = 5 }, { $0.groupCount = 0 }, { $0.groupCount = -4 }, { $0.usedGroupCount = 0 },
      { $0.usedGroupCount = 5 }, { $0.usedGroupCount = 1 },
      { ($0.groupCount, $0.usedGroupCount) = (12, 6) }, { $0.scale = .nan },
    ]
    for (index, change) in changes.enumerated() {
      #expect(try refusal(change) == .badMetadata, "change \(index)")
    }
  }

  @Test func impossibleNormsAndLimitsAreRefused() throws {
    func refusal(_ change: (inout Attention) -> Void) throws -> RuntimeError.Code? {
      var part = Self.plain
      change(&part)
      return try code(Layer(mixer: .attention(part), feedForward: .dense(Dense(width: 8))))
    }
    #expect(try refusal { _ in } == nil)
    #expect(try refusal { $0.hasOutputGate = true } == .badMetadata)
    #expect(try refusal { $0.clip = 0 } == .badMetadata)
    #expect(try refusal { $0.clip = .nan } == .badMetadata)
  }

  /// A bias that the metadata cannot announce is followed where a file has one, and missed where it must be there.
  @Test func selectionBiasesOfFilesAreFollowed() throws {
    var router = Router(scoring: .sigmoid, normalizesTopK: true)
    router.hasSelectionBias = true
    let experts = Experts(count: 6, usedCount: 2, width: 20, router: router)
    var made = try MadeModel(
      MadeModel.architecture(
        hidden: 36, layers: [Layer(mixer: .attention(Self.plain), feedForward: .experts(experts))]), seed: 9)
    let whole = try logits(try made.open(), pieces: [30])
    router.hasSelectionBias = false
    let unsaid = Experts(count: 6, usedCount: 2, width: 20, router: router)
    made.architecture.layers[0].feedForward = .experts(unsaid)
    #expect(firstDifference(try logits(try made.open(), pieces: [30]), whole) == nil)
    made.change("blk.0.exp_probs_b.bias") { $0 = [Float](repeating: 0, count: 6) }
    #expect(relativeError(try logits(try made.open(), pieces: [30]), whole) > 1e-3)
  }
}
