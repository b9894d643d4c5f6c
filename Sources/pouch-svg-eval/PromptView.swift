import CommandSupport
import ModelEvaluation
import SVGAnalysis

/// One prompt with its drawings, for the page.
struct PromptView {
  /// The most characters of a source that are shown.
  private static let sourceLimit = 6_000

  private let report: RunReport
  private let results: SVGResults
  private let number: Int

  init(_ report: RunReport, _ results: SVGResults, _ number: Int) {
    self.report = report
    self.results = results
    self.number = number
  }

  private var prompt: DrawingPrompt { results.prompts[number] }

  /// Contestants that have a drawing, or an attempt at one.
  private var columns: [(index: Int, summary: SVGSummary, cell: SVGCell)] {
    results.cells.indices.compactMap { index in
      guard let cell = results.cells[index][number] else { return nil }
      // The noise floor is the base once more; where it draws the same it would only fill the card.
      if results.summaries[index].kind == .floor, cell.isIdentical { return nil }
      return (index, results.summaries[index], cell)
    }
  }

  var content: [String: Any] {
    var cells = columns.map { figure($0.index, $0.summary, $0.cell) }
    if let reference = prompt.reference, let clean = try? SanitizedSVG(source: reference) {
      cells.insert(
        [
          "kind": "reference", "label": "reference", "index": "reference",
          "svg": markup(clean, "ref", "reference"),
        ],
        at: min(1, cells.count))
    }
    return [
      "id": prompt.id, "prompt": prompt.prompt, "cells": cells, "hasAssertions": !prompt.assertions.isEmpty,
      "columns": columns.map(\.summary.label), "assertions": assertionRows,
      "sources": columns.filter { !$0.cell.isIdentical || $0.index == 0 }.map { source($0.summary, $0.cell) },
    ]
  }

  private func markup(_ clean: SanitizedSVG, _ column: String, _ label: String) -> String {
    var options = SanitizedSVG.WritingOptions()
    options.idPrefix = "d\(number)-\(column)-"
    options.rootAttributes = [
      SVGAttribute("aria-label", "\(prompt.prompt) Drawn by \(label)."), SVGAttribute("role", "img"),
    ]
    return clean.text(options)
  }

  private func figure(_ index: Int, _ summary: SVGSummary, _ cell: SVGCell) -> [String: Any] {
    let analysis = cell.analysis
    var figure: [String: Any] = [
      "kind": summary.kind.rawValue, "label": summary.label, "index": index,
    ]
    // A drawing whose geometry is out of bounds would be as much work for the browser.
    if analysis.drawing != nil, let clean = analysis.sanitized {
      figure["svg"] = markup(clean, "\(index)", summary.label)
    } else {
      figure["problem"] = analysis.problem
    }
    var details: [String] = []
    if summary.kind == .base {
      figure["headline"] = "the base"
      figure["tone"] = "soft"
    } else if cell.isIdentical {
      figure["headline"] = "= base"
      figure["tone"] = "soft"
    } else if let pair = cell.pair {
      figure["headline"] = decimals(pair.total, 3)
      figure["tone"] = pair.total > 0.95 ? "good" : pair.total > 0.7 ? "fair" : "bad"
      if pair.failedGates.isEmpty {
        details.append(
          "structure \(decimals(pair.structure, 2)), geometry \(decimals(pair.geometry, 2)), "
            + "picture \(decimals(pair.raster, 2))")
      }
    }
    if let agreeing = cell.agreeingTokens, !cell.isIdentical {
      details.append("differs from token \(agreeing + 1)")
    }
    if !cell.met.isEmpty { details.append(ChecksText.met(cell.met, prompt.assertions)) }
    if !details.isEmpty { figure["detail"] = details.joined(separator: "; ") }
    if !analysis.failedGates.isEmpty {
      figure["failed"] = "not " + analysis.failedGates.map(Self.name).joined(separator: ", ")
    }
    let removals = analysis.sanitized?.removals ?? []
    if !removals.isEmpty {
      figure["removed"] =
        removals.prefix(6).map(\.subject).joined(separator: ", ") + (removals.count > 6 ? ", …" : "")
    }
    return figure
  }

  private static func name(_ gate: DrawingGate) -> String {
    gate == .wellFormed ? "well-formed" : gate.rawValue
  }

  private var assertionRows: [[String: Any]] {
    prompt.assertions.enumerated().map { index, assertion in
      let marks = columns.map { column -> [String: Any] in
        let isMet = column.cell.met.indices.contains(index) && column.cell.met[index]
        return ["mark": isMet ? "yes" : "no", "tone": isMet ? "good" : "bad"]
      }
      return ["text": assertion.summary, "marks": marks]
    }
  }

  private func source(_ summary: SVGSummary, _ cell: SVGCell) -> [String: Any] {
    let bytes = Array(cell.analysis.answer.utf8.prefix(Self.sourceLimit))
    var row: [String: Any] = ["label": summary.label]
    let isCut = cell.analysis.answer.utf8.count > Self.sourceLimit
    let rest = isCut ? " … (\(cell.analysis.answer.utf8.count) bytes)" : ""
    guard let start = cell.agreeingBytes, summary.kind != .base, start <= bytes.count else {
      row["before"] = String(decoding: bytes, as: UTF8.self) + rest
      return row
    }
    let end = min(start + cell.divergingBytes, bytes.count)
    row["before"] = String(decoding: bytes[..<start], as: UTF8.self)
    row["marked"] = end > start ? String(decoding: bytes[start..<end], as: UTF8.self) : "(ends here)"
    row["after"] = String(decoding: bytes[end...], as: UTF8.self) + rest
    if let tokens = cell.agreeingTokens { row["note"] = "\(tokens) tokens agree" }
    return row
  }
}
