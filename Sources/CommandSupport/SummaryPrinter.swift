internal import FileBytes
internal import CheckpointConversion

/// Prints for people what a conversion did.
struct SummaryPrinter {
  let summary: ExecutionSummary
  let seconds: Double

  /// Prints the files on standard output, notes and sums on standard error.
  func print() {
    printLosses()
    for path in summary.paths { Standard.output(path) }
    if summary.outputs.count > 1 {
      for output in summary.outputs { Standard.error(oneLine(Self.line(output))) }
      if hasWorked { Standard.error(Self.line(summary.sharing)) }
    }
    let resumed =
      summary.resumedByteCount > 0
      ? " (\(ByteSize.text(summary.resumedByteCount)) of the source were done before)" : ""
    let isPart = summary.outputs.contains(where: \.isPart)
    Standard.error(
      ByteSize.text(summary.sourceByteCount)
        + (isPart ? " of the source" : " -> \(ByteSize.text(summary.fileByteCount))")
        + " in \(decimals(seconds, 1)) s, "
        + (isPart || !hasWorked
          ? "" : "\(decimals(summary.weightsPerSecond(seconds) / 1e6, 0)) million weights/s, ")
        + "peak memory \(ByteSize.text(ProcessMemory.peakResidentByteCount))\(resumed)")
  }

  /// Whether anything was made, as opposed to what was done before and only got its name.
  private var hasWorked: Bool { summary.sharing.wantedBytes > 0 }

  private func printLosses() {
    let isAlone = summary.outputs.count == 1
    let lines = summary.outputs.flatMap { output in
      output.losses.map {
        "note: " + (isAlone ? "" : output.plan.mixName + ": ") + "\($0.tensor): \($0.text)"
      }
    }
    for line in lines.prefix(20) { Standard.error(oneLine(line)) }
    if lines.count > 20 {
      Standard.error(
        "note: and \(lines.count - 20) more tensors with weights that became zeros; --json lists all")
    }
  }

  private static func line(_ output: ExecutionSummary.Output) -> String {
    let name = output.plan.mixName + String(repeating: " ", count: max(1, 12 - output.plan.mixName.count))
    guard output.failure == nil else { return name + "failed" }
    return name
      + "\(ByteSize.text(output.plan.fileByteCount)), \(decimals(output.plan.bitsPerWeight, 2)) bits per weight"
      + (output.isKept ? ", kept" : output.isPart ? ", a part of it" : "")
  }

  /// What sharing saves.
  static func line(_ sharing: Sharing) -> String {
    func count(_ weights: Int) -> String { "\(decimals(Double(weights) / 1e6, 1)) million" }
    return
      "shared: \(count(sharing.searchedWeights)) weights searched of \(count(sharing.wantedWeights)) wanted, "
      + "\(ByteSize.text(sharing.readBytes)) read in place of \(ByteSize.text(sharing.wantedBytes))"
  }
}
