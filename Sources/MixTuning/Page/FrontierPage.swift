internal import FileBytes
internal import ReportPages
internal import TensorTypes

/// Size against divergence on one page of HTML: solved mixes as a line, stock mixes and recipes as points, and what each step up
/// buys.
///
/// The page holds everything itself, runs nothing and loads nothing, and is made for light and dark screens of any width, and for
/// paper.
package struct FrontierPage: Sendable {
  private let table: SensitivityTable
  /// Solved mixes with their names, by size.
  private let solved: [(name: String, mix: TunedMix)]
  /// All others, by size.
  private let known: [FrontierMix]

  /// Prepares a page.
  ///
  /// - Parameters:
  ///   - table: The table that the mixes were solved from.
  ///   - mixes: The solved mixes, each with the name that it goes by; none is fine.
  ///   - known: Stock mixes and recipes.
  package init(_ table: SensitivityTable, mixes: [(name: String, mix: TunedMix)], known: [FrontierMix]) {
    self.table = table
    solved = mixes.sorted { ($0.mix.fileByteCount, $0.name) < ($1.mix.fileByteCount, $1.name) }
    self.known = known.sorted { ($0.fileByteCount, $0.name) < ($1.fileByteCount, $1.name) }
  }

  /// The page.
  package var html: String {
    PageFrame.html(
      title: "\(table.model.name): size against divergence", answer: answer,
      body: chart + solvedTable + stepsTable + allTable + origin + meaning)
  }

  // MARK: - The answer

  /// What most readers want to know, in a sentence or two.
  private var answer: String {
    guard let first = solved.first, let last = solved.last else {
      return "No budget was solved for: the points are mixes that others chose."
    }
    guard solved.count > 1 else {
      var text = sentence(first.name, first.mix)
      if let other = FrontierComparison(first.mix, among: known) {
        text +=
          " That is \(other.text), which takes \(Figures.bytes(other.stock.fileByteCount))"
          + (other.isMeasured ? "." : ", both as predicted.")
      }
      return text
    }
    var text =
      "From \(Figures.bytes(first.mix.fileByteCount)), \(loss(first.mix)), to \(Figures.bytes(last.mix.fileByteCount)), \(loss(last.mix))."
    let others = solved.compactMap { FrontierComparison($0.mix, among: known) }
    let better = others.filter { $0.ratio < 1 }
    if let least = better.map(\.ratio).max(), let most = better.map(\.ratio).min() {
      let range =
        better.count == 1
        ? FrontierComparison.change(most)
        : "\(Figures.fixed(100 * (1 - least), 0)) to \(Figures.fixed(100 * (1 - most), 0)) % less"
      let how = others.allSatisfy(\.isMeasured) ? "" : ", as predicted"
      text +=
        " \(better.count == others.count ? "Each" : "\(better.count) of \(others.count)") of the solved mixes"
        + "\(better.count == others.count && others.count < solved.count ? " that have a stock mix of their size or above" : "")"
        + " loses \(range) than the stock mix of the same or the next larger size\(how)."
    } else if !others.isEmpty {
      text += " None of them loses less than the stock mix of the same or the next larger size."
    }
    return text
  }

  private func sentence(_ name: String, _ mix: TunedMix) -> String {
    "\(name): \(Figures.bytes(mix.fileByteCount)), \(Figures.fixed(mix.bitsPerWeight, 2)) bits per weight, \(loss(mix)) nats per token."
  }

  private func loss(_ mix: TunedMix) -> String {
    let predicted = "predicted to lose \(Figures.divergence(mix.predictedDivergence))"
    guard let actual = mix.actual else { return predicted }
    return predicted + ", measured \(Figures.divergence(actual.divergence))"
  }

  // MARK: - The drawing

  private var chart: String {
    let points =
      solved.map { name, mix in
        SizeChart.Point(
          name: name, kind: .solved, byteCount: mix.fileByteCount, predicted: mix.predictedDivergence,
          actual: mix.actual?.charted,
          title: title(name, mix.fileByteCount, mix.predictedDivergence, mix.actual))
      }
      + known.map { mix in
        SizeChart.Point(
          name: mix.name, kind: mix.kind == .stock ? .stock : .recipe, byteCount: mix.fileByteCount,
          predicted: mix.predictedDivergence,
          actual: mix.actual?.charted,
          title: title(mix.name, mix.fileByteCount, mix.predictedDivergence, mix.actual))
      }
    guard points.contains(where: { ($0.predicted ?? 0) > 0 || ($0.actual?.value ?? 0) > 0 }) else {
      return "<p class=\"soft\">There is nothing to draw: no mix has a divergence above 0.</p>\n"
    }
    let label =
      "Mean KL divergence, on a logarithmic scale, against the size of the file: \(solved.count) solved mixes as a line, "
      + "\(known.count) others as points; the tables below hold all numbers."
    var text = ""
    for (name, size) in [("wide", SizeChart.Size.wide), ("narrow", .narrow)] {
      text += "<figure class=\"\(name)\">\(SizeChart(points, size).svg(label: label))</figure>\n"
    }
    var keys: [(mark: String, text: String)] = []
    if !solved.isEmpty {
      keys.append(("<g class=\"solved\"><circle cx=\"7\" cy=\"6\" r=\"5\"/></g>", "solved for a budget"))
    }
    if known.contains(where: { $0.kind == .stock }) {
      keys.append(("<g class=\"stock\"><path d=\"M3 2h8v8h-8z\"/></g>", "stock mix"))
    }
    if known.contains(where: { $0.kind == .recipe }) {
      keys.append(("<g class=\"recipe\"><path d=\"M7 0l6 6l-6 6l-6 -6z\"/></g>", "recipe"))
    }
    if points.contains(where: { $0.actual != nil }) {
      keys.append(
        (
          "<g class=\"stock\"><path class=\"range\" d=\"M7 0V12\"/><path class=\"measured\" d=\"M2 6h10\"/></g>",
          "as measured, with the 95 % interval"
        ))
    }
    let list = keys.map {
      "<li><svg viewBox=\"0 0 14 12\" aria-hidden=\"true\">\($0.mark)</svg>\($0.text)</li>"
    }
    return text
      + "<ul class=\"key\"><li>Mean KL divergence in nats per token, as predicted:</li>\(list.joined())</ul>\n"
  }

  private func title(_ name: String, _ bytes: Int, _ predicted: Double?, _ actual: TunedMix.Actual?) -> String
  {
    var text = "\(name): \(Figures.bytes(bytes))"
    if let predicted { text += ", predicted \(Figures.divergence(predicted))" }
    if let actual { text += ", measured \(Figures.divergence(actual.divergence))" }
    return text
  }

  // MARK: - Tables

  private func measured(_ actual: TunedMix.Actual?) -> PageTable.Cell {
    guard let actual else { return .number(nil) }
    var text = Figures.divergence(actual.divergence)
    if let low = actual.low, let high = actual.high {
      text += "<br><small>\(Figures.divergence(low)) to \(Figures.divergence(high))</small>"
    }
    return .number(text)
  }

  private func compared(_ mix: TunedMix) -> PageTable.Cell {
    guard let other = FrontierComparison(mix, among: known) else {
      return PageTable.Cell(html: "no stock mix is as large", style: "soft")
    }
    return PageTable.Cell(
      html: "<b class=\"\(other.ratio <= 1 ? "good" : "bad")\">\(FrontierComparison.change(other.ratio))</b> "
        + "\(other.joint) \(HTMLText.escaped(other.stock.name))<br><small>\(Figures.bytes(other.stock.fileByteCount)), "
        + "\(other.isMeasured ? "measured" : "predicted")</small>", style: "wide")
  }

  private var solvedTable: String {
    guard !solved.isEmpty else { return "" }
    var table = PageTable(
      heads: ["budget", "file", "bits per weight", "predicted", "gap to the bound", "measured", "loses"],
      numbers: [1, 2, 3, 4, 5], label: "Solved mixes", stacks: true)
    table.rows = solved.map { name, mix in
      let gap = mix.isOptimal ? "none" : Figures.divergence(mix.predictedDivergence - mix.lowerBound)
      return (
        name,
        [
          .number(Figures.bytes(mix.fileByteCount)), .number(Figures.fixed(mix.bitsPerWeight, 3)),
          .number(Figures.divergence(mix.predictedDivergence)), .number(gap), measured(mix.actual),
          compared(mix),
        ]
      )
    }
    return "<h2>Solved mixes</h2>\n" + table.html
  }

  private var stepsTable: String {
    guard solved.count > 1 else { return "" }
    var table = PageTable(
      heads: ["step", "file", "loses, as predicted", "saved per MB", "what changes"], numbers: [1, 2, 3],
      label: "What each step up buys", stacks: true)
    table.rows = zip(solved, solved.dropFirst()).map { small, large in
      let step = FrontierStep(from: small.mix, to: large.mix, in: self.table)
      let changes = step.changes.map(HTMLText.escaped).joined(separator: "<br>")
      return (
        "\(small.name) → \(large.name)",
        [
          .number("+ " + Figures.bytes(step.byteCount)), .number(FrontierComparison.change(step.ratio)),
          .number(Figures.divergence(step.savedPerMegabyte)),
          PageTable.Cell(html: changes.isEmpty ? "nothing" : changes, style: "wide"),
        ]
      )
    }
    return "<h2>What each step up buys</h2>\n" + table.html
  }

  private var allTable: String {
    guard !known.isEmpty else { return "" }
    var table = PageTable(
      heads: ["mix", "", "bytes of the file", "bits per weight", "predicted", "measured"],
      numbers: [2, 3, 4, 5],
      label: "All mixes, by size", stacks: false)
    let rows: [(bytes: Int, name: String, cells: [PageTable.Cell])] =
      solved.map { name, mix in
        (
          mix.fileByteCount, name,
          cells("solved", mix.fileByteCount, mix.bitsPerWeight, mix.predictedDivergence, mix.actual)
        )
      }
      + known.map { mix in
        (
          mix.fileByteCount, mix.name,
          cells(
            mix.kind == .stock ? "stock mix" : "recipe", mix.fileByteCount, mix.bitsPerWeight,
            mix.predictedDivergence, mix.actual)
        )
      }
    table.rows = rows.sorted { ($0.bytes, $0.name) < ($1.bytes, $1.name) }.map { ($0.name, $0.cells) }
    return "<h2>All mixes, by size</h2>\n" + table.html
  }

  private func cells(
    _ kind: String, _ bytes: Int, _ bits: Double, _ predicted: Double?, _ actual: TunedMix.Actual?
  ) -> [PageTable.Cell] {
    [
      PageTable.Cell(html: kind), .number(Figures.grouped(bytes)), .number(Figures.fixed(bits, 3)),
      .number(predicted.map(Figures.divergence)), measured(actual),
    ]
  }

  // MARK: - Where it comes from

  private var origin: String {
    let least =
      table.fixedByteCount + table.rows.reduce(0) { $0 + ($1.candidates.map(\.byteCount).min() ?? 0) }
    let most =
      table.fixedByteCount + table.rows.reduce(0) { $0 + ($1.candidates.map(\.byteCount).max() ?? 0) }
    let names = Set(table.rows.flatMap { $0.candidates.map(\.type) })
    let types = names.sorted { ($0.bitsPerWeight, $0.name) < ($1.bitsPerWeight, $1.name) }.map(\.name)
    let windows = Set((solved.map(\.mix.actual) + known.map(\.actual)).compactMap { $0?.windows }).sorted()
    var facts = [
      (
        "model",
        "\(table.model.name), \(table.model.architecture), \(Figures.grouped(table.model.weights)) weights, \(table.model.fingerprint)"
      ),
      (
        "text",
        "\(table.text.name), xxh64:\(table.text.hash), \(table.text.windows) windows of \(table.text.windowLength) tokens"
      ),
      ("importance matrix", table.importance.map { "\($0.name), xxh64:\($0.hash)" } ?? "none"),
      ("method", table.method.explanation),
      (
        "groups",
        "\(table.rows.count), of \(Figures.bytes(least)) to \(Figures.bytes(most)) of tensors; types \(types.joined(separator: ", "))"
      ),
    ]
    if !windows.isEmpty {
      facts.append(
        (
          "measured on",
          windows.map(String.init).joined(separator: " or ") + " windows that had no part in the choice"
        ))
    }
    facts.append(("made by", "pouch-tune \(table.pouchVersion)"))
    return "<h2>Where the numbers come from</h2>\n<dl>"
      + facts.map { "<dt>\($0.0)</dt><dd>\(HTMLText.escaped($0.1))</dd>" }.joined() + "</dl>\n"
  }

  private var meaning: String {
    """
    <p class="soft">Predicted is the sum of what each group of tensors loses when it alone is quantized, on the text that the mix \
    was tuned on; for small losses these add up. Measured is what the whole file loses on other text. The gap says how much less \
    another mix of these types might lose by the same sums; “none” means that there is none.</p>

    """
  }
}

extension TunedMix.Actual {
  /// The same as charts take it.
  fileprivate var charted: SizeChart.Measured {
    guard let low, let high, low <= high else { return SizeChart.Measured(divergence) }
    return SizeChart.Measured(divergence, low...high)
  }
}

extension SensitivityTable.Method {
  /// What was done, in a sentence.
  var explanation: String {
    switch self {
    case .measured: "measured: each group was quantized alone, and the divergence of the whole model measured"
    case .local: "local: errors of products with real activations, times the gain of their branch"
    case .weights: "weights: errors of weights, weighed by importance data, times the gain of their branch"
    }
  }
}
