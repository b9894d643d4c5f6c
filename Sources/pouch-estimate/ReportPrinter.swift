import CheckpointConversion
import CommandSupport
import MemoryEstimation

/// Prints an estimate for people: the verdict first.
struct ReportPrinter {
  let report: EstimateReport
  let explains: Bool
  let inMiB: Bool
  let showsTotals: Bool

  func print() {
    for (index, output) in report.outputs.enumerated() {
      if index > 0 { Standard.output("") }
      printVerdict(output)
      printFile(output)
      printMemory(output)
      printRest(output)
      if showsTotals {
        Standard.output("")
        PlanPrinter.printTotals("type", output.byType)
        Standard.output("")
        PlanPrinter.printTotals("role", output.byRole)
      }
      for notice in output.notices.prefix(10) { Standard.error("note: \(notice.commandText)") }
      if output.notices.count > 10 {
        Standard.error("note: and \(output.notices.count - 10) more; see --json")
      }
    }
    if let measuring = report.measuring {
      Standard.output("")
      MeasuringPrinter(report: measuring, size: size).lines.forEach(Standard.output)
    }
    printTable()
  }

  // MARK: Verdict

  private func printVerdict(_ output: EstimateReport.Output) {
    Standard.output("\(report.source)  \(report.architecture), \(output.mix)")
    let own = report.modelContextLength ?? 0
    let beyond = own > 0 && report.contextLength > own ? ", beyond the \(own) tokens it was made for" : ""
    for fit in output.fits {
      let machine = fit.machine
      let name = machine.name == "memory" ? size(machine.installedBytes) : machine.name
      let verdict =
        fit.fits
        ? "YES, \(size(fit.neededBytes)) of \(size(machine.availableBytes))" + beyond
        : "NO, \(size(-fit.marginBytes)) too much"
      Standard.output(
        "  fits \(name) at \(report.contextLength) tokens with \(fit.engine.rawValue): \(verdict)")
      let largest = fit.largestContext.map {
        "largest context: \($0) tokens" + (fit.isLimitedByModel ? " (its own)" : "")
      }
      let best = report.bestMixes.first { $0.engine == fit.engine }
      let mix = best?.mix.map { mix in
        let longest = best?.largestContext.map { ", up to \($0) tokens" } ?? ""
        return "best mix here: \(mix)\(best?.isRecipe == true ? " (a recipe)" : ""), "
          + "\(size(best?.bytes ?? 0))\(longest)"
      }
      Standard.output("    \(largest ?? "no context fits")")
      Standard.output("    \(mix ?? "no common mix fits here")")
    }
    for line in output.advice { Standard.output("  \(line.commandText)") }
    if let machine = output.fits.first?.machine, machine.reservedBytes > 0 {
      Standard.output("  \(size(machine.reservedBytes)) of \(size(machine.installedBytes)) kept back:")
      Standard.output("    \(machine.rule)")
    }
    Standard.output("")
  }

  // MARK: File

  private func printFile(_ output: EstimateReport.Output) {
    let file = output.fileBytesRange
    if file.isExact {
      row("file", "\(file.lowest) bytes, \(size(file.lowest)), exact")
    } else {
      row(
        "file",
        "\(interval(file)): tensors exact; unknown: "
          + output.unknown.map(\.rawValue).joined(separator: ", "))
    }
    if explains { explainFile(output) }
    if let without = output.fileBytesRangeWithoutNextToken {
      let text =
        without.isExact ? "\(without.lowest) bytes, \(size(without.lowest))" : interval(without)
      row("", "\(text) with --no-mtp (no next-token block)")
    }
    row(
      "tensors",
      "\(output.tensorBytes) bytes, \(decimals(output.bitsPerWeight, 3)) bits per weight")
    var parameters = Self.count(output.parameters)
    if output.activeParameters != output.parameters {
      parameters += ", \(Self.count(output.activeParameters)) active per token"
    }
    row("parameters", parameters)
    let own = report.modelContextLength.map { ", made for \($0) tokens" } ?? ""
    row("layers", "\(report.layers), \(report.attentionLayers) with a KV cache\(own)")
    row("known from", report.basis)
  }

  private func explainFile(_ output: EstimateReport.Output) {
    for part in output.unknown {
      switch part {
      case .tokenizer:
        row("", "tokenizer: 20 to 64 bytes for each row of the vocabulary,")
        row("", "up to 64 KiB for template and names; --tokenizer DIR makes it exact")
      case .shardNames:
        row("", "shard names: 1 to 16 shards and one more for each 500 MB, with names of")
        row("", "13 to 64 characters; an index or --no-provenance makes it exact")
      }
    }
    if output.includesProvenance {
      row("", "with provenance (pouch.* metadata); --no-provenance leaves it out")
    }
  }

  /// Both ends, in bytes when they are too near for rounded sizes.
  private func interval(_ file: EstimateReport.Interval) -> String {
    let ends = (size(file.lowest), size(file.highest))
    return ends.0 == ends.1 ? "\(file.lowest) to \(file.highest) bytes" : "\(ends.0) to \(ends.1)"
  }

  private func row(_ name: String, _ text: String) { Standard.output(left(name, 12) + text) }

  private static func count(_ number: Int) -> String {
    number >= 1_000_000_000
      ? decimals(Double(number) / 1e9, 2) + " billion" : decimals(Double(number) / 1e6, 1) + " million"
  }

  // MARK: Memory

  private func printMemory(_ output: EstimateReport.Output) {
    Standard.output("")
    let width = 26
    let engines = output.memory
    Standard.output(
      left("memory at \(report.contextLength) tokens", width)
        + engines.map { right($0.engine.rawValue, 25) }.joined())
    var names: [String] = []
    for part in engines.flatMap(\.parts) where !names.contains(part.name) { names.append(part.name) }
    for name in Self.ordered(names, engines) {
      let cells = engines.map { engine in
        engine.parts.first { $0.name == name }.map { both($0.bytes) } ?? right("-", 25)
      }
      Standard.output(left("  " + name, width) + cells.joined())
    }
    Standard.output(left("  total", width) + engines.map { both($0.totalBytes) }.joined())
    if let forms = output.windowForms { printForms(forms) }
    guard explains else { return }
    for engine in engines {
      Standard.output("")
      Standard.output(engine.engine.rawValue)
      for part in engine.parts {
        let measured = part.basis == .measured ? " [from measurements]" : ""
        Standard.output("  \(part.name) = \(part.bytes) bytes\(measured)")
        for line in Self.wrapped(part.formula, 74) { Standard.output("    " + line) }
      }
    }
  }

  private func printForms(_ forms: WindowForms) {
    Standard.output(
      "  \(forms.layers) layers have a window of \(forms.windowLength) tokens; with llama.cpp their caches take"
    )
    Standard.output(
      "    \(size(forms.windowedCacheBytes)) as its tools keep them, \(size(forms.windowedTotalBytes)) in all, or"
    )
    Standard.output(
      "    \(size(forms.fullCacheBytes)) whole (--swa-full, the default of its C API), \(size(forms.fullTotalBytes)) in all"
    )
  }

  /// All names, each after those that come before it in some breakdown, in the order of kinds.
  private static func ordered(_ names: [String], _ engines: [MemoryBreakdown]) -> [String] {
    let kinds: [MemoryBreakdown.Kind] = [
      .weights, .repackedWeights, .keyValueCache, .recurrentState, .computeBuffer, .outputBuffer, .tokenizer,
      .overhead,
    ]
    func rank(_ name: String) -> Int {
      let kind = engines.flatMap(\.parts).first { $0.name == name }?.kind
      return kind.flatMap { kinds.firstIndex(of: $0) } ?? kinds.count
    }
    return names.enumerated().sorted { (rank($0.element), $0.offset) < (rank($1.element), $1.offset) }
      .map(\.element)
  }

  // MARK: Conversion and speed

  private func printRest(_ output: EstimateReport.Output) {
    if let cost = output.conversion {
      Standard.output("")
      let time = cost.seconds.map { ", about \(ProgressBar.duration($0)) here" } ?? ""
      row(
        "converting",
        "\(size(cost.peakBytes)) of memory, \(size(cost.diskBytes)) of disk, reads \(size(cost.readBytes))\(time)"
      )
    }
    if let speed = output.speed {
      row(
        "at most",
        "\(decimals(speed.decodeTokensPerSecond, 1)) tokens/s of text, "
          + "\(decimals(speed.prefillTokensPerSecond, 0)) of prompt: a bound by bandwidth,")
      row(
        "",
        "\(decimals(speed.bandwidth / 1e9, 1)) GB/s \(speed.isMeasured ? "measured here" : "given"), "
          + "\(size(speed.activeWeightBytes)) of weights + \(size(speed.cacheBytes)) of cache per token")
      if let compute = speed.prefillComputeTokensPerSecond {
        row("", "\(decimals(compute, 0)) tokens/s of prompt: a bound by arithmetic")
      }
    }
  }

  // MARK: Table

  private func printTable() {
    guard !report.table.isEmpty else { return }
    var contexts: [Int] = []
    for cell in report.table where !contexts.contains(cell.context) { contexts.append(cell.context) }
    Standard.output("")
    let engine = report.outputs.first?.memory.first?.engine.rawValue ?? ""
    Standard.output("total memory with \(engine)" + (report.table[0].fits == nil ? "" : "; * fits"))
    Standard.output(left("tokens", 10) + contexts.map { right("\($0)", 13) }.joined())
    var mixes: [String] = []
    for cell in report.table where !mixes.contains(cell.mix) { mixes.append(cell.mix) }
    for mix in mixes {
      let cells = report.table.filter { $0.mix == mix }
      // Names of recipes may be longer than the column.
      if mix.count >= 10 { Standard.output(mix) }
      Standard.output(
        left(mix.count < 10 ? mix : "", 10)
          + cells.map { right(size($0.bytes) + ($0.fits == true ? " *" : "  "), 13) }.joined())
    }
  }

  // MARK: Text

  /// A size in the unit chosen.
  private func size(_ bytes: Int) -> String { inMiB ? ByteSize.mebibytes(bytes) : ByteSize.text(bytes) }

  /// A size in decimal and binary units, 25 columns wide.
  private func both(_ bytes: Int) -> String {
    if inMiB { return right(ByteSize.mebibytes(bytes), 25) }
    return right(ByteSize.text(bytes), 12) + right(Self.binary(bytes), 13)
  }

  private static func binary(_ bytes: Int) -> String {
    bytes >= 1 << 30
      ? decimals(Double(bytes) / Double(1 << 30), 2) + " GiB"
      : decimals(Double(bytes) / Double(1 << 20), 2) + " MiB"
  }

  private func left(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  private func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }

  private static func wrapped(_ text: String, _ width: Int) -> [String] {
    var lines = [""]
    for word in text.split(separator: " ") {
      if !lines[lines.count - 1].isEmpty, lines[lines.count - 1].count + word.count + 1 > width {
        lines.append("")
      }
      lines[lines.count - 1] += (lines[lines.count - 1].isEmpty ? "" : " ") + word
    }
    return lines
  }
}
