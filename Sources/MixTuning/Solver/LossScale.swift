/// Losses as whole numbers, so that sums are exact and ties are ties, on every machine.
struct LossScale {
  /// What one unit stands for.
  let unit: Double

  /// A scale in which the sum of the largest losses of all groups fits 60 bits.
  init(_ problem: MixProblem) {
    let sum = problem.groups.reduce(0.0) { $0 + ($1.lazy.map { abs($0.loss) }.max() ?? 0) }
    // A power of two, so that scaling itself rounds nothing.
    unit = sum > 0 && sum.isFinite ? Double(sign: .plus, exponent: sum.exponent - 59, significand: 1) : 1
  }

  /// The whole number next to a loss.
  func units(_ loss: Double) -> Int { Int((loss / unit).rounded()) }

  /// The loss that a whole number stands for.
  func loss(_ units: Int) -> Double { Double(units) * unit }
}
