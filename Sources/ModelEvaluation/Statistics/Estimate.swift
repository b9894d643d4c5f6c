#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// A number measured on a sample, with the interval that covers its true value in 95 of 100 samples.
///
/// The one form in which measurements are printed with their chance error: the units that vary by chance are windows of
/// text, or prompts, never tokens, since the tokens of one window are alike.
public struct Estimate: Hashable, Sendable, Codable {
  /// The number.
  public var value: Double
  /// The interval; `nil` where the sample does not tell: a single unit, or units that do not differ.
  public var interval95: ClosedRange<Double>?

  /// Creates an estimate.
  public init(_ value: Double, _ interval95: ClosedRange<Double>? = nil) {
    self.value = value
    self.interval95 = interval95
  }

  /// The same in another unit.
  func scaled(by factor: Double) -> Estimate {
    Estimate(factor * value, interval95.map { (factor * $0.lowerBound)...(factor * $0.upperBound) })
  }

  /// The same without what is known to be impossible, which no true value is lost with.
  func atLeast(_ limit: Double) -> Estimate {
    Estimate(value, interval95.map { min(max($0.lowerBound, limit), value)...$0.upperBound })
  }
}

/// The scale on which the chance error of an estimate is taken as symmetric.
package enum EstimateScale: Hashable, Sendable {
  /// Any number, such as a difference.
  case plain
  /// Numbers above 0, whose error grows with them, such as divergences and ratios.
  case logarithmic
  /// Shares, from 0 to 1.
  case logistic

  /// The place of a number; not finite outside of the scale and at its ends.
  func place(_ value: Double) -> Double {
    switch self {
    case .plain: value
    case .logarithmic: log(value)
    case .logistic: log(value) - log1p(-value)
    }
  }

  /// The number at a place; the largest finite one where it would be infinite.
  func value(_ place: Double) -> Double {
    switch self {
    case .plain: place
    case .logarithmic: min(exp(place), .greatestFiniteMagnitude)
    case .logistic: 1 / (1 + exp(-place))
    }
  }

  /// The derivative of ``place(_:)``.
  func slope(_ value: Double) -> Double {
    switch self {
    case .plain: 1
    case .logarithmic: 1 / value
    case .logistic: 1 / (value * (1 - value))
    }
  }
}
