import BlockQuantization
import FileBytes
import Foundation
import ModelDescriptions
import ReferenceRuntime
import TensorCompute
import TensorTypes
import Testing

@Suite struct LatentAttentionTests {
  /// A model with latent attention: one dense layer, then mixtures of experts.
  struct Example: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var hidden: Int
    var part: LatentAttention
    var denseWidth = 56
    var experts: Experts
    var tokenCount = 40
    /// The quantized type of weights whose rows are long enough for it, others being q8_0, or bf16 where that does not fit.
    var type = TensorType.q8_0

    func made(seed: UInt64 = 11) throws -> MadeModel {
      let layers = [
        Layer(mixer: .latent(part), feedForward: .dense(Dense(width: denseWidth))),
        Layer(mixer: .latent(part), feedForward: .experts(experts)),
        Layer(mixer: .latent(part), feedForward: .experts(experts)),
      ]
      return MadeModel(try MadeModel.architecture(hidden: hidden, layers: layers), seed: seed)
    }

    func quantized(stacksApart: Bool = false) throws -> LoadedModel {
      try made().open(stacksApart: stacksApart) { _, columns in
        columns % type.blockLength == 0 ? type : columns % 32 == 0 ? .q8_0 : .bf16
      }
    }

    var tokens: [Int32] { (0..<Int32(tokenCount)).map { ($0 * 37 + 11) % 64 } }
  }

  private static func experts(
    _ scoring: Router.Scoring, groups: Int = 1, used: Int = 1, _ rule: Router.GroupRule = .twoHighest,
    bias: Bool, normalizes: Bool, scale: Double, width: Int = 24, shared: Int? = 24, gate: Bool = false
  ) -> Experts {
    var router = Router(scoring: scoring, normalizesTopK: normalizes)
    router.groupCount = groups
    router.usedGroupCount = used
    router.groupRule = rule
    router.hasSelectionBias = bias
    router.scale = scale
    var experts = Experts(count: 8, usedCount: 3, width: width, sharedWidth: shared, router: router)
    experts.hasSharedGate = gate
    return experts
  }

  static let examples: [Example] = {
    let lite = LatentAttention(
      headCount: 3, queryRank: nil, latentWidth: 48, keyDim: 24, rotaryDim: 8, valueDim: 20)
    var odd = LatentAttention(
      headCount: 5, queryRank: 13, latentWidth: 17, keyDim: 5, rotaryDim: 2, valueDim: 3)
    odd.latentNormEpsilon = 1e-2
    let one = LatentAttention(
      headCount: 1, queryRank: 32, latentWidth: 32, keyDim: 32, rotaryDim: 16, valueDim: 64)
    var stretched = LatentAttention(
      headCount: 4, queryRank: 96, latentWidth: 256, keyDim: 64, rotaryDim: 32, valueDim: 64)
    var yarn = MadeModel.yarn
    (yarn.factor, yarn.originalContextLength, yarn.attentionFactor) = (40, 64, 1.1)
    yarn.scoreWeight = 0.707
    stretched.rope = RopeParameters(theta: 1e4, scaling: .yarn(yarn))
    stretched.queryGrowth = LatentAttention.QueryGrowth(weight: 0.1, length: 8)
    var mild = lite
    yarn.attentionFactor = nil
    mild.rope = RopeParameters(theta: 5e4, scaling: .yarn(yarn))
    return [
      Example(
        testDescription: "queries from the stream, groups by their highest", hidden: 40, part: lite,
        experts: experts(
          .softmax, groups: 4, used: 2, .highest, bias: false, normalizes: false, scale: 4)),
      Example(
        testDescription: "odd sizes, a bias", hidden: 33, part: odd, denseWidth: 19,
        experts: experts(.sigmoid, bias: true, normalizes: true, scale: 2.5, width: 7, shared: 11)),
      Example(
        testDescription: "one head, no shared expert", hidden: 64, part: one, denseWidth: 96,
        experts: experts(
          .sigmoid, groups: 2, used: 1, bias: true, normalizes: true, scale: 1, width: 32, shared: nil),
        tokenCount: 19),
      Example(
        testDescription: "yarn, growth, a gate on the shared expert", hidden: 256, part: stretched,
        denseWidth: 512,
        experts: experts(
          .sigmoid, groups: 4, used: 2, bias: true, normalizes: true, scale: 2.5, width: 256, shared: 256,
          gate: true), type: .q4_K),
      Example(
        testDescription: "yarn with its own factor", hidden: 40, part: mild,
        experts: experts(.softmax, bias: false, normalizes: true, scale: 1), tokenCount: 50),
    ]
  }()

  private func logits(
    _ model: LoadedModel, _ tokens: [Int32], pieces: [Int]? = nil, threads: Int = 1,
    mode: ComputeMode = .exact, cache: CacheType = .f32, level: Int32? = nil, batch: Int = 512
  ) throws -> [Float] {
    let session = try Session(
      model: model, contextLength: tokens.count, mode: mode, threads: threads, cacheType: cache,
      batchLength: batch, level: level ?? Session.levels[Session.levels.count - 1], matrixLevel: .current)
    var (values, start): ([Float], Int) = ([], 0)
    for count in pieces ?? [tokens.count] {
      values += try session.evaluate(tokens: Array(tokens[start..<(start + count)]), logits: .all).values
      start += count
    }
    #expect(start == tokens.count)
    return values
  }

  @Test(arguments: examples) func agreesWithTheNaiveForm(_ example: Example) throws {
    for (index, model) in [try example.made().open(), try example.quantized()].enumerated() {
      let wanted = try PlainModel(model).logits(example.tokens).map { Float($0) }
      let error = relativeError(try logits(model, example.tokens), wanted)
      print(
        "latent, \(example.testDescription), \(index == 0 ? "f32" : "quantized"): relative error \(error)")
      #expect(error < 1e-5)
      // f16 rounds latent vectors to 11 bits; int8 activations have 7. Half of the tokens must be that near: one whose
      // experts are nearly equal may choose others.
      let half = medianError(try logits(model, example.tokens, cache: .f16), wanted)
      #expect(half > 1e-6 && half < 2e-2)
      let fast = medianError(try logits(model, example.tokens, mode: .fast), wanted)
      print("latent, \(example.testDescription): median error with f16 \(half), in fast mode \(fast)")
      #expect(fast < (index == 0 ? 1e-5 : 0.15))
    }
  }

  /// The median over tokens of the relative error of their logits.
  private func medianError(_ values: [Float], _ wanted: [Float]) -> Double {
    let errors = stride(from: 0, to: wanted.count, by: 64).map {
      relativeError(Array(values[$0..<($0 + 64)]), Array(wanted[$0..<($0 + 64)]))
    }
    return errors.sorted()[errors.count / 2]
  }

  @Test(arguments: examples, ComputeMode.allCases)
  func batchesDoNotChangeBits(_ example: Example, _ mode: ComputeMode) throws {
    let (model, count) = (try example.quantized(), example.tokenCount)
    for cache in [CacheType.f32, .f16] {
      let whole = try logits(model, example.tokens, mode: mode, cache: cache)
      for pieces in [
        [1, 2, 3, count - 6], [count - 1, 1], [15, 2, count - 17], [Int](repeating: 1, count: count),
      ] {
        let parts = try logits(model, example.tokens, pieces: pieces, mode: mode, cache: cache)
        #expect(firstDifference(parts, whole) == nil)
      }
      for threads in [2, 3, 5] {
        let other = try logits(
          model, example.tokens, threads: threads, mode: mode, cache: cache, batch: 17)
        #expect(firstDifference(other, whole) == nil)
      }
      for level in Session.levels {
        let other = try logits(model, example.tokens, mode: mode, cache: cache, level: level)
        #expect(firstDifference(other, whole) == nil)
      }
      let apart = try logits(
        try example.quantized(stacksApart: true), example.tokens, mode: mode, cache: cache)
      #expect(firstDifference(apart, whole) == nil)
    }
  }

  /// Blocks of the cache are read whole: what a broken text left in them must not be seen.
  @Test(arguments: [CacheType.f32, .f16]) func resetForgetsValuesThatAreNotFinite(_ cache: CacheType) throws {
    let example = Self.examples[0]
    var made = try example.made()
    made.change("token_embd.weight") { $0[63 * example.hidden] = .nan }
    let session = try Session(model: try made.open(), contextLength: 40, threads: 1, cacheType: cache)
    let tokens: [Int32] = [1, 2, 3, 4, 5]
    let first = try session.evaluate(tokens: tokens, logits: .all).values
    session.reset()
    let error = #expect(throws: RuntimeError.self) {
      try session.evaluate(tokens: [Int32](repeating: 63, count: 40))
    }
    #expect(error?.code == .nonFinite)
    session.reset()
    #expect(firstDifference(try session.evaluate(tokens: tokens, logits: .all).values, first) == nil)
  }

  @Test(arguments: examples) func memoryIsForetold(_ example: Example) throws {
    let model = try example.quantized()
    for (type, batch) in [(CacheType.f32, 16), (.f16, 512)] {
      let (count, part) = (example.tokenCount, example.part)
      let session = try Session(
        model: model, contextLength: count, threads: 2, cacheType: type, batchLength: batch)
      try session.evaluate(tokens: example.tokens, logits: .last)
      let told = try #require(
        RuntimeMemory(
          model.architecture, contextLength: count, batchLength: batch, threads: 2, cacheType: type))
      let report = session.memoryReport
      let positions = (count + 15) / 16 * 16
      let cached = 3 * positions * (part.latentWidth + part.rotaryDim) * type.byteCount
      #expect(told.cacheByteCount == cached)
      #expect(report.stateByteCount == cached)
      // Logits and their norm are counted apart; tables of angles are not the session's scratch memory.
      let tables = 2 * (part.rotaryDim / 2) * min(batch, count) * 4
      let scratch = report.scratchByteCount - 4 * (64 + example.hidden)
      let expected = told.rowByteCount + told.scoreByteCount - tables
      // What grows from batch to batch is taken with some room to spare.
      #expect(batch == 512 ? scratch == expected : abs(scratch - expected) <= expected / 20)
    }
  }

  @Test func headsShowTheirInputsSideBySide() throws {
    let example = Self.examples[0]
    let (part, count) = (example.part, example.tokenCount)
    let model = try example.made().open()
    let recorder = HeadRecorder()
    let session = try Session(model: model, contextLength: count, threads: 1)
    session.observer = recorder
    let watched = try session.evaluate(tokens: example.tokens, logits: .all).values
    #expect(firstDifference(try logits(model, example.tokens), watched) == nil)
    let name = "blk.1.attn_"
    let keys = try #require(recorder.rows[name + "k_b.weight"])
    let values = try #require(recorder.rows[name + "v_b.weight"])
    let outputs = try #require(recorder.rows[name + "output.weight"])
    #expect(recorder.lengths[name + "k_b.weight"] == part.headCount * part.keyDim)
    #expect(recorder.lengths[name + "v_b.weight"] == part.headCount * part.latentWidth)
    #expect(keys.count == count * part.headCount * part.keyDim)
    // The rows of the values' matrices times what was shown is what the output projection was shown.
    let weights = try model.store.values(name + "v_b.weight")
    var products: [Float] = []
    for row in 0..<(count * part.headCount) {
      for d in 0..<part.valueDim {
        let first = (row % part.headCount * part.valueDim + d) * part.latentWidth
        products.append(
          (0..<part.latentWidth).reduce(0) {
            $0 + weights[first + $1] * values[row * part.latentWidth + $1]
          })
      }
    }
    #expect(relativeError(products, outputs) < 1e-6)
    // What the keys' matrices were shown is the part of the queries that does not turn.
    let queries = try model.store.values(name + "q.weight")
    let inputs = try #require(recorder.rows["blk.1.attn_norm"])
    let width = part.keyDim + part.rotaryDim
    var own: [Float] = []
    for token in 0..<count {
      for row in 0..<(part.headCount * width) where row % width < part.keyDim {
        own.append(
          (0..<example.hidden).reduce(0) {
            $0 + queries[row * example.hidden + $1] * inputs[token * example.hidden + $1]
          })
      }
    }
    #expect(relativeError(own, keys) < 1e-6)
  }
}

/// Remembers what it is shown of the second layer.
private final class HeadRecorder: TapObserver {
  var rows: [String: [Float]] = [:]
  var lengths: [String: Int] = [:]

  func wants(_ name: String) -> Bool { name.hasPrefix("blk.1.attn") }

  func observe(_ name: String, _ rows: TapRows) {
    self.rows[name, default: []] += rows.values
    lengths[name] = rows.rowLength
    #expect(rows.experts == nil)
  }
}
