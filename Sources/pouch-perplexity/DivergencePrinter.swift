import CommandSupport
import ModelEvaluation

/// Prints a comparison under llama-perplexity's row names.
struct DivergencePrinter {
  let statistics: DivergenceStatistics

  init(_ statistics: DivergenceStatistics) { self.statistics = statistics }

  /// The line above the lines of windows.
  static let header =
    "\nchunk         PPL   ln(PPL(Q)/PPL(base))   KL Divergence     Δp RMS   Same top p"

  /// The line of a window, about all windows so far.
  func windowLine(_ done: Int) -> String {
    let s = statistics.running
    return Numbers.padded("\(done)", 5) + "  " + Numbers.field(s.perplexity, 10, 4)
      + "             " + Numbers.field(s.logRatio, 10, 5)
      + "      " + Numbers.field(s.meanDivergence, 10, 5)
      + "   " + Numbers.field(100 * s.rootMeanSquareChange, 6, 3) + " %"
      + "    " + Numbers.field(100 * s.sameTop, 7, 3) + " %"
  }

  /// The final blocks, and the verdict.
  var lines: [String] {
    let s = statistics
    func row(_ name: String, _ estimate: Estimate) -> String { name + Numbers.estimate(estimate, 10, 6) }
    var lines = [
      "", "====== Perplexity statistics ======",
      row("Mean PPL(Q)                   : ", s.perplexity),
      row("Mean PPL(base)                : ", s.basePerplexity),
      "Cor(ln(PPL(Q)), ln(PPL(base))): " + Numbers.field(100 * s.correlation, 6, 2) + "%",
      row("Mean ln(PPL(Q)/PPL(base))     : ", s.logRatio),
      row("Mean PPL(Q)/PPL(base)         : ", s.ratio),
      row("Mean PPL(Q)-PPL(base)         : ", s.difference),
      "", "====== KL divergence statistics ======",
      row("Mean    KLD: ", s.meanDivergence),
    ]
    let sorted = s.divergences.sorted()
    func divergence(_ name: String, _ value: Float) {
      lines.append("\(name) KLD: " + Numbers.field(Double(value), 10, 6))
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
    lines.append("\n" + Self.sentence(s))
    lines.append("Verdict: " + Verdict(s).text)
    return lines
  }

  /// What the brackets are, or why there are none.
  private static func sentence(_ statistics: DivergenceStatistics) -> String {
    let text = statistics.intervalText
    return text.prefix(1).uppercased() + text.dropFirst() + "."
  }

  private var probabilityLines: [String] {
    let s = statistics
    func percent(_ estimate: Estimate) -> String { Numbers.estimate(estimate, 7, 3, scale: 100, unit: " %") }
    let sorted = s.probabilityChanges.sorted()
    var lines = [
      "", "====== Token probability statistics ======", "Mean    Δp: " + percent(s.meanChange),
    ]
    func change(_ name: String, _ value: Float) {
      lines.append("\(name) Δp: " + Numbers.field(100 * Double(value), 7, 3) + " %")
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
    lines += ["RMS Δp    : " + percent(s.rootMeanSquareChange), "Same top p: " + percent(s.sameTop)]
    return lines
  }

  /// One row per model with its intervals, the pairs, and what the intervals are.
  ///
  /// - Parameters:
  ///   - results: The models.
  ///   - partners: The index of the one that each is compared with.
  /// - Returns: Lines.
  static func table(
    _ results: [(model: String, statistics: DivergenceStatistics)], partners: [Int]
  ) -> [String] {
    var rows = [["model", "PPL", "mean KLD", "PPL change, %", "same top, %"]]
    for (model, s) in results {
      rows.append([
        model, Numbers.estimate(s.perplexity, 0, 4), Numbers.estimate(s.meanDivergence, 0, 6),
        Numbers.estimate(Verdict(s).percent, 0, 3), Numbers.estimate(s.sameTop, 0, 3, scale: 100),
      ])
    }
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    var lines = [""]
    for row in rows {
      let cells = zip(row, widths).map { text, width in
        text + String(repeating: " ", count: width - text.count)
      }
      lines.append(String(cells.joined(separator: "  ").reversed().drop { $0 == " " }.reversed()))
    }
    guard let first = results.first else { return lines }
    lines.append(sentence(first.statistics))
    guard results.count > 1 else { return lines }
    lines.append("")
    for ((model, statistics), partner) in zip(results, partners).dropFirst() {
      let other = results[partner]
      guard let pair = PairedDivergence(statistics, to: other.statistics) else { continue }
      let percent = pair.changePercent.map { ", " + Numbers.estimate($0, 0, 1, unit: " %") } ?? ""
      lines.append(
        "mean KLD of \(model) minus that of \(other.model), paired: "
          + "\(decimals(pair.change, 6))\(percent): \(pair.verdict.rawValue)")
    }
    return lines
  }
}
