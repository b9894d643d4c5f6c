#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Student's t distribution.
package enum StudentQuantile {
  /// The number of standard errors on either side of a mean that hold 95 %.
  ///
  /// Between whole degrees of freedom the logarithm is interpolated by their inverse. Up to 200 from the finite series
  /// of the distribution (Abramowitz and Stegun, 26.7.3 and 26.7.4), beyond by the expansion around the normal quantile
  /// (26.7.5), which is exact to eight digits there.
  ///
  /// - Parameter degreesOfFreedom: At least 1: independent values less the number of means taken from them.
  /// - Returns: The quantile, from 12.7 down to 1.96.
  package static func twoSided95(degreesOfFreedom: Double) -> Double {
    precondition(degreesOfFreedom >= 1, "a mean of one value has no error")
    guard degreesOfFreedom < 200 else { return expansion(degreesOfFreedom) }
    let low = Int(degreesOfFreedom)
    let below = whole(low)
    let rest = degreesOfFreedom - Double(low)
    guard rest > 0 else { return below }
    let (inverseLow, inverseHigh) = (1 / Double(low), 1 / Double(low + 1))
    let share = (1 / degreesOfFreedom - inverseLow) / (inverseHigh - inverseLow)
    return exp((1 - share) * log(below) + share * log(whole(low + 1)))
  }

  private static func expansion(_ freedom: Double) -> Double {
    let z = 1.959963984540054
    let (z3, z5) = (z * z * z, z * z * z * z * z)
    return z + (z3 + z) / (4 * freedom) + (5 * z5 + 16 * z3 + 3 * z) / (96 * freedom * freedom)
  }

  private static func whole(_ degreesOfFreedom: Int) -> Double {
    var (low, high) = (0.0, Double.pi / 2)
    for _ in 0..<60 {
      let middle = (low + high) / 2
      if mass(angle: middle, degreesOfFreedom) < 0.95 { low = middle } else { high = middle }
    }
    return Double(degreesOfFreedom).squareRoot() * tan((low + high) / 2)
  }

  /// The probability that |t| is at most `sqrt(degreesOfFreedom) * tan(angle)`.
  private static func mass(angle: Double, _ degreesOfFreedom: Int) -> Double {
    let (sine, cosine) = (sin(angle), cos(angle))
    let isOdd = degreesOfFreedom % 2 == 1
    var term = isOdd ? cosine : 1
    var sum = degreesOfFreedom > 1 ? term : 0
    var step = isOdd ? 3 : 2
    while step < degreesOfFreedom {
      term *= Double(step - 1) / Double(step) * cosine * cosine
      sum += term
      step += 2
    }
    return isOdd ? 2 / Double.pi * (angle + sine * sum) : sine * sum
  }
}
