package import CheckpointConversion
internal import FileBytes
internal import ImportanceData
internal import QuantRecipes
internal import TensorTypes

/// Prints plans for people.
package struct PlanPrinter {
  /// What is printed.
  package let plan: ConversionPlan

  /// Creates a printer.
  package init(plan: ConversionPlan) { self.plan = plan }

  /// Prints skipped tensors and notices on standard error; what is not true of all plans, with the name of the plan.
  package static func printNotices(_ plans: [ConversionPlan]) {
    let lines = plans.map { PlanPrinter(plan: $0).noticeLines }
    var counts: [String: Int] = [:]
    for line in lines.flatMap(Set.init) { counts[line, default: 0] += 1 }
    for (index, plan) in plans.enumerated() {
      for line in lines[index] {
        if counts[line] != plans.count {
          Standard.error("\(oneLine(plan.mixName)): \(line)")
        } else if index == 0 {
          Standard.error(line)
        }
      }
    }
  }

  /// What there is to say before a run.
  private var noticeLines: [String] {
    var lines: [String] = []
    var reasons: [String: [String]] = [:]
    for tensor in plan.skipped { reasons[tensor.reason, default: []].append(tensor.name) }
    for (reason, names) in reasons.sorted(by: { $0.key < $1.key }) {
      let first = names.first ?? ""
      let others = names.count > 1 ? " and \(names.count - 1) more" : ""
      lines.append("skipped: \(first)\(others): \(reason)")
    }
    lines += (plan.remarks + plan.advice).map { "note: \($0)" }
    if let line = plan.importance?.sharedLine { lines.append("shared: \(line)") }
    let shown = plan.notices.prefix(20)
    lines += shown.map { "note: \($0.line.commandText)" }
    if plan.notices.count > shown.count {
      lines.append("note: and \(plan.notices.count - shown.count) more; --dry-run --json lists all")
    }
    lines += (plan.importance?.lines ?? []).map { "note: \($0)" }
    return lines.map(oneLine)
  }

  /// Prints one line on what is about to happen.
  package func printIntent() {
    let names =
      plan.folder?.path ?? (plan.files.count == 1 ? plan.files[0].path : "\(plan.files.count) shards")
    Standard.error(
      "\(plan.architecture), \(plan.tensors.count) tensors, \(ByteSize.text(plan.sourceByteCount)) -> "
        + "\(plan.mixName), \(ByteSize.text(plan.fileByteCount)): \(names)")
  }

  /// Prints the plan on standard output.
  ///
  /// - Parameter everyTensor: Whether all tensors are listed, besides the sums.
  package func printPlan(everyTensor: Bool) {
    let report = PlanReport(plan)
    if everyTensor {
      for (index, tensor) in plan.tensors.enumerated() {
        Standard.output(Self.line(index: index, count: plan.tensors.count, tensor: tensor))
      }
    }
    Standard.output("architecture  \(report.architecture)")
    if let recipe = plan.recipe {
      let bases = recipe.origins.dropFirst().map { " on \($0.name)" }.joined()
      Standard.output("recipe        \(recipe.name)\(bases)")
    } else {
      Standard.output("\(plan.folder == nil ? "mix   " : "format")        \(report.mix)")
    }
    for file in plan.files { Standard.output("output        \(file.path)  \(file.byteCount) bytes") }
    Standard.output(
      "tensors       \(plan.tensors.count), \(report.tensorBytes) bytes, \(decimals(report.bitsPerWeight, 3)) bits "
        + "per weight; before: \(report.sourceBytes) bytes")
    if let importance = plan.importance {
      Standard.output(
        oneLine(
          "imatrix       \(importance.file)  \(importance.entries) entries; blind experts: "
            + "\(importance.blindExperts.rawValue), \(importance.blindCount) blind, \(importance.thinCount) thin"
            + (importance.shared.isEmpty
              ? "" : "; \(importance.shared.count) tensors share the data of others")
        ))
    }
    Standard.output("")
    RulePrinter(rules: plan.rules).print()
    Standard.output("")
    Self.printTotals("type", report.byType)
    Standard.output("")
    Self.printTotals("role", report.byRole)
  }

  /// Prints sums as a table on standard output.
  package static func printTotals(_ title: String, _ totals: [PlanReport.Total]) {
    func right(_ text: String, _ width: Int) -> String {
      String(repeating: " ", count: max(0, width - text.count)) + text
    }
    func left(_ text: String, _ width: Int) -> String {
      text + String(repeating: " ", count: max(0, width - text.count))
    }
    Standard.output(left(title, 24) + right("tensors", 8) + right("weights", 18) + right("bytes", 18))
    for total in totals {
      Standard.output(
        left(total.name, 24) + right("\(total.tensors)", 8) + right("\(total.weights)", 18)
          + right("\(total.bytes)", 18))
    }
  }

  /// The line that llama-quantize prints for a tensor; other tools parse `[n/m]` at its start.
  package static func line(index: Int, count: Int, tensor: PlannedTensor) -> String {
    func right(_ number: Int) -> String {
      let text = "\(number)"
      return String(repeating: " ", count: max(0, 4 - text.count)) + text
    }
    let shape = tensor.ggmlShape.map(String.init).joined(separator: ", ")
    let name = tensor.name + String(repeating: " ", count: max(0, 36 - tensor.name.count))
    let start =
      "[\(right(index + 1))/\(right(count))] \(name) - [\(shape)], type = \(tensor.sourceType.name), "
    if tensor.type == tensor.sourceType, tensor.groups == nil {
      return start + "size = \(ByteSize.mebibytes(tensor.byteCount))"
    }
    return start
      + "converting to \(tensor.typeName) .. size = \(ByteSize.mebibytes(tensor.sourceByteCount)) -> "
      + ByteSize.mebibytes(tensor.byteCount)
  }
}
