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
    let (own, other) = (model.meanDivergence, reference.meanDivergence)
    #expect(try #require(own.interval95).overlaps(try #require(other.interval95)))
    let pair = try #require(PairedDivergence(model, to: reference))
    let percent = try #require(pair.changePercent)
    #expect(abs(pair.change - size) < 0.0005 && abs(percent.value - 100 * pair.change / other.value) < 1e-9)
    #expect(try #require(percent.interval95).contains(100 * size / other.value))
    #expect(pair.verdict == (size < 0 ? .closer : .farther))
    #expect(abs(other.value - 0.5) < 0.1)
  }

  @Test("A model beside itself is not distinguishable")
  func same() throws {
    let one = statistics(shift: 0)
    let pair = try #require(PairedDivergence(one, to: one))
    #expect(pair.change == 0 && pair.changePercent == Estimate(0))
    #expect(pair.verdict == .notDistinguishable)
  }

  @Test("A reference without divergence, or a single window, gives no interval")
  func none() throws {
    func constant(_ divergence: Float, windows: Int) -> DivergenceStatistics {
      var result = DivergenceStatistics()
      for _ in 0..<windows {
        result.add(
          window: (0..<8).map { _ in
            PositionScore(
              surprise: 1, baseSurprise: 1, divergence: divergence, divergenceBound: divergence,
              isSameTop: true)
          })
      }
      return result
    }
    let exact = try #require(PairedDivergence(constant(0.1, windows: 4), to: constant(0, windows: 4)))
    #expect(exact.verdict == .noInterval && exact.changePercent == nil && abs(exact.change - 0.1) < 1e-6)
    let same = try #require(PairedDivergence(constant(0, windows: 4), to: constant(0, windows: 4)))
    #expect(same.verdict == .notDistinguishable)
    let single = try #require(
      PairedDivergence(statistics(shift: 0.1, windows: 1), to: statistics(shift: 0, windows: 1)))
    #expect(single.verdict == .noInterval && single.changePercent?.interval95 == nil)
  }

  @Test("Other windows cannot be paired")
  func otherWindows() {
    #expect(PairedDivergence(statistics(shift: 0, windows: 9), to: statistics(shift: 0)) == nil)
    #expect(PairedDivergence(DivergenceStatistics(), to: DivergenceStatistics()) == nil)
  }
}
