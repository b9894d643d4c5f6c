import CommandSupport
import ModelEvaluation

/// Prints a comparison under llama-perplexity's row names.
struct DivergencePrinter {
  let statistics: DivergenceStatistics

  init(_ statistics: DivergenceStatistics) { self.statistics = statistics }

  /// The line above the lines of windows.
  static let header =
    "\nchunk             PPL               ln(PPL(Q)/PPL(base))          KL Divergence              "
    + "Δp RMS            Same top p"

  /// A number in a field of some width.
  private static func field(_ value: Double, _ width: Int, _ places: Int) -> String {
    // A value that rounds to zero keeps its sign in C's output.
    var text = decimals(value, places)
    if value < 0, !text.hasPrefix("-"), value.isFinite { text = "-" + text }
    return String(repeating: " ", count: max(0, width - text.count)) + text
  }

  private static func pair(_ estimate: Estimate, _ width: Int, _ places: Int, _ scale: Double = 1) -> String {
    field(scale * estimate.value, width, places) + " ± " + field(scale * estimate.uncertainty, width, places)
  }

  /// The line of a window, about all windows so far.
  func windowLine(_ done: Int) -> String {
    let number = String(repeating: " ", count: max(0, 4 - "\(done)".count)) + "\(done)"
    return number + "    " + Self.pair(statistics.perplexity, 9, 4)
      + "    " + Self.pair(statistics.logRatio, 10, 5)
      + "    " + Self.pair(statistics.meanDivergence, 10, 5)
      + "    " + Self.pair(statistics.rootMeanSquareChange, 6, 3, 100) + " %"
      + "    " + Self.pair(statistics.sameTop, 6, 3, 100) + " %"
  }

  /// The final blocks, and the verdict.
  var lines: [String] {
    let s = statistics
    var lines = [
      "", "====== Perplexity statistics ======",
      "Mean PPL(Q)                   : " + Self.pair(s.perplexity, 10, 6),
      "Mean PPL(base)                : " + Self.pair(s.basePerplexity, 10, 6),
      "Cor(ln(PPL(Q)), ln(PPL(base))): " + Self.field(100 * s.correlation, 6, 2) + "%",
      "Mean ln(PPL(Q)/PPL(base))     : " + Self.pair(s.logRatio, 10, 6),
      "Mean PPL(Q)/PPL(base)         : " + Self.pair(s.ratio, 10, 6),
      "Mean PPL(Q)-PPL(base)         : " + Self.pair(s.difference, 10, 6),
      "", "====== KL divergence statistics ======",
      "Mean    KLD: " + Self.pair(s.meanDivergence, 10, 6),
    ]
    let sorted = s.divergences.sorted()
    func divergence(_ name: String, _ value: Float) {
      lines.append("\(name) KLD: " + Self.field(Double(value), 10, 6))
    }
    divergence("Maximum", sorted.last ?? .nan)
    for (name, share) in [("99.9%  ", 0.999), ("99.0%  ", 0.99), ("95.0%  ", 0.95), ("90.0%  ", 0.9)] {
      divergence(name, DivergenceStatistics.percentile(sorted, Float(share)))
    }
    divergence("Median ", DivergenceStatistics.median(sorted))
    for (name, share) in [("10.0%  ", 0.1), (" 5.0%  ", 0.05), (" 1.0%  ", 0.01), (" 0.1%  ", 0.001)] {
      divergence(name, DivergenceStatistics.percentile(sorted, Float(share)))
    }
    divergence("Minimum", sorted.first ?? .nan)
    lines += probabilityLines
    if s.meanDivergenceBound > s.meanDivergence.value {
      lines.append(
        "\nThe base file is compact: the mean KLD over the whole vocabulary is from "
          + "\(decimals(s.meanDivergence.value, 6)) to \(decimals(s.meanDivergenceBound, 6)).")
    }
    lines.append("\nVerdict: " + Verdict(s).text)
    return lines
  }

  private var probabilityLines: [String] {
    let s = statistics
    func pair(_ estimate: Estimate) -> String {
      Self.field(100 * estimate.value, 6, 3) + " ± " + Self.field(100 * estimate.uncertainty, 5, 3) + " %"
    }
    let sorted = s.probabilityChanges.sorted()
    var lines = [
      "", "====== Token probability statistics ======", "Mean    Δp: " + pair(s.meanChange),
    ]
    func change(_ name: String, _ value: Float) {
      lines.append("\(name) Δp: " + Self.field(100 * Double(value), 6, 3) + "%")
    }
    change("Maximum", sorted.last ?? .nan)
    for (name, share) in [
      ("99.9%  ", 0.999), ("99.0%  ", 0.99), ("95.0%  ", 0.95), ("90.0%  ", 0.9), ("75.0%  ", 0.75),
    ] {
      change(name, DivergenceStatistics.percentile(sorted, Float(share)))
    }
    change("Median ", DivergenceStatistics.median(sorted))
    for (name, share) in [
      ("25.0%  ", 0.25), ("10.0%  ", 0.1), (" 5.0%  ", 0.05), (" 1.0%  ", 0.01), (" 0.1%  ", 0.001),
    ] {
      change(name, DivergenceStatistics.percentile(sorted, Float(share)))
    }
    change("Minimum", sorted.first ?? .nan)
    lines += ["RMS Δp    : " + pair(s.rootMeanSquareChange), "Same top p: " + pair(s.sameTop)]
    return lines
  }

  /// One row per model, with 95 % intervals.
  static func table(_ results: [(model: String, statistics: DivergenceStatistics)]) -> [String] {
    let width = results.map(\.model.count).max() ?? 0
    var lines = [
      "",
      "model" + String(repeating: " ", count: max(0, width - 5))
        + "         PPL    mean KLD [95 % interval]           PPL change, 95 % interval      same top",
    ]
    for (model, s) in results {
      let divergence = s.meanDivergence.interval95
      let percent = Verdict(s).percent
      lines.append(
        model + String(repeating: " ", count: max(0, width - model.count)) + "  "
          + field(s.perplexity.value, 10, 4) + "  " + field(s.meanDivergence.value, 10, 6) + " ["
          + decimals(divergence.lowerBound, 6) + ", " + decimals(divergence.upperBound, 6) + "]  "
          + field(percent.lowerBound, 9, 3) + " % to " + field(percent.upperBound, 8, 3) + " %  "
          + field(100 * s.sameTop.value, 7, 3) + " %")
    }
    guard let first = results.first else { return lines }
    for (model, statistics) in results.dropFirst() {
      guard let pair = PairedDivergence(statistics, to: first.statistics) else { continue }
      let interval = pair.change.interval95
      let share = pair.reference > 0 ? " (\(decimals(100 * pair.change.value / pair.reference, 1)) %)" : ""
      lines.append(
        "\nmean KLD of \(model) minus that of \(first.model), paired: \(decimals(pair.change.value, 6))\(share)"
          + " [\(decimals(interval.lowerBound, 6)), \(decimals(interval.upperBound, 6))]: \(pair.verdict)")
    }
    return lines
  }
}
