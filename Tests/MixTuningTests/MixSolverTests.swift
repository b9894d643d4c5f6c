import MixTuning
import TestSupport
import Testing

@Suite struct MixSolverTests {
  /// The best of all mixes, tried one by one: least loss, then fewest bytes, then the earliest choices.
  private func bruteForce(_ problem: MixProblem, budget: Int) -> (choices: [Int], byteCount: Int)? {
    var best: (choices: [Int], byteCount: Int, loss: Double)?
    var choices = [Int](repeating: 0, count: problem.groups.count)
    while true {
      let chosen = zip(problem.groups, choices).map { $0[$1] }
      let bytes = chosen.reduce(0) { $0 + $1.byteCount }
      // Losses of these tests are whole numbers of 2^-20, so that sums are exact here, too.
      let loss = chosen.reduce(0) { $0 + $1.loss }
      if bytes <= budget {
        // Choices come in lexicographic order, so that the first of equals stays.
        if let known = best, (known.loss, known.byteCount) <= (loss, bytes) {
        } else {
          best = (choices, bytes, loss)
        }
      }
      guard let place = choices.indices.last(where: { choices[$0] + 1 < problem.groups[$0].count }) else {
        return best.map { ($0.choices, $0.byteCount) }
      }
      choices[place] += 1
      for later in choices.indices.dropFirst(place + 1) { choices[later] = 0 }
    }
  }

  /// Random groups; coarse numbers make many ties.
  private func problem(_ random: inout SeededGenerator, isCoarse: Bool) -> MixProblem {
    MixProblem(
      groups: (0..<Int.random(in: 1...8, using: &random)).map { _ in
        (0..<Int.random(in: 1...4, using: &random)).map { _ in
          MixProblem.Choice(
            byteCount: isCoarse
              ? 32 * Int.random(in: 0..<6, using: &random) : Int.random(in: 0..<1_000_000, using: &random),
            loss: isCoarse
              ? Double(Int.random(in: -1..<5, using: &random))
              : Double(Int.random(in: 0..<1 << 20, using: &random)) * 0x1p-20)
        }
      })
  }

  @Test(arguments: 0..<300) func solutionsAreThoseOfBruteForce(_ seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let problem = problem(&random, isCoarse: seed % 2 == 0)
    let budget = Int.random(in: problem.leastByteCount - 1...problem.greatestByteCount + 1, using: &random)
    let wanted = bruteForce(problem, budget: budget)
    let found = MixSolver(problem).solve(budget: budget)
    #expect(found?.choices == wanted?.choices)
    #expect(found?.byteCount == wanted?.byteCount)
    if let found { #expect(found.isOptimal && found.lowerBound == found.loss) }
  }

  /// 400 groups as a model of 40 layers has them, experts much larger than the rest.
  private func large() -> MixProblem {
    var random = SeededGenerator(seed: 11)
    let types = [2.625, 3.4375, 4.25, 4.5, 5.5, 6.5625, 8.5]
    return MixProblem(
      groups: (0..<400).map { index in
        let size = index % 10 < 2 ? 268e6 : Double.random(in: 4e6...8e6, using: &random)
        let weight = Double.random(in: 0...0.01, using: &random)
        return types.map { bits in
          MixProblem.Choice(
            byteCount: Int(size * bits / 256) * 32,
            loss: weight * Double.random(in: 0.8...1.2, using: &random)
              * Double(sign: .plus, exponent: Int(4 - 2 * bits), significand: 1))
        }
      })
  }

  @Test(arguments: [0.2, 0.5, 0.8]) func largeProblemsAreSolvedExactly(_ share: Double) throws {
    let problem = large()
    let budget =
      problem.leastByteCount + Int(share * Double(problem.greatestByteCount - problem.leastByteCount))
    let found = try #require(MixSolver(problem).solve(budget: budget))
    #expect(found.isOptimal && found.byteCount <= budget)
    let losses = zip(problem.groups, found.choices).map { $0[$1].loss }
    #expect(abs(losses.reduce(0, +) - found.loss) < 1e-12)
  }

  @Test func withoutRoomTheDifferenceToTheBoundIsTold() throws {
    let problem = large()
    let budget = problem.leastByteCount + (problem.greatestByteCount - problem.leastByteCount) / 5
    let exact = try #require(MixSolver(problem).solve(budget: budget))
    let found = try #require(MixSolver(problem).solve(budget: budget, stateLimit: 1000))
    #expect(!found.isOptimal && found.byteCount <= budget)
    #expect(found.lowerBound <= exact.loss && exact.loss <= found.loss)
    #expect(found.loss - found.lowerBound < 0.01 * found.loss)
  }

  @Test func nothingFitsBelowTheSmallestMix() {
    let problem = large()
    #expect(MixSolver(problem).solve(budget: problem.leastByteCount - 1) == nil)
    let least = MixSolver(problem).solve(budget: problem.leastByteCount)
    #expect(least?.byteCount == problem.leastByteCount)
  }

  @Test func withoutGroupsNothingIsLost() {
    let found = MixSolver(MixProblem(groups: [])).solve(budget: 0)
    #expect(found?.loss == 0 && found?.choices == [])
  }
}
