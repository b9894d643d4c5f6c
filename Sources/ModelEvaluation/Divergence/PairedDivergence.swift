/// Two models against one base, window by window.
///
/// Both models meet the same text, so what a window adds to both divergences cancels in their ratio: its interval is far
/// narrower than that of either mean, and shows which of two quantizations is closer to the base where the means' own
/// intervals overlap.
package struct PairedDivergence: Sendable {
  /// What the interval allows to say.
  package enum Verdict: String, Hashable, Sendable {
    case closer = "closer to the base"
    case farther = "farther from the base"
    case notDistinguishable = "not distinguishable"
    /// A single window, or one of the two without any divergence.
    case noInterval = "no interval"
  }

  /// Mean KLD of the model minus that of the reference model, in nats.
  package let change: Double
  /// The same in percent of the reference model's mean KLD; `nil` when that is not above 0.
  package let changePercent: Estimate?
  /// What the interval allows to say.
  package let verdict: Verdict

  /// Compares; `nil` when the two did not score the same number of positions in the same windows.
  package init?(_ model: DivergenceStatistics, to reference: DivergenceStatistics) {
    guard model.windows.map(\.count) == reference.windows.map(\.count), model.count > 1,
      model.windowsPerUnit == reference.windowsPerUnit
    else { return nil }
    let units = zip(model.units, reference.units).map { ($0.divergence, $1.divergence) }
    change = model.meanDivergence.value - reference.meanDivergence.value
    let isSame = zip(model.divergences, reference.divergences).allSatisfy { $0 == $1 }
    // Windows without any divergence in the reference take part: the sums are what the ratio is of.
    let ratio = Jackknife.estimate(
      units.map(PairSums.init), scale: .logarithmic, { $0.own / $0.reference })
    guard reference.meanDivergence.value > 0 else {
      changePercent = nil
      verdict = isSame ? .notDistinguishable : .noInterval
      return
    }
    func percent(_ ratio: Double) -> Double { 100 * (ratio - 1) }
    changePercent = Estimate(
      percent(ratio.value), ratio.interval95.map { percent($0.lowerBound)...percent($0.upperBound) })
    if let interval = ratio.interval95 {
      verdict = interval.upperBound < 1 ? .closer : interval.lowerBound > 1 ? .farther : .notDistinguishable
    } else {
      verdict = isSame ? .notDistinguishable : .noInterval
    }
  }
}

/// The divergences of a unit under both models.
private struct PairSums: UnitSums {
  var own = 0.0
  var reference = 0.0
  /// Windows in which the reference hardly differs from the base say little about the ratio.
  var weight: Double { max(reference, 0) }

  init() {}

  init(_ sums: (own: Double, reference: Double)) { (own, reference) = sums }

  mutating func add(_ other: PairSums) {
    own += other.own
    reference += other.reference
  }
}
