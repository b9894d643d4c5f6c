import CommandSupport
import FileBytes
import ModelEvaluation
import ReferenceRuntime

extension Calibration {
  /// What the sums of windows depend on.
  private func fingerprint(_ windows: TokenWindows, _ text: EvaluationText) throws -> Fingerprint {
    Fingerprint(
      version: pouchVersionNumber, task: "importance",
      procedure: windows.protocolText + ", mode " + command.mode.rawValue
        + (command.processOutput ? ", with output.weight" : "")
        + (command.noPerplexity ? ", without perplexity" : ""),
      text: text, windows: [windows], models: [try ModelFingerprint.ofModel(model.source)])
  }

  /// Reads the windows of a part that are not done yet, and keeps the sums of each.
  func run(_ part: RunPart, of all: TokenWindows, state path: String, text: EvaluationText) throws
    -> PerplexityStatistics
  {
    let windows = all.part(part)
    let state = try ImportanceState(path: path, fingerprint: try fingerprint(all, text), part: part) {
      Standard.error("waiting until it is sure that \($0), which began this part, is dead")
    }
    let done = (0..<windows.count).first { !state.isFinished(windows.number($0)) } ?? windows.count
    Standard.error(
      "text \(text.path): \(text.byteCount) bytes, xxh64 \(text.hashText); part \(part): \(windows.count) of "
        + "\(all.count) windows of \(windows.length) tokens"
        + (done > 0 ? ", \(done) of them done before" : "")
        + "; mode \(command.mode.rawValue)")
    if done < windows.count {
      let size = merged.byteCount(for: model.store) * (windows.count - done)
      let free = FileSystem.freeByteCount(near: path)
      Standard.error(
        (free.map { $0 < size } == true ? "Warning: " : "")
          + "sums of \(windows.count - done) windows take at most \(ByteSize.text(size)) in \(path).sums"
          + (free.map { $0 < size ? ", and \(ByteSize.text($0)) are free" : "" } ?? ""))
      _ = try collect(merged, windows, firstWindow: done, state: state)
    }
    if state.finishedCount == windows.count, !Interrupt.isRequested {
      Standard.error(
        "part \(part) is done; when all are: "
          + CommandLineText.joining(without: ["--state"], ["STATES"]))
    }
    return PerplexityStatistics()
  }

  /// Adds up what all parts kept, and saves it.
  func join(_ windows: TokenWindows, text: EvaluationText) throws -> PerplexityStatistics {
    let parts = try ImportanceJoin(
      command.join, fingerprint: try fingerprint(windows, text), windows: windows
    ) { part, state in
      CommandLineText.making(part, ["--state", state ?? "NEW-STATE"])
    }
    merged.addDataset(text.path)
    let showsPerplexity = !command.noPerplexity && !command.json
    let result = try parts.run(merged) { done, soFar in
      if showsPerplexity { Standard.outputText("[\(done)]\(decimals(soFar.value, 4)),") }
    }
    if showsPerplexity { printEstimate(result, ofThisRun: false) }
    try save(merged, to: command.output)
    return result
  }
}
