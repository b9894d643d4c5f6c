import CommandSupport
import MemoryEstimation
import ModelEvaluation

/// Prints what measuring runs take.
struct MeasuringPrinter {
  let report: MeasuringReport
  /// Writes a number of bytes.
  let size: (Int) -> String

  /// The lines, the first being a title.
  var lines: [String] {
    var lines = ["measuring with Pouch: \(report.windows) windows of \(report.windowLength) tokens"]
    for run in report.runs {
      lines.append("  " + title(run))
      for line in details(run) { lines.append("    " + line) }
    }
    let unknown = [
      report.diskBytesPerSecond == nil ? "--disk" : nil,
      report.operationsPerSecond == nil ? "--compute" : nil,
    ].compactMap(\.self)
    if !unknown.isEmpty {
      lines.append(
        "  for \(unknown.count == 1 ? "the other bound" : "bounds") of time: "
          + unknown.joined(separator: " and ") + ", or --calibrate on the machine itself")
    }
    return lines
  }

  private func title(_ run: MeasuringReport.Run) -> String {
    switch run.kind {
    case .perplexity: "perplexity of \(run.models[0]), mode \(run.mode)"
    case .divergence:
      "KL divergence of \(run.models[1]) from \(run.models[0]), in lock-step, mode \(run.mode)"
    case .importance: "importance matrix of \(run.models[0]), mode \(run.mode)"
    }
  }

  private func details(_ run: MeasuringReport.Run) -> [String] {
    let cost = run.cost
    var lines = cost.lines(size)
    if let limit = cost.limitBytes { lines[0] += ", of \(size(limit)) allowed" }
    if !run.fits { lines[0] += "; MORE THAN THE MACHINE HAS" }
    let disk = run.diskSeconds.map { seconds in
      bound("disk", seconds, "\(ByteSize.text(Int(report.diskBytesPerSecond ?? 0)))/s", report.isDiskMeasured)
    }
    let arithmetic = run.arithmeticSeconds.map { seconds in
      bound("arithmetic", seconds, operations(report.operationsPerSecond ?? 0), report.isArithmeticMeasured)
    }
    let bounds = [disk, arithmetic].compactMap(\.self)
    if !bounds.isEmpty {
      lines.append(
        "at least " + bounds.joined(separator: " and ")
          + (run.bound.map { ": \($0.rawValue) decides" } ?? ""))
    }
    if cost.schedule == "layers" {
      lines.append(
        "window by window, \(size(cost.windowReadBytes)) would be read; \(size(cost.windowMemoryBytes)) would hold all"
      )
    }
    lines.append("least that works: --max-memory \(cost.leastBytes) (\(size(cost.leastBytes)))")
    return lines
  }

  private func bound(_ name: String, _ seconds: Double, _ rate: String, _ isMeasured: Bool) -> String {
    "\(approximateDuration(seconds)) of \(name) at \(rate) \(isMeasured ? "measured here" : "given")"
  }

  private func operations(_ perSecond: Double) -> String {
    perSecond >= 1e12
      ? "\(decimals(perSecond / 1e12, 2)) TFLOPS" : "\(decimals(perSecond / 1e9, 1)) GFLOPS"
  }
}
