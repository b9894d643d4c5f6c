import CommandSupport
import FileBytes
import Foundation
import ModelEvaluation
import ReportPages

/// What models lose, on one page: the answer in a sentence, size against loss, all numbers in a table.
struct LossPage {
  private let reports: [ModelReport]
  private let firstWindow: Int

  init(_ reports: [ModelReport], firstWindow: Int) {
    self.reports = reports
    self.firstWindow = firstWindow
  }

  /// The page.
  var html: String {
    let table = table
    return PageFrame.html(
      title: title, answer: answer, body: chart + "<h2>Numbers</h2>\n" + table.html + details + origin,
      style: table.style)
  }

  private var base: String? { reports.first?.comparison.map { Self.name($0.base) } }

  private var title: String {
    guard let base else {
      return reports.count == 1
        ? "Perplexity of \(Self.name(reports[0]))" : "Perplexity of \(reports.count) models"
    }
    return reports.count == 1
      ? "What \(Self.name(reports[0])) loses against \(base)"
      : "What \(reports.count) models lose against \(base)"
  }

  /// The file or folder, and the cache where it is not the usual one.
  private static func name(_ report: ModelReport) -> String {
    name(report.model) + (report.cache == "f32" ? "" : ", \(report.cache) cache")
  }

  private static func name(_ path: String) -> String { ModelFolder(path).name }

  // MARK: - The answer

  private var answer: String {
    if reports.count == 1 { return sentence(reports[0]) }
    guard base != nil else {
      let measured = reports.compactMap { report in report.perplexity.map { (report, $0) } }
      guard let best = measured.min(by: { $0.1.value < $1.1.value }) else { return "Nothing was measured." }
      return "\(Self.name(best.0)) has the lowest perplexity, \(Self.text(best.1) { Figures.fixed($0, 4) })."
    }
    let compared = reports.compactMap { report in report.comparison.map { (report: report, loss: $0) } }
    var text = ""
    let same = compared.filter { $0.loss.verdict == Verdict.Kind.notDistinguishable.rawValue }
    if same.count == compared.count {
      text = "The perplexity of none of the \(compared.count) can be told from the base’s at 95 %."
    } else if let smallest = same.min(by: { $0.report.modelBytes < $1.report.modelBytes }) {
      text =
        "The smallest whose perplexity cannot be told from the base’s is \(Self.name(smallest.report)), \(Figures.bytes(smallest.report.modelBytes))."
    } else if compared.allSatisfy({ $0.loss.verdict == Verdict.Kind.worse.rawValue }) {
      text = "The perplexity of all \(compared.count) is worse than the base’s."
    }
    let ordered = compared.sorted { $0.loss.meanDivergence.value < $1.loss.meanDivergence.value }
    if let near = ordered.first, let far = ordered.last,
      near.loss.meanDivergence.value < far.loss.meanDivergence.value
    {
      text +=
        (text.isEmpty ? "" : " ")
        + "\(Self.name(near.report)) is closest to the base, with a mean KL divergence of \(Figures.divergence(near.loss.meanDivergence.value)) nats per token; "
        + "\(Self.name(far.report)) is farthest, with \(Figures.divergence(far.loss.meanDivergence.value))."
    }
    return text.isEmpty ? "The models lose the same." : text
  }

  private func sentence(_ report: ModelReport) -> String {
    var text = Self.name(report) + ": " + (report.verdictText ?? "nothing was measured")
    if let loss = report.comparison {
      text +=
        ". Its mean KL divergence is \(Figures.divergence(loss.meanDivergence.value)) nats per token; its likeliest token is the base’s in \(Figures.fixed(100 * loss.sameTop.value, 1)) % of places"
    }
    return text + "."
  }

  // MARK: - The drawing

  private var chart: String {
    let names = ShortNames.of(reports.map(Self.name))
    let points = zip(reports, names).compactMap { report, short -> SizeChart.Point? in
      guard let divergence = report.comparison?.meanDivergence else { return nil }
      let name = Self.name(report)
      return SizeChart.Point(
        name: short, kind: FileSystem.isFile(report.model) ? .gguf : .mlx,
        byteCount: report.modelBytes,
        actual: SizeChart.Measured(divergence.value, divergence.interval95),
        title:
          "\(name): \(Figures.bytes(report.modelBytes)), \(Figures.divergence(divergence.value)) nats per token"
      )
    }
    let heading = "mean KL divergence, nats per token (logarithmic)"
    guard SizeChart(points, .wide).placedCount > 1 else { return "" }
    let label = "Mean KL divergence against the size of the file; the table below holds all numbers."
    var text = ""
    for (name, size) in [("wide", SizeChart.Size.wide), ("narrow", .narrow)] {
      text +=
        "<figure class=\"\(name)\">\(SizeChart(points, size, heading: heading).svg(label: label))</figure>\n"
    }
    return text
  }

  // MARK: - Tables

  private static func text(_ estimate: Estimate, _ number: (Double) -> String) -> String {
    number(estimate.value)
      + (estimate.interval95.map { ", \(number($0.lowerBound)) to \(number($0.upperBound))" } ?? "")
  }

  private static func cell(_ estimate: Estimate?, _ number: (Double) -> String) -> PageTable.Cell {
    guard let estimate else { return .number(nil) }
    let range = estimate.interval95.map {
      "<br><small>\(number($0.lowerBound)) to \(number($0.upperBound))</small>"
    }
    return .number(number(estimate.value) + (range ?? ""))
  }

  /// The verdict in a word or two, with the class that colours it.
  private static func verdict(_ loss: ModelReport.Comparison?) -> PageTable.Cell {
    switch loss.flatMap({ Verdict.Kind(rawValue: $0.verdict) }) {
    case .notDistinguishable: PageTable.Cell(html: "<b class=\"good\">not distinguishable</b>")
    case .worse: PageTable.Cell(html: "<b class=\"bad\">worse</b>")
    case .better: PageTable.Cell(html: "<b>lower</b>")
    case .tooFewTokens: PageTable.Cell(html: "too few tokens")
    case .tooFewWindows: PageTable.Cell(html: "one window")
    case nil: .number(nil)
    }
  }

  private var table: OrderedTable {
    let hasBase = base != nil
    var table = PageTable(
      heads: ["model", "size", "perplexity"]
        + (hasBase ? ["ratio to the base’s", "verdict", "mean KLD", "same top token, %"] : []),
      numbers: hasBase ? [1, 2, 3, 5, 6] : [1, 2], label: "What each model loses", stacks: true)
    table.rows = reports.map { report in
      var cells: [PageTable.Cell] = [
        .number(Figures.bytes(report.modelBytes)), Self.cell(report.perplexity) { Figures.fixed($0, 4) },
      ]
      if hasBase {
        let loss = report.comparison
        cells += [
          Self.cell(loss?.ratio) { Figures.fixed($0, 4) }, Self.verdict(loss),
          Self.cell(loss?.meanDivergence, Figures.divergence),
          Self.cell(loss?.sameTop) { Figures.fixed(100 * $0, 2) },
        ]
      }
      return (Self.name(report), cells)
    }
    func order(_ name: String, _ value: (ModelReport) -> Double?) -> OrderedTable.Order {
      let keys = reports.map { value($0) ?? .infinity }
      return OrderedTable.Order(
        name: name, rows: reports.indices.sorted { (keys[$0], $0) < (keys[$1], $1) })
    }
    var orders = [
      OrderedTable.Order(name: "as given", rows: Array(reports.indices)),
      order("size") { Double($0.modelBytes) },
      order("perplexity") { $0.perplexity?.value },
    ]
    if hasBase {
      orders += [
        order("mean KLD") { $0.comparison?.meanDivergence.value },
        order("same top token") { $0.comparison.map { -$0.sameTop.value } },
      ]
    }
    return OrderedTable(table, orders: orders, group: "by")
  }

  /// What most readers do not ask for.
  private var details: String {
    let compared = reports.compactMap { report in report.comparison.map { (Self.name(report), $0) } }
    guard !compared.isEmpty else { return "" }
    let percentiles = ["50.0", "90.0", "95.0", "99.0", "99.9", "100.0"]
    var table = PageTable(
      heads: ["model", "median KLD", "90 %", "95 %", "99 %", "99.9 %", "largest", "RMS Δp, %"],
      numbers: Set(1...7), label: "Divergence by token", stacks: true)
    table.rows = compared.map { name, loss in
      (
        name,
        percentiles.map { key in
          // Rounding takes divergences of equal distributions a little below 0.
          .number(loss.divergencePercentiles[key].map { Figures.divergence(max(0, Double($0))) })
        } + [Self.cell(loss.rootMeanSquareProbabilityChange) { Figures.fixed(100 * $0, 3) }]
      )
    }
    var text = "<details><summary>Divergence by token</summary>\n\(table.html)</details>\n"
    let pairs = reports.flatMap { report in
      (report.paired ?? []).map { (report: Self.name(report), pair: $0) }
    }
    guard !pairs.isEmpty else { return text }
    var paired = PageTable(
      heads: ["model", "beside", "mean KLD more", "in percent", "so it is"], numbers: [2, 3],
      label: "Models in pairs", stacks: true)
    paired.rows = pairs.map { name, pair in
      let other = pair.model.split(separator: "/").last.map(String.init) ?? pair.model
      return (
        name,
        [
          PageTable.Cell(html: HTMLText.escaped(other)),
          .number(
            (pair.meanDivergenceChange < 0 ? "−" : "") + Figures.divergence(abs(pair.meanDivergenceChange))),
          Self.cell(pair.meanDivergenceChangePercent) { Figures.fixed($0, 1) },
          PageTable.Cell(html: HTMLText.escaped(pair.verdict)),
        ]
      )
    }
    text += "<details><summary>Models in pairs, window by window</summary>\n\(paired.html)</details>\n"
    return text
  }

  // MARK: - Where it comes from

  private var origin: String {
    guard let first = reports.first else { return "" }
    var facts: [(String, String)] = []
    if let loss = first.comparison {
      facts.append(
        ("base", loss.base + ", perplexity " + Self.text(loss.basePerplexity) { Figures.fixed($0, 4) }))
    }
    if let text = first.text {
      facts.append(
        (
          "text",
          "\(text), \(Figures.grouped(first.textBytes ?? 0)) bytes, xxh64 \(first.textXXH64 ?? "unknown")"
        ))
    }
    facts.append(
      (
        "windows",
        first.protocol + (firstWindow > 1 ? ", the first being number \(firstWindow)" : "")
          + "; \(Figures.grouped(first.scoredTokens)) tokens scored"
      ))
    facts.append(("mode", first.mode))
    for report in reports { facts.append((Self.name(report), "\(report.model), xxh64 \(report.modelXXH64)")) }
    facts.append(("made by", "pouch-perplexity \(pouchVersionNumber)"))
    return "<h2>Where the numbers come from</h2>\n<dl>"
      + facts.map { "<dt>\(HTMLText.escaped($0.0))</dt><dd>\(HTMLText.escaped($0.1))</dd>" }.joined()
      + "</dl>\n<p class=\"soft\">Small numbers are 95 % intervals over windows. Mean KLD is the mean KL divergence of the next token’s "
      + "probabilities from the base’s, in nats; perplexity alone can hide what a model lost, since tokens that got likelier make up "
      + "for others.</p>\n"
  }
}
