import CommandSupport
import ImportanceData
import ModelEvaluation

/// Prints which experts a text reached.
struct ReportPrinter {
  let command: Command
  let file: ImportanceFile
  let report: ExpertReport
  let perplexity: PerplexityStatistics
  let seconds: Double

  private struct Result: Encodable {
    /// The file written.
    var output: String
    /// gguf or dat.
    var format: String
    /// Tensors with data.
    var entries: Int
    /// Windows in the data.
    var windows: Int
    /// Tokens per window.
    var windowLength: Int
    /// The texts.
    var datasets: [String]
    /// exact or fast.
    var mode: String
    /// The perplexity of the text, measured along the way.
    var perplexity: Estimate?
    /// What the text reached of each layer's experts.
    var experts: ExpertReport
    /// Seconds that the run took.
    var seconds: Double
  }

  func print() throws {
    let hasPerplexity = perplexity.tokenCount > 0
    if command.json {
      try JSONSchema.importance.print(
        Result(
          output: command.output, format: command.outputFormat.rawValue, entries: file.records.count,
          windows: file.chunkCount, windowLength: file.chunkSize, datasets: file.datasets,
          mode: command.mode.rawValue,
          perplexity: hasPerplexity ? perplexity.estimate : nil,
          experts: report, seconds: seconds))
      return
    }
    for line in table { Standard.output(line) }
    if let first = report.emptyTensors.first {
      let others = report.emptyTensors.count > 1 ? " and \(report.emptyTensors.count - 1) more" : ""
      Standard.output("\(first)\(others): no tokens, or an importance of zero in every column")
    }
    Standard.error(
      "\(command.output): \(file.records.count) entries, \(file.chunkCount) windows; \(decimals(seconds, 1)) s"
    )
  }

  private var table: [String] {
    guard !report.layers.isEmpty else { return [] }
    func right(_ text: String, _ width: Int) -> String {
      String(repeating: " ", count: max(0, width - text.count)) + text
    }
    let unit = report.layers.contains { $0.tokenCount == nil } ? "uses" : "tokens"
    var lines = [
      "layer  experts  blind   thin  tokens     least  median    most (share of \(unit) per expert)"
    ]
    for layer in report.layers {
      let shares = layer.shares.sorted()
      func percent(_ share: Double?) -> String { right(decimals(100 * (share ?? 0), 2), 6) + " %" }
      var line = right("\(layer.layer)", 5) + right("\(layer.expertCount)", 9)
      line += right("\(layer.blind.count)", 7) + right("\(layer.thin.count)", 7)
      line += right(layer.tokenCount.map { "\($0)" } ?? "?", 8) + "  " + percent(shares.first)
      line += percent(shares[shares.count / 2]) + percent(shares.last)
      if !layer.blind.isEmpty {
        line += "  blind: " + LayerCoverage.list(layer.blind)
      }
      lines.append(line)
    }
    let blind = report.layers.reduce(0) { $0 + $1.blind.count }
    let thin = report.layers.reduce(0) { $0 + $1.thin.count }
    let all = report.layers.reduce(0) { $0 + $1.expertCount }
    lines.append(
      "\(blind) of \(all) experts are blind (no tokens, or an importance of zero; --blind-experts says what the quantizer does), \(thin) are thin (fewer than "
        + "\(report.threshold) tokens)")
    return lines
  }
}
