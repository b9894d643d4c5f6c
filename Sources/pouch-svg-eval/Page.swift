import CommandSupport
import ModelEvaluation
import Mustache
import SVGAnalysis

/// The page with all drawings side by side.
struct Page {
  private let report: RunReport
  private let results: SVGResults

  init(_ report: RunReport, _ results: SVGResults) {
    self.report = report
    self.results = results
  }

  /// The page as HTML, complete in itself.
  func html() throws -> String {
    let template = try MustacheTemplate(string: PageTemplate.text)
    return template.render(content)
  }

  private var content: [String: Any] {
    let order = results.prompts.indices.map { ($0, results.badness(ofPrompt: $0)) }
      .sorted { ($1.1, $0.0) < ($0.1, $1.0) }.map(\.0)
    let choices = PageChoices(results, order: order)
    let places = choices.places
    var content: [String: Any] = [
      "style": DrawingStyle.text + choices.style + summary.style, "answer": PageAnswer(report.models).text,
      "sizes": SizeFigure(report.models).html, "choices": choices.groups, "orderings": summary.buttons,
      "isOrdered": summary.buttons.count > 1, "tables": summary.tables, "base": report.models[0].label,
      "promptCount": report.prompts.count,
      "mode": report.mode, "score": report.scoreVersion, "renderer": report.rendererVersion,
      "hash": report.promptsXXH64, "tokenLimit": report.tokenLimit, "temperature": report.temperature,
      "seed": report.seed, "scope": ChecksText.scope(results.prompts),
      "isSingle": results.prompts.count == 1,
      "charts": charts.map(chartRow), "hasCharts": !charts.isEmpty,
      "columns": Self.columnNames, "thresholds": thresholds,
      "prompts": order.map { number in
        PromptView(report, results, number).content.merging([
          "classes": choices.classes(number), "places": places[number] ?? "",
        ]) { $1 }
      },
      "contents": order.map(contentsRow),
    ]
    if report.samples > 0 { content["samples"] = report.samples }
    if let origin = report.models[0].answersFrom { content["origin"] = origin }
    let forced = report.models.compactMap(\.forced)
    content["baseError"] = forced.first?.baseCoordinateError.map { Numbers.value($0, 3) } ?? "0"
    content["hasClasses"] = !forced.isEmpty
    if let first = forced.first {
      let kinds = SVGTokenClass.allCases.filter { first.classes[$0] != nil }
      content["classNames"] = kinds.map { kind -> [String: Any] in
        ["name": Self.name(of: kind), "count": first.classes[kind]?.tokens ?? 0]
      }
      content["classRows"] = report.models.compactMap { model -> [String: Any]? in
        guard let forced = model.forced else { return nil }
        let cells = kinds.map { kind -> [String: Any] in
          guard let numbers = forced.classes[kind] else { return ["value": "–", "range": ""] }
          return [
            "value": Numbers.value(numbers.divergence, 6),
            "range": decimals(100 * numbers.flips.value, 2) + " % flipped",
          ]
        }
        return ["label": model.label, "cells": cells]
      }
    }
    return content
  }

  /// The summary in several orders, each a table of its own.
  private var summary: (buttons: [[String: Any]], tables: [[String: Any]], style: String) {
    let rows = report.models.map(modelRow)
    func order(_ value: (SVGSummary) -> Double?) -> [Int] {
      let keys = report.models.map { $0.kind == .base ? -.infinity : value($0) ?? .infinity }
      return keys.indices.sorted { (keys[$0], $0) < (keys[$1], $1) }
    }
    var orders: [(name: String, rows: [Int])] = [("as given", Array(rows.indices))]
    let tested = report.models.count { $0.kind == .tested || $0.kind == .included }
    if tested > 1 {
      if report.models.contains(where: { $0.forced != nil }) {
        orders.append(("SVG-KLD", order { $0.forced?.divergence.value }))
        orders.append(("size", order { $0.kind == .floor ? nil : $0.modelBytes.map(Double.init) }))
      }
      orders.append(("score", order { $0.paired.map { -$0.score.value } }))
    }
    var style = "\n.by:not(.by-0){display:none}"
    for index in orders.indices.dropFirst() {
      style += "body:has(#choose-by-\(index):checked) .by-0{display:none}"
      style += "body:has(#choose-by-\(index):checked) .by-\(index){display:block}"
    }
    return (
      orders.enumerated().map { ["index": $0, "text": $1.name, "checked": $0 == 0] },
      orders.enumerated().map { index, order in ["index": index, "models": order.rows.map { rows[$0] }] },
      style
    )
  }

  private static func name(of kind: SVGTokenClass) -> String {
    switch kind {
    case .markup: "tags and names"
    case .number: "numbers"
    case .colour: "colours"
    case .pathCommand: "path commands"
    case .text: "text"
    }
  }

  private var thresholds: String {
    SVGVerdict.thresholds.map {
      "\($0.verdict.rawValue) up to \($0.divergence) nats, \(decimals(100 * $0.flips, 1)) % flips, \($0.shift) % shift"
    }.joined(separator: "; ") + "; broken beyond"
  }

  /// The CSS class of a verdict.
  private static func tone(_ verdict: SVGVerdict) -> String {
    switch verdict {
    case .notDistinguishable, .small: "good"
    case .visible: "fair"
    case .broken: "bad"
    }
  }

  /// The columns of the summary after name and verdict.
  private static let columnNames = [
    "SVG-KLD (A)", "Flipped tokens, % (A)", "Coordinate shift, % (A)", "Coordinate error, % (A)",
    "Same tokens (B)", "Score (B)", "Failed a gate", "Checks met (C)", "McNemar p",
  ]

  /// The line of a prompt in the contents: the worst score of a tested model.
  private func contentsRow(_ number: Int) -> [String: Any] {
    ["id": results.prompts[number].id, "score": decimals(1 - results.badness(ofPrompt: number), 3)]
  }

  private func modelRow(_ model: SVGSummary) -> [String: Any] {
    func cell(_ estimate: Estimate?, _ places: Int, _ scale: Double = 1) -> [String: Any] {
      guard let estimate else { return ["value": "–", "range": ""] }
      return [
        "value": Numbers.value(estimate, places, scale: scale),
        "range": Numbers.range(estimate, places, scale: scale, separator: " – "),
      ]
    }
    func plain(_ value: String, _ range: String = "") -> [String: Any] { ["value": value, "range": range] }
    let (a, b, c) = (model.forced, model.paired, model.truth)
    var row: [String: Any] = ["label": model.label]
    switch model.kind {
    case .base: row["role"] = "base"
    case .included: row["role"] = "drawings"
    case .floor, .tested: row["role"] = ""
    }
    if let a {
      row["verdict"] = model.kind == .floor ? "noise floor" : a.verdict.rawValue
      row["tone"] = Self.tone(a.verdict)
    }
    let same = b.flatMap { $0.medianAgreement == nil ? nil : plain("\($0.identical) of \(model.answers)") }
    let cells = [
      cell(a?.divergence, 6), cell(a?.flips, 2, 100), cell(a?.coordinateShift, 3),
      cell(a?.coordinateError, 3),
      same ?? plain("–"), cell(b?.score, 3), plain("\(model.failedAnswers) of \(model.answers)"),
      c.map { plain("\($0.met) of \($0.assertions)", "\($0.solved) of \($0.prompts) solved") } ?? plain("–"),
      model.kind == .base
        ? plain("–")
        : c.map { plain(decimals($0.probability, 3), "\($0.lost) lost, \($0.won) won") } ?? plain("–"),
    ]
    row["numbers"] = zip(Self.columnNames, cells).map { name, cell in
      cell.merging(["name": name]) { own, _ in own }
    }
    return row
  }

  private var charts: [Chart] {
    func rows(_ value: (SVGSummary) -> Estimate?) -> [(label: String, estimate: Estimate)] {
      report.models.compactMap { model in value(model).map { (model.label, $0) } }
    }
    return [
      Chart(
        title: "SVG-KLD", note: "nats per token, logarithmic; left is better", isLogarithmic: true, places: 6,
        rows: rows { $0.forced?.divergence }),
      Chart(
        title: "Coordinate shift", note: "% of the viewBox, logarithmic; left is better", isLogarithmic: true,
        places: 3, rows: rows { $0.forced?.coordinateShift }),
      Chart(
        title: "Likeness of drawings (B)", note: "0 to 1; right is better", isLogarithmic: false, places: 3,
        rows: rows { $0.paired?.score }),
    ].filter { !$0.rows.isEmpty }
  }

  private func chartRow(_ chart: Chart) -> [String: Any] {
    ["title": chart.title, "note": chart.note, "svg": chart.svg]
  }
}
