#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// A number with an interval that covers it in 95 of 100 draws of prompts.
public struct Interval: Hashable, Sendable, Codable {
  /// The number.
  public var value: Double
  /// The lower end.
  public var low: Double
  /// The upper end.
  public var high: Double

  /// Creates an interval.
  public init(_ value: Double, _ low: Double, _ high: Double) {
    self.value = value
    self.low = low
    self.high = high
  }
}

/// Statistics over prompts.
public enum ResamplingStatistics {
  /// Draws of prompts per interval.
  public static let drawCount = 2_000
  /// The seed of the draws, the same for every interval, so that models are compared on the same draws.
  public static let seed: UInt64 = 20_260_101

  /// `sum of numerators / sum of denominators`, with its bootstrap interval over prompts (percentiles).
  ///
  /// - Parameter parts: A numerator and a denominator per prompt.
  /// - Returns: `nil` when the denominators sum to zero.
  public static func ratio(_ parts: [(numerator: Double, denominator: Double)]) -> Interval? {
    func quotient(_ n: Double, _ d: Double) -> Double { d > 0 ? n / d : 0 }
    let total = parts.reduce((0.0, 0.0)) { ($0.0 + $1.numerator, $0.1 + $1.denominator) }
    guard total.1 > 0 else { return nil }
    var generator = SplitMix(state: seed)
    var draws: [Double] = []
    draws.reserveCapacity(drawCount)
    for _ in 0..<drawCount {
      var (n, d) = (0.0, 0.0)
      for _ in parts.indices {
        let part = parts[Int(generator.next() % UInt64(parts.count))]
        n += part.numerator
        d += part.denominator
      }
      if d > 0 { draws.append(quotient(n, d)) }
    }
    draws.sort()
    guard !draws.isEmpty else { return nil }
    func percentile(_ share: Double) -> Double {
      let place = share * Double(draws.count - 1)
      let index = Int(place)
      let next = draws[min(index + 1, draws.count - 1)]
      return draws[index] + (next - draws[index]) * (place - Double(index))
    }
    return Interval(quotient(total.0, total.1), percentile(0.025), percentile(0.975))
  }

  /// The mean with its bootstrap interval; `nil` without values.
  public static func mean(_ values: [Double]) -> Interval? { ratio(values.map { ($0, 1) }) }

  /// McNemar's exact test: the probability that of the pairs that differ at least so uneven a share falls to one side
  /// by chance, two-sided.
  ///
  /// - Parameters:
  ///   - lost: Pairs that only the base got right.
  ///   - won: Pairs that only the tested model got right.
  /// - Returns: A probability from 0 to 1; 1 when no pair differs.
  public static func mcNemar(lost: Int, won: Int) -> Double {
    let n = lost + won
    guard n > 0 else { return 1 }
    var sum = 0.0
    for k in 0...min(lost, won) {
      sum += exp(
        lgamma(Double(n + 1)) - lgamma(Double(k + 1)) - lgamma(Double(n - k + 1)) - Double(n) * log(2.0))
    }
    return min(1, 2 * sum)
  }

  /// The splitmix64 generator.
  private struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
  }
}
