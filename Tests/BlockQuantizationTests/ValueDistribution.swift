import TestSupport

/// Kinds of rows that the kernels are compared on.
enum ValueDistribution: String, CaseIterable, Sendable {
  case normal, brainNormal, subnormal, tiny, nearlyNegligible, large, huge, nearOverflow
  case zero, negativeZero, constant, negativeConstant, positive, negative, mixed, sparse, ternary, grid
  case outlier, extremeOutlier, wideRange, wideBlocks, nearMinusOne, negativePowers, lonelyMinimum

  /// `count` values.
  func values(_ count: Int, _ generator: inout SeededGenerator) -> [Float] {
    (0..<count).map { value($0, &generator) }
  }

  private func value(_ i: Int, _ g: inout SeededGenerator) -> Float {
    switch self {
    case .normal: g.normal()
    case .brainNormal: Float(bitPattern: (g.normal() * 0.02).bitPattern & 0xFFFF_0000)
    case .subnormal: g.normal() * 0x1p-133
    case .tiny: g.normal() * 1e-30
    case .nearlyNegligible: g.normal() * (g.unit() < 0.5 ? 1e-14 : 1e-16)
    case .large: g.normal() * 1e10
    // Squares and sums of these overflow, so infinities and NaN arise inside.
    case .huge: g.normal() * 1e20
    case .nearOverflow: g.normal() * 4e37
    case .zero: 0
    case .negativeZero: -0.0
    case .constant: 0.37
    case .negativeConstant: -0.37
    case .positive: g.normal().magnitude
    case .negative: -g.normal().magnitude
    case .mixed: i % 64 < 32 ? g.normal() : g.normal() * 1e-6
    case .sparse: g.unit() < 0.9 ? 0 : g.normal()
    case .ternary: Float(Int(g.unit() * 3) - 1)
    // Quotients land on ties.
    case .grid: Float(Int(g.unit() * 16) - 8) * 0.5
    case .outlier: g.unit() < 0.01 ? g.normal() * 1000 : g.normal()
    case .extremeOutlier: i % 32 == 3 ? g.normal() * 1e12 : g.normal()
    case .wideRange: g.normal() * power(g.unit() * 80 - 40)
    case .wideBlocks: g.normal() * power(Float((i / 16 * 7919) % 240 - 120))
    case .nearMinusOne: -1 - g.normal().magnitude * 1e-7
    case .negativePowers: -power((g.unit() * -30).rounded(.down))
    // With a small weight the minimum is given up, and quotients leave the range that rounds exactly.
    case .lonelyMinimum: i % 32 == 5 ? -1000 : min(0, g.normal() * 1e-3)
    }
  }

  private func power(_ exponent: Float) -> Float {
    Float(sign: .plus, exponent: Int(exponent.rounded(.down)), significand: 1)
  }
}

/// Kinds of importance weights.
enum WeightDistribution: String, CaseIterable, Sendable {
  case none, random, withZeros, allZero, ones, oneInEach, tiny, huge

  /// The weights to combine with a distribution of values: all of them in optimized builds; in debug builds, which
  /// are some fifty times slower, none, one with zeros, and one that depends on the distribution.
  static func chosen(for values: ValueDistribution) -> [WeightDistribution] {
    #if DEBUG
      let place = ValueDistribution.allCases.firstIndex(of: values) ?? 0
      return [.none, .withZeros, [.random, .allZero, .ones, .oneInEach, .tiny, .huge][place % 6]]
    #else
      return allCases
    #endif
  }

  /// `count` weights, or `nil` for the unweighted search.
  func weights(_ count: Int, _ g: inout SeededGenerator) -> [Float]? {
    switch self {
    case .none: nil
    case .random:
      (0..<count).map { _ in
        let u = g.unit()
        return u * u
      }
    case .withZeros: (0..<count).map { $0 % 3 == 2 ? 0 : g.unit() }
    case .allZero: Array(repeating: 0, count: count)
    case .ones: Array(repeating: 1, count: count)
    case .oneInEach: (0..<count).map { $0 % 64 == 7 ? 1 : 0 }
    case .tiny: (0..<count).map { _ in g.unit() * 1e-38 }
    case .huge: (0..<count).map { _ in g.unit() * 1e30 }
    }
  }
}
