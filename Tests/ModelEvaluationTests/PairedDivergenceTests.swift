import ModelEvaluation
import TestSupport
import Testing

@Suite("Paired divergence")
struct PairedDivergenceTests {
  /// Windows of divergences that spread widely and are shared by both models but for a shift with its own noise.
  private func statistics(shift: Float, noise: Float = 0.001, windows: Int = 10) -> DivergenceStatistics {
    var shared = SeededGenerator(seed: 5)
    var own = SeededGenerator(seed: UInt64(1000 + shift.bitPattern))
    var result = DivergenceStatistics()
    for _ in 0..<windows {
      result.add(
        window: (0..<64).map { _ in
          let divergence =
            Float.random(in: 0...1, using: &shared) + shift + Float.random(in: -noise...noise, using: &own)
          return PositionScore(
            surprise: 1, baseSurprise: 1, divergence: divergence, divergenceBound: divergence, isSameTop: true
          )
        })
    }
    return result
  }

  @Test(
    "A shift far below the spread of positions is found with its sign and size", arguments: [0.002, -0.002])
  func shift(_ size: Double) throws {
    let (model, reference) = (statistics(shift: Float(size)), statistics(shift: 0))
    #expect(model.meanDivergence.interval95.overlaps(reference.meanDivergence.interval95))
    let pair = try #require(PairedDivergence(model, to: reference))
    #expect(pair.change.interval95.contains(size))
    #expect(pair.verdict == (size < 0 ? "closer to the base" : "farther from the base"))
    #expect(abs(pair.reference - 0.5) < 0.1)
  }

  @Test("A model beside itself is not distinguishable")
  func same() throws {
    let one = statistics(shift: 0)
    let pair = try #require(PairedDivergence(one, to: one))
    #expect(pair.change == Estimate(0, 0))
    #expect(pair.verdict == "not distinguishable")
  }

  @Test("Other windows cannot be paired")
  func otherWindows() {
    #expect(PairedDivergence(statistics(shift: 0, windows: 9), to: statistics(shift: 0)) == nil)
    #expect(PairedDivergence(DivergenceStatistics(), to: DivergenceStatistics()) == nil)
  }
}
