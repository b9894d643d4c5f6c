internal import CheckpointConversion
internal import FileBytes

/// Prints what each rule of a plan did.
struct RulePrinter {
  let rules: [RuleReport]

  /// Prints a table on standard output: a line per rule, and below it where it is written, why, and what fell back.
  func print() {
    let width = min(60, max(20, rules.map(\.rule.commandText.count).max() ?? 0)) + 2
    let hasBase = rules.contains { $0.bytesOverBase != nil }
    Standard.output(
      left("rule", width) + left("type", 8) + right("tensors", 8) + right("weights", 16) + right("bytes", 16)
        + (hasBase ? right("over base", 16) : ""))
    for rule in rules {
      let change = rule.bytesOverBase.map { ($0 > 0 ? "+" : "") + "\($0)" } ?? ""
      let line =
        left(rule.rule.commandText, width) + left(rule.type ?? "as is", 8) + right("\(rule.tensors)", 8)
        + right("\(rule.weights)", 16) + right("\(rule.bytes)", 16) + (hasBase ? right(change, 16) : "")
      Standard.output(String(line.reversed().drop { $0 == " " }.reversed()))
      let about = [rule.place?.commandText, rule.why].compactMap(\.self).joined(separator: ": ")
      if !about.isEmpty { Standard.output("    " + oneLine(about)) }
      guard !rule.fallbacks.isEmpty else { continue }
      let others = rule.fallbacks.count > 3 ? " and \(rule.fallbacks.count - 3) more" : ""
      Standard.output("    fell back: " + oneLine(rule.fallbacks.prefix(3).joined(separator: ", ")) + others)
    }
  }

  private func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(1, width - text.count)) + text
  }
  private func left(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
  }
}
