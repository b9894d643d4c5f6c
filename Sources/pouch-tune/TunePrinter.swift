import CommandSupport
import MixTuning

/// Prints mixes and tables for people.
enum TunePrinter {
  /// A mix: what it takes, what it is predicted to lose, and what it lost.
  static func print(_ mix: TuneReport.Mix) {
    let bound =
      mix.isOptimal
      ? "no mix loses less" : "no mix loses less than \(nats(mix.lowerBound)), which is not reached"
    Standard.output(
      "\(mix.recipe): \(mix.fileBytes) bytes, \(decimals(mix.bitsPerWeight, 2)) bits per weight, for \(mix.budget)"
    )
    Standard.output("  predicted: \(nats(mix.predictedDivergence)) nats per token (\(bound))")
    guard let actual = mix.actual else { return }
    var interval = ""
    if let low = actual.low, let high = actual.high { interval = " [\(nats(low)), \(nats(high))]" }
    Standard.output(
      "  actual:    \(nats(actual.divergence))\(interval) on \(actual.windows) windows that had no part in the choice"
        + (mix.output.map { ": \($0)" } ?? ""))
  }

  /// The range of a table, for those who gave no budget.
  static func print(_ table: SensitivityTable, path: String) {
    let least = table.rows.reduce(table.fixedByteCount) { $0 + ($1.candidates.map(\.byteCount).min() ?? 0) }
    let most = table.rows.reduce(table.fixedByteCount) { $0 + ($1.candidates.map(\.byteCount).max() ?? 0) }
    Standard.output(
      "\(path): \(table.rows.count) groups, from \(ByteSize.text(least)) to \(ByteSize.text(most)); "
        + "give a budget, such as --target-bpw 4.5, with --table \(path)")
  }

  /// A divergence with three significant figures.
  static func nats(_ value: Double) -> String {
    guard value > 0, value.isFinite else { return "\(value)" }
    var places = 2
    var scaled = value
    while scaled < 1, places < 9 {
      scaled *= 10
      places += 1
    }
    return decimals(value, places)
  }
}

/// Progress of the parts of a measurement, one after the other.
final class ProgressBars {
  private let isEnabled: Bool
  private var unit = ""
  private var bar: CountProgress?
  private var resumed = 0

  init(isEnabled: Bool) { self.isEnabled = isEnabled }

  func update(_ progress: SensitivityMeasurement.Progress) {
    if unit != progress.unit {
      bar?.clear()
      unit = progress.unit
      bar = CountProgress(isEnabled: isEnabled, unit: progress.unit)
    }
    bar?.update(done: progress.done, total: progress.total, note: progress.note)
  }

  func clear() { bar?.clear() }
}
