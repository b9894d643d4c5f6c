/// What layer A says of a model, in words, by fixed thresholds.
///
/// The worst of three measures counts: the mean KL divergence, the share of flipped tokens, and the shift of
/// coordinates; each is taken at the upper end of its interval for the best word, at its value for the others.
public enum SVGVerdict: String, CaseIterable, Hashable, Sendable, Codable {
  /// No difference that matters could be seen.
  case notDistinguishable = "not distinguishable"
  case small
  case visible
  case broken

  /// Nats, share of tokens, percent of the `viewBox`: up to here a model is called by the word.
  public static let thresholds: [(verdict: SVGVerdict, divergence: Double, flips: Double, shift: Double)] = [
    (.notDistinguishable, 0.001, 0.005, 0.1), (.small, 0.01, 0.03, 0.5), (.visible, 0.3, 0.2, 5),
  ]

  /// Judges a model.
  public init(divergence: Interval, flips: Interval, shift: Interval?) {
    for limit in Self.thresholds {
      let isBest = limit.verdict == .notDistinguishable
      func number(_ interval: Interval?) -> Double { interval.map { isBest ? $0.high : $0.value } ?? 0 }
      if number(divergence) <= limit.divergence, number(flips) <= limit.flips, number(shift) <= limit.shift {
        self = limit.verdict
        return
      }
    }
    self = .broken
  }
}
