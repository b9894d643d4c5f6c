import CommandSupport
import ImportanceData
import ModelEvaluation

/// Prints the statistics of an importance file, in the table of `llama-imatrix --show-statistics`.
struct StatisticsPrinter {
  let path: String
  let json: Bool

  /// Prints them on standard output.
  func print() throws {
    let statistics = ImportanceStatistics(try ImportanceFile(path: path))
    if json {
      try JSONSchema.importanceStatistics.print(statistics)
      return
    }
    Standard.output("\nComputing statistics for \(path) (\(statistics.tensors.count) tensors)\n")
    Standard.output(
      [
        " Layer", "       Tensor", "          Σ(Act²)", "  Min", "            Max", "           μ", "   σ",
        " % Active", "N", "   Entropy", "E (norm)", "ZD", "  CosSim",
      ].joined(separator: "\t"))
    Standard.output(String(repeating: "=", count: 169))
    for tensor in statistics.tensors { Standard.output(line(tensor)) }
    Standard.output("\nComputing weighted average statistics per layer (\(statistics.layers.count) layers)\n")
    Standard.output(["  Layer", "     μΣ(Act²)", "      μZD", "μCosSim"].joined(separator: "\t"))
    Standard.output(String(repeating: "=", count: 48))
    for layer in statistics.layers {
      Standard.output(
        [
          right("\(layer.layer)", 5), number(layer.total, 2, 14),
          number(100 * layer.zScoreShare, 4, 10) + "%",
          number(layer.cosineToPrevious, 4, 6),
        ].joined(separator: "\t"))
    }
    Standard.output("")
  }

  private func line(_ tensor: ImportanceStatistics.Tensor) -> String {
    let layer = right(tensor.layer.map { "\($0)" } ?? "-", 5)
    let part = tensor.part + String(repeating: " ", count: max(0, 20 - tensor.part.utf8.count))
    return [
      layer, part, number(tensor.total, 2, 10), number(tensor.least, 4, 8), number(tensor.most, 4, 11),
      number(tensor.mean, 2, 6), number(tensor.deviation, 2, 6), number(tensor.active * 100, 2, 8) + "%",
      right("\(tensor.elements)", 6), number(tensor.entropy, 4, 10),
      number(100 * tensor.normalizedEntropy, 2, 6) + "%", number(100 * tensor.zScoreShare, 2, 10) + "%",
      number(tensor.cosineToPrevious, 4, 8),
    ].joined(separator: "\t")
  }

  private func number(_ value: Float, _ places: Int, _ width: Int) -> String {
    right(decimals(Double(value), places), width)
  }

  private func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }
}
