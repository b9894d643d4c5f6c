import ArgumentParser
import CommandSupport
import FileBytes
import ImportanceData
import ModelEvaluation
import ReferenceRuntime
import TextTokenizers

/// Runs a model over a text and saves what its matrices saw.
struct Calibration {
  let command: Command
  let model: LoadedModel
  /// The data of other files, or nothing.
  let merged: ImportanceCollector

  /// Runs the windows that are not done yet, and writes the output.
  ///
  /// - Returns: The perplexity over the windows of this run.
  /// - Throws: Errors of the text, the model and the output; exit code 130 when it was interrupted before the first
  ///   window was done.
  func run(path: String) throws -> PerplexityStatistics {
    let text = try EvaluationText(path: path)
    let tokenizer = try Tokenizer(metadata: try model.metadata())
    let tokens = try text.tokens(tokenizer, parseSpecial: command.parseSpecial)
    let windows = try TokenWindows(
      tokens: tokens, length: command.contextSize, skip: command.fromChunk,
      limit: command.chunks < 0 ? nil : command.chunks, beginning: tokenizer.addBOS ? tokenizer.bos : nil,
      file: path)
    if let part = try PartArgument.read(command.part), let state = command.state {
      return try run(part, of: windows, state: state, text: text)
    }
    if !command.join.isEmpty { return try join(windows, text: text) }
    let (collector, done) = try earlierData(path, windows)
    if done == 0 { collector.addDataset(path) }
    Standard.error(
      "text \(path): \(text.byteCount) bytes, xxh64 \(text.hashText), \(tokens.count) tokens; "
        + "\(windows.count) windows of \(windows.length) tokens"
        + (command.fromChunk > 0 ? " after the first \(command.fromChunk)" : "")
        + (done > 0 ? ", \(done) of them done before" : "") + "; mode \(command.mode.rawValue)")
    return try collect(collector, windows, firstWindow: done)
  }

  /// Runs the windows and saves the data, or keeps the sums of each window in a state.
  func collect(
    _ collector: ImportanceCollector, _ windows: TokenWindows, firstWindow: Int, state: ImportanceState? = nil
  ) throws -> PerplexityStatistics {
    let plan = try plan(collector, windows, left: windows.count - firstWindow)
    let evaluator = try WindowEvaluator(
      model, length: command.contextSize, options: options(plan.schedule))
    var run = ImportanceRun(
      windows: windows, measuresPerplexity: !command.noPerplexity, needsOutput: command.processOutput)
    run.firstWindow = firstWindow
    run.state = state
    let isLayered = plan.schedule != .windows
    if isLayered, command.saveFrequency > 0 { evaluator.groupBoundary = command.saveFrequency }
    let showsPerplexity = !command.noPerplexity && !command.json && state == nil
    let clock = ProgressBar(isEnabled: false)
    let progress = CountProgress(isEnabled: true)
    var groups = GroupProgress(
      work: isLayered ? work(windows.count - firstWindow, windows) : 0, byteCount: plan.readByteCount)
    var hasSaidOutlook = false
    var lastSeconds = 0.0
    // Data of a group is whole when all layers have seen it.
    var isWhole = true
    var lastDone = firstWindow
    let result = try run.run(evaluator, collector) { step in
      isWhole = false
      lastSeconds = progress.elapsedSeconds
      if let outlook = groups.outlook(after: step) {
        if !hasSaidOutlook {
          Standard.error(
            MeasuringArguments.outlook(reading: outlook.readingSeconds, arithmetic: outlook.arithmeticSeconds)
          )
        }
        hasSaidOutlook = true
        progress.update(share: outlook.share, left: outlook.secondsLeft, note: step.text(of: windows.count))
      }
      return !Interrupt.isRequested
    } onWindow: { done, soFar in
      progress.clear()
      if isLayered {
        groups.add(work(1, windows, inLayers: false), seconds: progress.elapsedSeconds - lastSeconds)
      }
      lastSeconds = progress.elapsedSeconds
      isWhole = true
      lastDone = done
      if showsPerplexity { Standard.outputText("[\(done)]\(decimals(soFar.value, 4)),") }
      if !isLayered, done == firstWindow + 1, done < windows.count {
        let seconds = clock.elapsedSeconds
        Standard.error(
          "\(decimals(seconds, 2)) seconds per window; about "
            + "\(ProgressBar.duration(seconds * Double(windows.count - done))) left")
      }
      guard state == nil else { return !Interrupt.isRequested }
      guard evaluator.endsGroup(done - 1) else { return true }
      if isLayered || done % command.outputFrequency == 0, done < windows.count {
        try save(collector, to: command.output)
      }
      if command.saveFrequency > 0, done % command.saveFrequency == 0 {
        try save(collector, to: "\(command.output).at_\(done)")
      }
      return !Interrupt.isRequested
    }
    progress.clear()
    if state != nil { return result }
    if showsPerplexity { printEstimate(result, ofThisRun: firstWindow > 0) }
    if isWhole {
      try save(collector, to: command.output)
    } else if lastDone == 0 {
      throw ExitCode(130)
    }
    return result
  }

  func printEstimate(_ result: PerplexityStatistics, ofThisRun: Bool) {
    guard result.tokenCount > 0 else { return }
    Standard.output(
      "\nFinal estimate: PPL = \(decimals(result.value, 4))"
        + (result.estimate.interval95.map {
          " [\(decimals($0.lowerBound, 4)), \(decimals($0.upperBound, 4))], "
        } ?? "; ") + result.intervalText
        + (ofThisRun ? " (windows of this run)" : ""))
  }

  private func options(_ schedule: WindowSchedule = .windows) -> EvaluationOptions {
    EvaluationOptions(
      mode: command.mode.mode, threads: command.threads, batchLength: command.batchSize, schedule: schedule)
  }

  /// The order of windows and layers; what it takes is said.
  private func plan(_ collector: ImportanceCollector, _ windows: TokenWindows, left: Int) throws
    -> MeasuringPlan
  {
    let plan = try MeasuringPlan(
      [model], windowCount: left, length: windows.length, options: options(),
      request: MeasuringPlan.Request(rawValue: command.measuring.schedule.rawValue) ?? .auto,
      limits: MeasuringPlan.Limits(
        allowed: command.measuring.maxMemory?.byteCount, available: MachineMemory.availableByteCount,
        total: MachineMemory.totalByteCount,
        held: ProcessMemory.heldByteCount + collector.byteCount(for: model.store)),
      first: windows.count - left, boundary: command.saveFrequency > 0 ? command.saveFrequency : nil)
    if left > 0 {
      for line in MeasuringCost(plan, windowCount: left).lines(ByteSize.text) { Standard.error(line) }
    }
    return plan
  }

  /// The arithmetic of windows, or of their logits alone.
  private func work(_ count: Int, _ windows: TokenWindows, inLayers: Bool = true) -> Double {
    let perWindow =
      command.processOutput ? windows.length : command.noPerplexity ? 0 : windows.scoredPerWindow
    return model.work(
      tokens: inLayers ? count * windows.length : 0, logits: count * perWindow, mode: command.mode.mode)
  }

  func save(_ collector: ImportanceCollector, to path: String) throws {
    try Command.save(
      try collector.file(chunkSize: command.contextSize), format: command.outputFormat, to: path)
  }

  /// What an interrupted run of the same command left in the output, and how many windows it did.
  private func earlierData(
    _ text: String, _ windows: TokenWindows
  ) throws -> (collector: ImportanceCollector, done: Int) {
    guard command.resume, FileSystem.kind(of: command.output) == .file else { return (merged, 0) }
    let earlier = try ImportanceFile(path: command.output)
    func mismatch(_ subject: String, _ expected: String, _ found: String) -> EvaluationError {
      EvaluationError(
        .importanceMismatch,
        Fault(
          file: command.output, subject: subject, expected: expected, found: found,
          remedy: "resume with the flags of the interrupted run"))
    }
    guard earlier.format == .gguf, earlier.chunkSize == command.contextSize else {
      throw mismatch(
        "imatrix.chunk_size", "\(command.contextSize)",
        earlier.format == .gguf ? "\(earlier.chunkSize)" : "a legacy file")
    }
    let datasets = merged.datasets + [Array(text.utf8)]
    guard earlier.datasetNames == datasets else {
      func names(_ all: [[UInt8]]) -> String {
        all.map { String(decoding: $0, as: UTF8.self) }.joined(separator: ", ")
      }
      throw mismatch("imatrix.datasets", names(datasets), names(earlier.datasetNames))
    }
    let before = merged.isEmpty ? [] : try merged.file(chunkSize: command.contextSize).records
    let base = Dictionary(before.map { ($0.name, $0.counts) }, uniquingKeysWith: { first, _ in first })
    // Rows of the dense matrices, which see every token; those that came from other files do not count.
    var rows: Int64 = 0
    for record in earlier.records {
      let others = base[record.name] ?? [0]
      for (index, count) in record.counts.enumerated() {
        rows = max(rows, count - (others.count == 1 ? others[0] : index < others.count ? others[index] : 0))
      }
    }
    let done = Int(rows) / command.contextSize
    guard done <= windows.count, Int(rows) % command.contextSize == 0 else {
      throw mismatch(
        "imatrix.chunk_count", "at most \(windows.count) windows of \(command.contextSize) tokens",
        "\(rows) tokens")
    }
    let collector = ImportanceCollector(
      expertCount: model.expertCount ?? 0, includesOutput: command.processOutput)
    try collector.merge(earlier, chunkSize: command.contextSize, path: command.output)
    try collector.check(against: model.store, model: model.source)
    return (collector, done)
  }
}
