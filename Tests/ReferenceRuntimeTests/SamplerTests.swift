import ReferenceRuntime
import TensorTypes
import TestSupport
import Testing

@Suite struct SamplerTests {
  @Test func twisterGivesTheStandardsValue() {
    // The C++ standard: the 10,000th value of a default-seeded mt19937.
    var generator = MersenneTwister(seed: 5489)
    for _ in 0..<9999 { _ = generator.next32() }
    #expect(generator.next32() == 4_123_659_995)
  }

  @Test func uniformIsBelowOne() {
    var generator = MersenneTwister(seed: 1)
    let values = (0..<1000).map { _ in generator.uniform() }
    #expect(values.allSatisfy { $0 >= 0 && $0 < 1 })
    #expect(abs(values.reduce(0, +) / 1000 - 0.5) < 0.05)
    // The first two draws of seed 1 are 1791095845 and 4282876139; the second is the high half.
    let wanted = (1_791_095_845.0 + 4_282_876_139.0 * 4_294_967_296.0) / 18_446_744_073_709_551_616.0
    #expect(values[0] == wanted)
  }

  private func options(_ change: (inout SamplingOptions) -> Void) -> SamplingOptions {
    var options = SamplingOptions()
    options.topK = 0
    options.topP = 1
    options.minP = 0
    options.temperature = 1
    options.seed = 3
    change(&options)
    return options
  }

  /// The tokens that come up in many draws.
  private func support(_ options: SamplingOptions, _ logits: [Float], accepting: [Int32] = []) -> Set<Int32> {
    var sampler = Sampler(options: options)
    for token in accepting { sampler.accept(token) }
    return Set((0..<2000).map { _ in sampler.sample(logits) })
  }

  @Test func truncationsKeepWhatTheyShould() {
    // Probabilities 0.5, 0.25, 0.125, 0.125.
    let logits: [Float] = [8, 4, 2, 2].map { Float(Double($0).logarithm) }
    #expect(support(options { _ in }, logits) == [0, 1, 2, 3])
    #expect(support(options { $0.topK = 2 }, logits) == [0, 1])
    #expect(support(options { $0.topP = 0.5 }, logits) == [0])
    #expect(support(options { $0.topP = 0.51 }, logits) == [0, 1])
    #expect(support(options { $0.topP = 0.8 }, logits) == [0, 1, 2])
    #expect(support(options { $0.minP = 0.4 }, logits) == [0, 1])
    #expect(support(options { $0.temperature = 0 }, logits) == [0])
    #expect(support(options { $0.temperature = -1 }, [1, 7, 7]) == [1])
  }

  @Test("The greatest logit, the first among equals", arguments: [1, 2, 15, 16, 17, 47, 48, 1000])
  func greedyTakesTheFirstGreatest(count: Int) {
    var random = SeededGenerator(seed: UInt64(count))
    for _ in 0..<50 {
      // Few different values, so that there are ties in and across vectors.
      let logits = (0..<count).map { _ in Float(Int.random(in: -9...3, using: &random)) }
      var wanted = 0
      for index in logits.indices where logits[index] > logits[wanted] { wanted = index }
      #expect(Sampler.greedy(logits) == Int32(wanted))
      #expect(Sampler.greedy(logits.lazy.map { $0 }) == Int32(wanted))
      var sampler = Sampler(options: options { $0.temperature = 0 })
      #expect(sampler.sample(logits) == Int32(wanted))
    }
    #expect(Sampler.greedy([Float](repeating: -.infinity, count: count)) == 0)
  }

  @Test func equalLogitsAtTheLimitOfTopKGoInOrder() {
    let logits: [Float] = [1, 2, 1, 2, 1, 0]
    #expect(support(options { $0.topK = 3 }, logits) == [0, 1, 3])
    #expect(support(options { $0.topK = 6 }, logits) == [0, 1, 2, 3, 4, 5])
    #expect(support(options { $0.topK = 9 }, logits) == [0, 1, 2, 3, 4, 5])
  }

  @Test func frequenciesFollowProbabilities() {
    var sampler = Sampler(options: options { _ in })
    let logits: [Float] = [8, 4, 2, 2].map { Float(Double($0).logarithm) }
    var counts = [0, 0, 0, 0]
    for _ in 0..<20_000 { counts[Int(sampler.sample(logits))] += 1 }
    for (count, share) in zip(counts, [0.5, 0.25, 0.125, 0.125]) {
      #expect(abs(Double(count) / 20_000 - share) < 0.015)
    }
  }

  @Test func penaltiesApplyToSeenTokens() {
    let greedy = options {
      $0.temperature = 0
      $0.repeatPenalty = 2
    }
    var sampler = Sampler(options: greedy)
    #expect(sampler.sample([3, 2, -1]) == 0)
    sampler.accept(0)
    #expect(sampler.sample([3, 2, -1]) == 1)
    // Negative logits are multiplied.
    sampler.accept(1)
    #expect(sampler.sample([-1, -1.5, -1.75]) == 2)
    var forgetful = Sampler(
      options: options {
        $0.temperature = 0
        $0.repeatPenalty = 2
        $0.repeatLastN = 1
      })
    forgetful.accept(0)
    forgetful.accept(2)
    #expect(forgetful.sample([3, 2, -1]) == 0)
    var frequency = Sampler(
      options: options {
        $0.temperature = 0
        $0.frequencyPenalty = 0.6
        $0.presencePenalty = 0.1
      })
    frequency.accept(0)
    #expect(frequency.sample([3, 2.2, 0]) == 0)
    frequency.accept(0)
    #expect(frequency.sample([3, 2.2, 0]) == 1)
  }

  @Test func equalSeedsGiveEqualDraws() {
    var random = SeededGenerator(seed: 5)
    let logits = (0..<500).map { _ in Float.random(in: -3...3, using: &random) }
    var defaults = SamplingOptions()
    defaults.seed = 42
    var (a, b) = (Sampler(options: defaults), Sampler(options: defaults))
    let draws = (0..<100).map { _ in a.sample(logits) }
    #expect(draws == (0..<100).map { _ in b.sample(logits) })
    #expect(Set(draws).count > 5)
  }

  /// The draws of an implementation of its own, in Python: every machine must have them.
  @Test func drawsAreKnown() {
    let logits = (0..<500).map { Float($0 * 37 % 503) / 50 }
    var defaults = SamplingOptions()
    defaults.seed = 42
    var sampler = Sampler(options: defaults)
    #expect(
      (0..<24).map { _ in sampler.sample(logits) } == [
        176, 163, 244, 285, 122, 299, 122, 394, 231, 149, 367, 448,
        203, 435, 434, 217, 217, 435, 435, 421, 190, 367, 67, 27,
      ])
  }

  @Test func modelsRecommendSettings() {
    let options = SamplingOptions(metadata: [
      MetadataEntry("general.sampling.temp", .float32(1)),
      MetadataEntry("general.sampling.top_k", .int32(20)),
      MetadataEntry("general.name", .string("x")),
    ])
    #expect(options.temperature == 1 && options.topK == 20 && options.topP == 0.95)
  }
}

extension Double {
  /// The natural logarithm, to within what these tests need, without a C library.
  fileprivate var logarithm: Double {
    var (x, result) = (self, 0.0)
    while x > 1.5 {
      x /= 2
      result += 0.693147180559945
    }
    let y = (x - 1) / (x + 1)
    var (term, sum) = (y, 0.0)
    for k in stride(from: 1.0, to: 40, by: 2) {
      sum += term / k
      term *= y * y
    }
    return result + 2 * sum
  }
}
