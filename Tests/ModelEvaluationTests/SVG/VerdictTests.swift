import ModelEvaluation
import Testing

@Suite("Statistics over prompts")
struct VerdictTests {
  @Test(
    "McNemar's exact test",
    arguments: [
      (0, 0, 1.0), (5, 0, 0.0625), (0, 5, 0.0625), (3, 3, 1.0), (10, 2, 0.03857421875), (1, 0, 1.0),
      (8, 1, 0.0390625),
    ])
  func mcNemar(lost: Int, won: Int, expected: Double) {
    #expect(abs(McNemarTest.probability(lost: lost, won: won) - expected) < 1e-9)
  }

  @Test("verdicts follow the worst of three measures")
  func verdicts() {
    func verdict(_ divergence: Double, _ flips: Double, _ shift: Double) -> SVGVerdict {
      func exact(_ value: Double) -> Estimate { Estimate(value, value...value) }
      return SVGVerdict(divergence: exact(divergence), flips: exact(flips), shift: exact(shift))
    }
    #expect(verdict(0, 0, 0) == .notDistinguishable)
    #expect(verdict(0.005, 0, 0) == .small)
    #expect(verdict(0, 0.1, 0) == .visible)
    #expect(verdict(0, 0, 50) == .broken)
    #expect(
      SVGVerdict(divergence: Estimate(0.0005, 0...0.002), flips: Estimate(0, 0...0), shift: nil) == .small)
  }

  @Test("a single prompt earns the best word only without any difference")
  func single() {
    #expect(SVGVerdict(divergence: Estimate(0), flips: Estimate(0), shift: nil) == .notDistinguishable)
    #expect(SVGVerdict(divergence: Estimate(0.0001), flips: Estimate(0), shift: nil) == .small)
  }
}
