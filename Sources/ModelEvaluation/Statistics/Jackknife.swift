#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// What a unit (a window of text, or a prompt) adds to the sums that a statistic is made of.
package protocol UnitSums: Sendable {
  /// Nothing.
  init()
  /// What the unit counts for in the statistic, such as its tokens; not negative.
  var weight: Double { get }
  /// Adds another unit's.
  mutating func add(_ other: Self)
}

/// Intervals over units that are independent of each other, by leaving out one at a time.
///
/// Tukey's jackknife: with `g` the statistic on its scale, from all `n` units and from all but unit i, the values
/// `n g - (n - 1) g_i` vary as the unit does, and their mean has an interval by Student's t. Its degrees of freedom are
/// those of the units that count, `(sum of weights)^2 / (sum of squared weights) - 1`, which are `n - 1` when all weigh
/// the same. For a mean on the plain scale that is the ordinary t interval; ratios of sums, logarithms and roots need
/// no formula of their own, and a few units on which a result hangs widen the interval.
///
/// The scale keeps intervals inside what is possible, and matters for few units: divergences are skewed, so that a
/// sample that happens to have a low mean has a low spread, too, and a symmetric interval around it would end too early.
package enum Jackknife {
  /// A statistic with its interval.
  ///
  /// - Parameters:
  ///   - units: The units in any order; those without weight left out.
  ///   - value: The statistic of all units together, when it is known more exactly than from their sums.
  ///   - scale: Where its error is symmetric.
  ///   - statistic: The statistic of sums.
  /// - Returns: The value; its interval is `nil` for fewer than two units, for units that do not differ, and for
  ///   values at the end of the scale.
  /// - Complexity: O(`units.count`).
  package static func estimate<Sums: UnitSums>(
    _ units: [Sums], value: Double? = nil, scale: EstimateScale, _ statistic: (Sums) -> Double
  ) -> Estimate {
    let value = value ?? statistic(sum(units))
    guard let spread = spread(units, value, scale, statistic) else { return Estimate(value) }
    let (sum, squares) = units.reduce((0.0, 0.0)) { ($0.0 + $1.weight, $0.1 + $1.weight * $1.weight) }
    let effective = squares > 0 ? sum * sum / squares : 1
    let reach = StudentQuantile.twoSided95(degreesOfFreedom: max(effective - 1, 1)) * spread.error
    let (low, high) = (scale.value(spread.center - reach), scale.value(spread.center + reach))
    return Estimate(value, min(low, value)...max(high, value))
  }

  /// The standard error of a statistic on the plain scale; `nil` as for intervals.
  package static func standardError<Sums: UnitSums>(_ units: [Sums], _ statistic: (Sums) -> Double) -> Double?
  {
    spread(units, statistic(sum(units)), .plain, statistic)?.error
  }

  /// `sum of numerators / sum of denominators` with its interval; `nil` when the denominators sum to zero.
  ///
  /// - Parameters:
  ///   - parts: A numerator and a denominator per unit; units with a denominator of 0 do not count.
  ///   - scale: Where the error of the ratio is symmetric.
  /// - Returns: The ratio, with an interval as ``estimate(_:value:scale:_:)`` gives it.
  package static func ratio(
    _ parts: [(numerator: Double, denominator: Double)], scale: EstimateScale
  ) -> Estimate? {
    let units = parts.filter { $0.denominator > 0 }.map(RatioSums.init)
    return units.isEmpty ? nil : estimate(units, scale: scale) { $0.numerator / $0.denominator }
  }

  /// The mean with its interval; `nil` without values.
  package static func mean(_ values: [Double], scale: EstimateScale) -> Estimate? {
    ratio(values.map { ($0, 1) }, scale: scale)
  }

  private static func sum<Sums: UnitSums>(_ units: [Sums]) -> Sums {
    units.reduce(into: Sums()) { $0.add($1) }
  }

  /// The middle of the interval and its standard error, both on the scale.
  private static func spread<Sums: UnitSums>(
    _ units: [Sums], _ value: Double, _ scale: EstimateScale, _ statistic: (Sums) -> Double
  ) -> (center: Double, error: Double)? {
    let place = scale.place(value)
    guard units.count > 1, place.isFinite else { return nil }
    let n = Double(units.count)
    // Added up from both ends instead of subtracted from the whole, so that what is zero without a unit is exactly 0.
    var after = [Sums()]
    for unit in units.dropFirst().reversed() {
      var sums = unit
      sums.add(after[after.count - 1])
      after.append(sums)
    }
    var before = Sums()
    var without: [Double] = []
    without.reserveCapacity(units.count)
    for (index, unit) in units.enumerated() {
      var rest = before
      rest.add(after[units.count - 1 - index])
      without.append(statistic(rest))
      before.add(unit)
    }
    let places = without.map(scale.place)
    if places.allSatisfy(\.isFinite) {
      let values = places.map { n * place - (n - 1) * $0 }
      let center = values.reduce(0, +) / n
      let error = (values.reduce(0) { $0 + ($1 - center) * ($1 - center) } / (n * (n - 1))).squareRoot()
      return error > 0 ? (center, error) : nil
    }
    // One unit alone makes the difference from the end of the scale: its error is carried over from the plain scale.
    guard without.allSatisfy(\.isFinite) else { return nil }
    let mean = without.reduce(0, +) / n
    let squares = without.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    let error = (squares * (n - 1) / n).squareRoot() * scale.slope(value)
    return error > 0 ? (place, error) : nil
  }
}

/// The sums of a ratio.
private struct RatioSums: UnitSums {
  var numerator = 0.0
  var denominator = 0.0
  var weight: Double { denominator }

  init() {}

  init(_ part: (numerator: Double, denominator: Double)) {
    (numerator, denominator) = part
  }

  mutating func add(_ other: RatioSums) {
    numerator += other.numerator
    denominator += other.denominator
  }
}
