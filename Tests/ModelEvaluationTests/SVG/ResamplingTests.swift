import ModelEvaluation
import Testing

@Suite("Statistics over prompts")
struct ResamplingTests {
  @Test(
    "McNemar's exact test",
    arguments: [
      (0, 0, 1.0), (5, 0, 0.0625), (0, 5, 0.0625), (3, 3, 1.0), (10, 2, 0.03857421875), (1, 0, 1.0),
      (8, 1, 0.0390625),
    ])
  func mcNemar(lost: Int, won: Int, expected: Double) {
    #expect(abs(ResamplingStatistics.mcNemar(lost: lost, won: won) - expected) < 1e-9)
  }

  @Test("intervals hold the value, repeat, and shrink with the number of prompts")
  func bootstrap() throws {
    func values(_ count: Int) -> [Double] { (0..<count).map { Double($0 % 7) } }
    let few = try #require(ResamplingStatistics.mean(values(14)))
    let many = try #require(ResamplingStatistics.mean(values(700)))
    #expect(few.value == 3 && many.value == 3)
    #expect(few.low < 3 && few.high > 3)
    #expect(many.high - many.low < (few.high - few.low) / 4)
    #expect(ResamplingStatistics.mean(values(14)) == few)
    // The standard error of the mean of 700 values with deviation 2 is 0.0756.
    #expect(abs((many.high - many.low) / 2 / 1.96 - 0.0756) < 0.01)
  }

  @Test("ratios weigh prompts by their tokens")
  func ratios() throws {
    let ratio = try #require(ResamplingStatistics.ratio([(1, 10), (9, 90), (0, 0)]))
    #expect(abs(ratio.value - 0.1) < 1e-12 && abs(ratio.low - 0.1) < 1e-12 && abs(ratio.high - 0.1) < 1e-12)
    #expect(ResamplingStatistics.ratio([]) == nil && ResamplingStatistics.ratio([(0, 0)]) == nil)
  }

  @Test("verdicts follow the worst of three measures")
  func verdicts() {
    func verdict(_ divergence: Double, _ flips: Double, _ shift: Double) -> SVGVerdict {
      func exact(_ value: Double) -> Interval { Interval(value, value, value) }
      return SVGVerdict(divergence: exact(divergence), flips: exact(flips), shift: exact(shift))
    }
    #expect(verdict(0, 0, 0) == .notDistinguishable)
    #expect(verdict(0.005, 0, 0) == .small)
    #expect(verdict(0, 0.1, 0) == .visible)
    #expect(verdict(0, 0, 50) == .broken)
    #expect(
      SVGVerdict(divergence: Interval(0.0005, 0, 0.002), flips: Interval(0, 0, 0), shift: nil) == .small)
  }
}
