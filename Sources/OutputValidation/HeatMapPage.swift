#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif
package import FileBytes

/// A validation report as one page of HTML: no script, nothing from the network, readable on paper and in the dark.
package struct HeatMapPage {
  let report: ValidationReport
  private let words: (Setting) -> String

  /// Prepares a page.
  ///
  /// - Parameters:
  ///   - report: What it shows.
  ///   - words: What to write for a setting, such as the flag of a command.
  package init(_ report: ValidationReport, words: @escaping (Setting) -> String = \.description) {
    self.report = report
    self.words = words
  }

  private func escaped(_ text: Wording) -> String { HTMLText.escaped(text.worded(by: words).description) }

  /// Steps of the colour scale.
  private static let steps = 9

  /// The page.
  package var html: String {
    var body = "<h1>\(HTMLText.escaped(fileName))</h1>\n" + summary + findingsTable
    if let against = report.against {
      body += comparisonSection(against)
    } else {
      body +=
        "<h2>Relative error</h2>\n<p>Compare with a source (<code>\(escaped("\(.source)"))</code>) for errors per expert.</p>\n"
    }
    return """
      <!doctype html>
      <html lang="en">
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="color-scheme" content="light dark">
      <title>\(HTMLText.escaped(fileName)): validation</title>
      <style>
      \(Self.style)
      </style>
      \(body)</html>

      """
  }

  private var fileName: String { report.file.split(separator: "/").last.map(String.init) ?? report.file }

  private static let style = """
    :root { --ink: #1b1f24; --paper: #ffffff; --soft: #5b6570; --line: #d5dae0; --bad: #b00020; --good: #1a6b33;
      --c0: #fcf7e6; --c1: #f7e5b0; --c2: #f3cd7c; --c3: #edb054; --c4: #e08e3c; --c5: #c76a30; --c6: #a24a2b;
      --c7: #7a2f27; --c8: #4c171d; --none: #eceff2; }
    @media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --paper: #14171a; --soft: #9aa4ae; --line: #363c43;
      --bad: #ff8a94; --good: #7fd896;
      --c0: #231f1a; --c1: #3d2d1c; --c2: #5a3a1d; --c3: #7c481e; --c4: #a15a21; --c5: #c5742b; --c6: #e0953f;
      --c7: #f2bb66; --c8: #fde7ae; --none: #22272c; } }
    @media print { :root { --ink: #000; --paper: #fff; --soft: #444; --line: #999; --bad: #900; --good: #000;
      --c0: #fcf7e6; --c1: #f7e5b0; --c2: #f3cd7c; --c3: #edb054; --c4: #e08e3c; --c5: #c76a30; --c6: #a24a2b;
      --c7: #7a2f27; --c8: #4c171d; --none: #eceff2; }
      body { margin: 0; } * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
      figure { break-inside: avoid; } h2 { break-after: avoid; } }
    body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
      max-width: 72rem; padding: 0 1rem; }
    h1 { font-size: 1.5rem; margin: 0 0 .5rem; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
    h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; font-weight: 600; }
    p { margin: .4rem 0; } code { font-size: .92em; }
    .bad { color: var(--bad); font-weight: 600; } .good { color: var(--good); font-weight: 600; }
    .soft { color: var(--soft); }
    table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .9rem; }
    th, td { text-align: left; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top;
      overflow-wrap: anywhere; }
    th { color: var(--soft); font-weight: 600; } td.n, th.n { text-align: right; white-space: nowrap; } td.s { white-space: nowrap; }
    dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem; margin: .5rem 0; }
    dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
    figure { margin: .5rem 0 1.2rem; } svg { display: block; width: 100%; height: auto; }
    svg text { fill: var(--soft); font: 10px system-ui, sans-serif; }
    .c0 { fill: var(--c0); } .c1 { fill: var(--c1); } .c2 { fill: var(--c2); } .c3 { fill: var(--c3); }
    .c4 { fill: var(--c4); } .c5 { fill: var(--c5); } .c6 { fill: var(--c6); } .c7 { fill: var(--c7); }
    .c8 { fill: var(--c8); } .none { fill: var(--none); }
    figure path { stroke: var(--line); stroke-width: .5; }
    figure path.mark { fill: none; stroke: var(--bad); stroke-width: 1.5; }
    """

  private var summary: String {
    let errors = report.count(.error)
    var rows: [(String, String)] = [
      ("file", HTMLText.escaped(report.file)),
      (
        "model",
        "\(HTMLText.escaped(report.architecture ?? "unknown")), \(report.tensorCount ?? 0) tensors, \(report.weights ?? 0) weights, "
          + "\(report.fileBytes) bytes"
      ),
    ]
    if let mix = report.mix {
      let deviations =
        mix.deviations.isEmpty
        ? mix.basis == nil ? "as stock" : "as it gives them" : "\(mix.deviations.count) tensors deviate"
      rows.append(("mix", "\(HTMLText.escaped(mix.title)), \(deviations)"))
    }
    if let scan = report.scan { rows.append(("blocks", "\(scan.blocks) checked")) }
    if let against = report.against {
      rows.append(("source", HTMLText.escaped(against.source)))
      rows.append(
        (
          "verdict",
          "\(against.verdict.rawValue); \(against.exactTensors) of \(against.comparedTensors) tensors exact, "
            + "relative error \(figures(against.relativeError))"
        ))
    }
    let verdict =
      errors == 0
      ? "<p class=\"good\">Sound</p>\n"
      : "<p class=\"bad\">Not sound: \(errors) error\(errors == 1 ? "" : "s")</p>\n"
    return verdict + "<dl>" + rows.map { "<dt>\($0.0)</dt><dd>\($0.1)</dd>" }.joined() + "</dl>\n"
  }

  private var findingsTable: String {
    guard !report.findings.isEmpty else { return "" }
    let rows = report.findings.prefix(200).map { finding in
      "<tr><td class=\"s \(finding.severity == .error ? "bad" : "soft")\">\(finding.severity.rawValue)</td>"
        + "<td>\(finding.kind.rawValue)</td><td>\(escaped(finding.location))</td>"
        + "<td>\(escaped(finding.found))<br><span class=\"soft\">expected \(escaped(finding.expected))</span></td></tr>\n"
    }
    return "<h2>Findings</h2>\n<table><tr><th></th><th>kind</th><th>where</th><th>found</th></tr>\n"
      + rows.joined()
      + "</table>\n"
  }

  private func comparisonSection(_ against: SourceComparison) -> String {
    var text = heatMaps(against)
    let rows = against.tensors.prefix(60).map { tensor in
      "<tr><td>\(HTMLText.escaped(tensor.name))</td><td class=\"s\">\(tensor.type)</td>"
        + "<td class=\"\(tensor.verdict == .notFromSource || tensor.verdict == .damaged ? "bad" : "")\">"
        + "\(tensor.verdict.rawValue)</td><td class=\"n\">\(figures(tensor.relativeError))</td>"
        + "<td class=\"n\">\(figures(tensor.requantizedError))</td><td class=\"n\">\(figures(tensor.rmse))</td>"
        + "<td class=\"n\">\(cosineText(tensor.cosine))</td><td>\(HTMLText.escaped(tensor.worstBlock))</td></tr>\n"
    }
    text += "<h2>Tensors, worst first</h2>\n"
    if against.tensors.count > rows.count {
      text += "<p class=\"soft\">The first \(rows.count) of \(against.tensors.count).</p>\n"
    }
    return text + "<table><tr><th>tensor</th><th>type</th><th>verdict</th><th class=\"n\">relative error</th>"
      + "<th class=\"n\">of quantizing</th><th class=\"n\">RMSE</th><th class=\"n\">1 − cosine</th><th>worst block</th></tr>\n"
      + rows.joined() + "</table>\n"
  }

  private func cosineText(_ cosine: Double) -> String { figures(max(0, 1 - cosine)) }

  /// One map for each kind of expert tensor: a row per layer, a column per expert.
  private func heatMaps(_ against: SourceComparison) -> String {
    var kinds: [String: [Int: [SourceComparison.Expert]]] = [:]
    for tensor in against.tensors where !tensor.experts.isEmpty {
      let parts = tensor.name.split(separator: ".", maxSplits: 2)
      guard parts.count == 3, let layer = Int(parts[1]) else { continue }
      kinds[String(parts[2]), default: [:]][layer] = tensor.experts
    }
    let errors = kinds.values.flatMap { $0.values.flatMap { $0.map(\.relativeError) } }.filter {
      $0.isFinite && $0 > 0
    }
    guard !kinds.isEmpty else {
      return "<h2>Relative error</h2>\n<p>The model has no experts; see the table of tensors.</p>\n"
    }
    let scale = ColourScale(errors: errors, steps: Self.steps)
    var text = "<h2>Relative error, layer × expert</h2>\n" + legend(scale)
    for (kind, layers) in kinds.sorted(by: { $0.key < $1.key }) {
      text += "<h3>\(HTMLText.escaped(kind))</h3>\n" + map(layers, scale: scale)
    }
    return text
  }

  private func legend(_ scale: ColourScale) -> String {
    let width = 60
    var svg =
      "<figure><svg viewBox=\"0 0 \(Self.steps * width + 20) 34\" style=\"max-width: \(Self.steps * width + 20)px\" "
      + "role=\"img\" aria-label=\"colour scale\">"
    for step in 0..<Self.steps {
      svg +=
        "<rect class=\"c\(step)\" x=\"\(step * width)\" y=\"0\" width=\"\(width)\" height=\"16\"/>"
        + "<text x=\"\(step * width)\" y=\"29\">\(figures(scale.lowerBound(step)))</text>"
    }
    return svg + "</svg></figure>\n<p class=\"soft\">√(Σ(w − source)² / Σ source²) of each expert's matrix; "
      + "rows are layers, columns are experts. Outlined: not from this source, or damaged.</p>\n"
  }

  private func map(_ layers: [Int: [SourceComparison.Expert]], scale: ColourScale) -> String {
    let order = layers.keys.sorted()
    let columns = layers.values.map(\.count).max() ?? 0
    let cell = columns > 128 ? 8 : columns > 48 ? 12 : 22
    let left = 34
    let top = 16
    let (width, height) = (left + columns * cell + 4, top + order.count * cell + 4)
    // One path per colour keeps pages of large models small.
    var paths = [String](repeating: "", count: Self.steps)
    var marks = ""
    var labels = ""
    let labelStep = max(1, 14 / cell + (cell < 14 ? 1 : 0))
    for (line, layer) in order.enumerated() {
      let y = top + line * cell
      if line % labelStep == 0 {
        labels += "<text x=\"\(left - 5)\" y=\"\(y + cell / 2 + 4)\" text-anchor=\"end\">\(layer)</text>"
      }
      for expert in layers[layer] ?? [] {
        let x = left + expert.expert * cell
        paths[scale.step(expert.relativeError)] += "M\(x) \(y)h\(cell - 1)v\(cell - 1)h-\(cell - 1)z"
        if expert.verdict == .notFromSource || expert.verdict == .damaged {
          marks += "M\(x) \(y)h\(cell - 1)v\(cell - 1)h-\(cell - 1)z"
        }
      }
    }
    let columnStep = columns > 128 ? 16 : columns > 48 ? 8 : columns > 16 ? 4 : 1
    for column in stride(from: 0, to: columns, by: columnStep) {
      labels +=
        "<text x=\"\(left + column * cell + cell / 2)\" y=\"11\" text-anchor=\"middle\">\(column)</text>"
    }
    let drawn = paths.enumerated().filter { !$0.element.isEmpty }.map {
      "<path class=\"c\($0.offset)\" d=\"\($0.element)\"/>"
    }
    return
      "<figure><svg viewBox=\"0 0 \(width) \(height)\" style=\"max-width: \(max(width, 320))px\" role=\"img\" "
      + "aria-label=\"relative error by layer (rows) and expert (columns)\">\(labels)\(drawn.joined())"
      + (marks.isEmpty ? "" : "<path class=\"mark\" d=\"\(marks)\"/>") + "</svg></figure>\n"
  }
}

/// Steps between the smallest and the largest error, equal in ratio.
private struct ColourScale {
  let low: Double
  let ratio: Double
  let steps: Int

  init(errors: [Double], steps: Int) {
    let smallest = errors.min() ?? 0.01
    let largest = max(errors.max() ?? 0.1, smallest * 1.2)
    low = smallest
    self.steps = steps
    ratio = power(largest / smallest, 1 / Double(steps))
  }

  func lowerBound(_ step: Int) -> Double { low * power(ratio, Double(step)) }

  func step(_ error: Double) -> Int {
    guard error.isFinite else { return steps - 1 }
    var step = 0
    while step < steps - 1, error >= lowerBound(step + 1) { step += 1 }
    return step
  }
}

private func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }
