internal import ReportPages

/// A solved mix beside the stock mix of the same or the next larger size.
struct FrontierComparison: Hashable {
  /// The stock mix.
  let stock: FrontierMix
  /// The divergence of the solved mix over that of the stock mix.
  let ratio: Double
  /// Whether both were measured; otherwise both are predictions.
  let isMeasured: Bool

  /// Compares.
  ///
  /// - Returns: `nil` when no stock mix is as large, or when the two have nothing in common that can be compared.
  init?(_ mix: TunedMix, among known: [FrontierMix]) {
    let larger = known.filter { $0.kind == .stock && $0.fileByteCount >= mix.fileByteCount }
    guard let stock = larger.min(by: { ($0.fileByteCount, $0.name) < ($1.fileByteCount, $1.name) }) else {
      return nil
    }
    self.stock = stock
    if let own = mix.actual, let other = stock.actual, other.divergence > 0 {
      ratio = own.divergence / other.divergence
      isMeasured = true
    } else if let other = stock.predictedDivergence, other > 0 {
      ratio = mix.predictedDivergence / other
      isMeasured = false
    } else {
      return nil
    }
  }

  /// Such as `31 % less than Q4_K_S`.
  var text: String { Self.change(ratio) + " \(joint) \(stock.name)" }

  /// The word between the change and the other mix.
  var joint: String { ratio < 2 ? "than" : "as" }

  /// Such as `31 % less` or `2.4 times as much`, of a ratio of two divergences.
  static func change(_ ratio: Double) -> String {
    guard ratio < 2 else { return Figures.fixed(ratio, 1) + " times as much" }
    let percent = 100 * abs(1 - ratio)
    return Figures.fixed(percent, percent < 10 ? 1 : 0) + " % " + (ratio <= 1 ? "less" : "more")
  }
}
