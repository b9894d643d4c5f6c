import CommandSupport
import ModelEvaluation
import SVGAnalysis

/// Prints the summary on standard output.
struct TablePrinter {
  let report: RunReport
  let results: SVGResults

  init(_ report: RunReport, _ results: SVGResults) {
    self.report = report
    self.results = results
  }

  var lines: [String] {
    let base = report.models[0]
    var lines = [
      "base       \(base.label), mode \(report.mode), \(base.answers) answers, \(base.failedAnswers) failed a gate"
    ]
    for model in report.models {
      guard let origin = model.answersFrom else { continue }
      lines.append("answers    of \(model.label) from \(origin)")
    }
    lines += [
      "prompts    \(results.prompts.count), xxh64 \(report.promptsXXH64)",
      "versions   \(report.scoreVersion), \(report.rendererVersion)",
      "brackets   "
        + (results.prompts.count > 1
          ? "95 % intervals over prompts"
          : "none: intervals come from the spread between prompts, and there is one"),
      "",
    ]
    lines += forced + paired + truth
    lines += worst
    return lines
  }

  private var forced: [String] {
    var rows: [[String]] = []
    for model in report.models {
      guard let a = model.forced else { continue }
      rows.append([
        model.label, Numbers.interval(a.divergence, 6), Numbers.interval(a.flips, 2, scale: 100),
        a.coordinateError.map { Numbers.interval($0, 3) } ?? "-",
        a.coordinateShift.map { Numbers.interval($0, 3) } ?? "-", a.verdict.rawValue,
      ])
    }
    guard !rows.isEmpty else { return [] }
    let first = report.models.compactMap(\.forced).first
    let error = first?.baseCoordinateError.map { decimals($0.value, 3) } ?? "-"
    return [
      "A: reading the base's answers (\(first?.tokens ?? 0) tokens; the base's own coord-err is \(error) %)"
    ]
      + Self.aligned([["model", "SVG-KLD", "flip %", "coord-err %", "coord-shift %", "verdict"]] + rows) + [
        ""
      ]
  }

  private var paired: [String] {
    var rows: [[String]] = []
    for model in report.models {
      guard let b = model.paired else { continue }
      rows.append([
        model.label, Numbers.interval(b.score, 3), "\(model.failedAnswers) of \(model.answers)",
        "\(b.identical) of \(model.answers)", b.medianAgreement.map { "\($0)" } ?? "-",
        decimals(b.agreement, 3), decimals(b.structure, 3), decimals(b.geometry, 3), decimals(b.raster, 3),
      ])
    }
    guard !rows.isEmpty else { return [] }
    return [
      "B: own drawings against the base's (score and its parts from 0 to 1: 1 is the same drawing; "
        + "agree: median tokens before the first difference)"
    ]
      + Self.aligned(
        [
          [
            "model", "score", "failed a gate", "same tokens", "agree", "agreement", "structure", "geometry",
            "picture",
          ]
        ]
          + rows) + [""]
  }

  private var truth: [String] {
    var rows: [[String]] = []
    for model in report.models {
      guard let c = model.truth else { continue }
      rows.append([
        model.label, "\(c.met) of \(c.assertions)", Numbers.interval(c.share, 1, scale: 100),
        "\(c.solved) of \(c.prompts)", model.kind == .base ? "-" : "\(c.lost), \(c.won)",
        model.kind == .base ? "-" : decimals(c.probability, 3),
      ])
    }
    guard !rows.isEmpty else { return [] }
    return [
      "C: what the prompts ask for, as far as geometry shows it; \(ChecksText.scope(results.prompts))"
    ]
      + Self.aligned([["model", "checks met", "share %", "solved", "lost, won", "McNemar p"]] + rows) + [
        ""
      ]
  }

  private var worst: [String] {
    let order = results.prompts.indices.map { ($0, results.badness(ofPrompt: $0)) }
      .sorted { ($1.1, $0.0) < ($0.1, $1.0) }
    let bad = order.prefix(3).filter { $0.1 > 0 }
    guard !bad.isEmpty else { return [] }
    return ["worst prompts"]
      + bad.map { number, badness in
        "  \(results.prompts[number].id): score \(decimals(1 - badness, 3)): \(results.prompts[number].prompt)"
      }
  }

  /// Columns of equal width, the first to the left.
  static func aligned(_ rows: [[String]]) -> [String] {
    let columns = rows.map(\.count).max() ?? 0
    let widths = (0..<columns).map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      row.enumerated().map { column, text in
        let space = String(repeating: " ", count: widths[column] - text.count)
        return column == 0 || column == row.count - 1 && Double(text) == nil ? text + space : space + text
      }.joined(separator: "  ")
    }.map { line in String(line.reversed().drop { $0 == " " }.reversed()) }
  }
}
