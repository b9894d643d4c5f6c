package import SVGAnalysis

/// Sums over the tokens of one class, for one prompt.
package struct ForcedSums: Hashable, Sendable {
  /// Tokens.
  package var count = 0
  /// The sum of KL divergences from the base, in nats.
  package var divergence = 0.0
  /// The sum of `-ln q + ln p` of the base's tokens, in nats.
  package var surpriseGap = 0.0
  /// Tokens where the most likely token is another.
  package var flips = 0

  /// Starts at zero.
  package init() {}

  mutating func add(_ other: ForcedSums) {
    count += other.count
    divergence += other.divergence
    surpriseGap += other.surpriseGap
    flips += other.flips
  }
}

/// Sums over the digits of coordinates, for one prompt, in percent of the `viewBox`.
package struct CoordinateSums: Hashable, Sendable {
  /// Tokens that are digits of numbers.
  package var count = 0
  /// The expected change of the number when the tested model draws the digit: `sum of q(d) |value(d) - value|`.
  package var error = 0.0
  /// The same for the base.
  package var baseError = 0.0
  /// How far the tested model's digits are from the base's: the Wasserstein distance of the two distributions of values.
  package var shift = 0.0

  /// Starts at zero.
  package init() {}

  mutating func add(_ other: CoordinateSums) {
    count += other.count
    error += other.error
    baseError += other.baseError
    shift += other.shift
  }
}

/// What one forward pass over the base's answer to one prompt showed (layer A).
package struct ForcedScore: Hashable, Sendable {
  /// Sums by class.
  package var classes: [SVGTokenClass: ForcedSums] = [:]
  /// Sums over digits.
  package var coordinates = CoordinateSums()

  /// Starts empty.
  package init() {}

  /// The sums over all classes.
  package var total: ForcedSums {
    // In a fixed order, so that sums of floating-point numbers do not depend on hashing.
    SVGTokenClass.allCases.reduce(into: ForcedSums()) { sum, kind in
      if let part = classes[kind] { sum.add(part) }
    }
  }
}
