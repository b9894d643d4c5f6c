/// What layer A says of a model, in words, by fixed thresholds.
///
/// The worst of three measures counts: the mean KL divergence, the share of flipped tokens, and the shift of
/// coordinates; each is taken at the upper end of its interval for the best word, at its value for the others.
package enum SVGVerdict: String, CaseIterable, Hashable, Sendable, Codable {
  /// No difference that matters could be seen.
  case notDistinguishable = "not distinguishable"
  case small
  case visible
  case broken

  /// Nats, share of tokens, percent of the `viewBox`: up to here a model is called by the word.
  package static let thresholds: [(verdict: SVGVerdict, divergence: Double, flips: Double, shift: Double)] = [
    (.notDistinguishable, 0.001, 0.005, 0.1), (.small, 0.01, 0.03, 0.5), (.visible, 0.3, 0.2, 5),
  ]

  /// Judges a model.
  package init(divergence: Estimate, flips: Estimate, shift: Estimate?) {
    for limit in Self.thresholds {
      let isBest = limit.verdict == .notDistinguishable
      func number(_ estimate: Estimate?) -> Double {
        guard let estimate else { return 0 }
        guard isBest, estimate.value > 0 else { return estimate.value }
        // One prompt has no upper end, so that it cannot earn the best word.
        return estimate.interval95?.upperBound ?? .infinity
      }
      if number(divergence) <= limit.divergence, number(flips) <= limit.flips, number(shift) <= limit.shift {
        self = limit.verdict
        return
      }
    }
    self = .broken
  }
}
