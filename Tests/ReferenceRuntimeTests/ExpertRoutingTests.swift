import ModelDescriptions
import ReferenceRuntime
import TestSupport
import Testing

@Suite struct ExpertRoutingTests {
  /// A router, scores, and what it must choose.
  struct Example: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var router: Router
    var scores: [Float]
    var bias: [Float]?
    var scales: [Float]?
    var chosen: [Int32]
    var shares: [Float]

    init(
      _ name: String, _ router: Router, _ scores: [Float], bias: [Float]? = nil, scales: [Float]? = nil,
      _ chosen: [Int32], _ shares: [Float]
    ) {
      testDescription = name
      self.router = router
      self.scores = scores
      self.bias = bias
      self.scales = scales
      self.chosen = chosen
      self.shares = shares
    }
  }

  private static func router(
    _ scoring: Router.Scoring = .sigmoid, groups: Int = 1, used: Int = 1,
    _ rule: Router.GroupRule = .twoHighest,
    normalizes: Bool = true, scale: Double = 1, sumGuard: Router.SumGuard = .added(1e-20)
  ) -> Router {
    var router = Router(scoring: scoring, normalizesTopK: normalizes)
    router.sumGuard = sumGuard
    router.groupCount = groups
    router.usedGroupCount = used
    router.groupRule = rule
    router.scale = scale
    return router
  }

  private static let scores: [Float] = [0.3, -1.2, 2.1, 0.7, 1.6, -0.4, 0.9, 1.1]
  private static let bias: [Float] = [0, 0.9, -0.5, 0.05, -0.1, 0.3, 0.02, -0.03]
  private static let others: [Float] = [1, 1.1, 2.5, -3, 2, 2.1, 1.9, 2.2]

  /// What the routers of transformers' deepseek_v3 and deepseek_v2 return for the same scores, experts in order.
  static let examples = [
    Example(
      "bias", router(scale: 2.5), scores, bias: bias, [1, 4, 6], [0.326123774, 1.17222452, 1.00165153]),
    Example(
      "bias, shares as they are", router(normalizes: false, scale: 2.5), scores, bias: bias, [1, 4, 6],
      [0.578688025, 2.08004594, 1.77737367]),
    Example(
      "two of four groups", router(groups: 4, used: 2, scale: 2.5), scores, bias: bias, [1, 6, 7],
      [0.341875821, 1.05003226, 1.10809183]),
    Example(
      "one of four groups", router(groups: 4, used: 1), scores, bias: bias, [0, 1],
      [0.712780595, 0.287219405]),
    Example(
      "one of two groups, all of it", router(groups: 2, used: 1), scores, bias: bias, [0, 1, 2, 3],
      [0.242892355, 0.097874999, 0.376701891, 0.282530785]),
    Example(
      "all groups", router(groups: 4, used: 4), scores, bias: bias, [1, 4, 6],
      [0.130449504, 0.468889832, 0.400660604]),
    Example(
      "left out even where the others are below zero", router(groups: 4, used: 2), scores,
      bias: bias.map { $0 - 3 }, [0, 1, 6, 7], [0.253378987, 0.102100663, 0.313590437, 0.330929816]),
    Example(
      "a sum of 1.7e-20 and the 1e-20 beside it", router(),
      [-200, -200, -200, -200, -200, -200, -45, -46], [6, 7], [0.58233583, 0.21422939]),
    Example(
      "softmax", router(.softmax, normalizes: false), scores, [2, 4, 7],
      [0.356319696, 0.216118842, 0.131082699]),
    Example(
      "groups by their highest", router(.softmax, groups: 4, used: 2, .highest, normalizes: false, scale: 16),
      scores, [2, 3, 4], [5.70111513, 1.40587783, 3.45790148]),
    Example(
      "a group with one high expert", router(.softmax, groups: 2, used: 1, .highest, normalizes: false),
      others, [0, 1, 2], [0.0552262142, 0.0610344075, 0.247506708]),
    // Not recorded: transformers leaves open which of several zeros it takes.
    Example(
      "experts of other groups count as 0", router(.softmax, groups: 3, used: 2, .highest, normalizes: false),
      [-3, -2, 0, -200, -1, -300], [0, 2, 4], [0, 0.643914260, 0.236882818]),
  ]

  /// What the routers of transformers' gpt_oss, phimoe, ernie4_5_moe, lfm2_moe and gemma4 return.
  static let laterExamples = [
    Example(
      "softmax over the chosen", router(.chosenSoftmax), scores, [2, 4, 7],
      [0.506480396, 0.307195932, 0.186323747]),
    Example("sparse mixer, nobody near", router(.sparseMixer(jitter: 0.01)), scores, [2, 4], [1, 1]),
    Example(
      "sparse mixer, some near", router(.sparseMixer(jitter: 0.2)), scores, [2, 4],
      [0.622459352, 0.622459352]),
    Example(
      "sparse mixer, more near", router(.sparseMixer(jitter: 0.3)), scores, [2, 4],
      [0.439443707, 0.398456305]),
    Example(
      "sparse mixer, scores below 0", router(.sparseMixer(jitter: 0.3)), scores.map { -abs($0) - 0.1 },
      [0, 5],
      [0.320105612, 0.351625592]),
    Example(
      "softmax with a bias", router(.softmax, sumGuard: .atLeast(1e-12)), scores, bias: bias, [1, 3, 5],
      [0.10089355, 0.674563706, 0.224542722]),
    Example(
      "a sum below the least", router(.softmax, sumGuard: .atLeast(2)), scores, [2, 4, 7],
      [0.178159848, 0.108059421, 0.0655413495]),
    Example(
      "1e-6 beside a small sum", router(sumGuard: .added(1e-6)), scores.map { $0 - 9 }, [2, 4, 7],
      [0.506104112, 0.307089299, 0.186303869]),
    Example(
      "factors of experts", router(.softmax), scores, scales: [1.5, 1, 0.5, 2, 3, 1, 0.25, 0.75], [2, 4, 7],
      [0.253240168, 0.921587706, 0.139742792]),
  ]

  @Test(arguments: examples + laterExamples) func knownAnswers(_ example: Example) {
    let count = example.scores.count
    let shape = Experts(
      count: count, usedCount: example.chosen.count, width: 1, router: example.router)
    let routing = ExpertRouting(shape, bias: example.bias, expertScales: example.scales)
    for level in Session.levels {
      var probabilities = example.scores
      routing.makeProbabilities(&probabilities, level: level)
      var chosen = [Int32](repeating: -1, count: example.chosen.count)
      var shares = [Float](repeating: -1, count: example.chosen.count)
      probabilities.withUnsafeBufferPointer { values in
        chosen.withUnsafeMutableBufferPointer { routing.choose(values, into: $0, shares: &shares) }
      }
      #expect(chosen == example.chosen)
      for (share, wanted) in zip(shares, example.shares) {
        #expect(abs(share - wanted) <= 1e-6 * wanted, "\(shares)")
      }
    }
  }

  /// Other groups by the sum of their two best: the example above with one high expert goes the other way.
  @Test func theSumOfTwoIsNotTheHighest() {
    var router = Self.router(groups: 2, used: 1)
    #expect(chosen(router, Self.others, 3) == [4, 5, 7])
    router.groupRule = .highest
    #expect(chosen(router, Self.others, 3) == [0, 1, 2])
  }

  @Test func equalGroupsAreTakenInOrder() {
    #expect(chosen(Self.router(groups: 4, used: 2), [Float](repeating: 0.5, count: 8), 3) == [0, 1, 2])
    #expect(chosen(Self.router(groups: 4, used: 1, .highest), [1, 2, 0, 2, 2, 1, 0, 0], 1) == [1])
  }

  private func chosen(_ router: Router, _ scores: [Float], _ count: Int) -> [Int32] {
    let routing = ExpertRouting(
      Experts(count: scores.count, usedCount: count, width: 1, router: router), bias: nil)
    var chosen = [Int32](repeating: -1, count: count)
    var shares = [Float](repeating: 0, count: count)
    scores.withUnsafeBufferPointer { values in
      chosen.withUnsafeMutableBufferPointer { routing.choose(values, into: $0, shares: &shares) }
    }
    return chosen
  }

  private func largest(_ values: [Float], _ count: Int) -> [Int32] {
    var chosen = [Int32](repeating: -1, count: count)
    values.withUnsafeBufferPointer { values in
      chosen.withUnsafeMutableBufferPointer { ExpertRouting.largest(values, into: $0) }
    }
    return chosen
  }

  @Test func theLargestAreChosenLowerIndexFirst() {
    #expect(largest([0.1, 0.5, 0.2, 0.2], 1) == [1])
    #expect(largest([0.1, 0.5, 0.2, 0.2], 2) == [1, 2])
    #expect(largest([0.25, 0.25, 0.25, 0.25], 2) == [0, 1])
    #expect(largest([0.1, 0.2, 0.3], 3) == [0, 1, 2])
    #expect(largest([.nan, .nan, .nan], 2).allSatisfy { (0..<3).contains($0) })
  }

  @Test func anyListGivesTheSortedTop() {
    var generator = SeededGenerator(seed: 77)
    for _ in 0..<200 {
      let values = (0..<32).map { _ in Float(Int.random(in: 0...9, using: &generator)) }
      let ranked = values.indices.sorted { a, b in
        values[a] != values[b] ? values[a] > values[b] : a < b
      }
      #expect(largest(values, 8) == ranked.prefix(8).sorted().map { Int32($0) })
    }
  }
}
