#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Two models against one base, position by position.
///
/// Both models meet the same text, so what a position adds to both divergences cancels in the difference: its
/// interval is far narrower than that of either mean, and shows which of two quantizations is closer to the base
/// where the means' own intervals overlap.
public struct PairedDivergence: Sendable {
  /// Mean KLD of the model minus that of the reference model, in nats; the error is the larger of that of single
  /// positions and, from eight windows on, that of window means.
  public let change: Estimate
  /// The reference model's mean KLD, in nats.
  public let reference: Double

  /// Compares; `nil` when the two did not score the same number of positions in the same windows.
  ///
  /// Sums are in f64, positions ascending.
  public init?(_ model: DivergenceStatistics, to reference: DivergenceStatistics) {
    guard model.windowEnds == reference.windowEnds, model.count > 1 else { return nil }
    let differences = zip(model.divergences, reference.divergences).map { Double($0) - Double($1) }
    let n = Double(differences.count)
    let mean = differences.reduce(0, +) / n
    func squares(_ values: [Double]) -> Double { values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } }
    var error = (squares(differences) / (n * (n - 1))).squareRoot()
    let windows = Double(model.windowCount)
    if model.windowCount >= 8 {
      var means: [Double] = []
      var start = 0
      for end in model.windowEnds {
        means.append(differences[start..<end].reduce(0, +) / Double(max(end - start, 1)))
        start = end
      }
      error = max(error, (squares(means) / (windows * (windows - 1))).squareRoot())
    }
    change = Estimate(mean, error)
    self.reference = reference.meanDivergence.value
  }

  /// What the interval allows to say.
  public var verdict: String {
    let interval = change.interval95
    if interval.upperBound < 0 { return "closer to the base" }
    if interval.lowerBound > 0 { return "farther from the base" }
    return "not distinguishable"
  }
}
