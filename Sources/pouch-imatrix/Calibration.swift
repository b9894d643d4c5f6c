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
  func run(path: String) throws -> Perplexity {
    let text = try EvaluationText(path: path)
    let tokenizer = try Tokenizer(metadata: try model.metadata())
    let tokens = try text.tokens(tokenizer, parseSpecial: command.parseSpecial)
    let windows = try TokenWindows(
      tokens: tokens, length: command.contextSize, skip: command.fromChunk,
      limit: command.chunks < 0 ? nil : command.chunks, beginning: tokenizer.addBOS ? tokenizer.bos : nil,
      file: path)
    let (collector, done) = try earlierData(path, windows)
    if done == 0 { collector.addDataset(path) }
    Standard.error(
      "text \(path): \(text.byteCount) bytes, xxh64 \(text.hashText), \(tokens.count) tokens; "
        + "\(windows.count) windows of \(windows.length) tokens"
        + (command.fromChunk > 0 ? " after the first \(command.fromChunk)" : "")
        + (done > 0 ? ", \(done) of them done before" : "") + "; mode \(command.mode.rawValue)")
    let result = try collect(collector, windows, firstWindow: done)
    guard !collector.isEmpty else { throw ExitCode(130) }
    try save(collector, to: command.output)
    return result
  }

  private func collect(
    _ collector: ImportanceCollector, _ windows: TokenWindows, firstWindow: Int
  ) throws -> Perplexity {
    let evaluator = try WindowEvaluator(
      model, length: command.contextSize,
      options: EvaluationOptions(
        mode: command.mode.mode, threads: command.threads, batchLength: command.batchSize))
    var run = ImportanceRun(
      windows: windows, measuresPerplexity: !command.noPerplexity, needsOutput: command.processOutput)
    run.firstWindow = firstWindow
    let showsPerplexity = !command.noPerplexity && !command.json
    let clock = ProgressBar(isEnabled: false)
    let result = try run.run(evaluator, collector) { done, soFar in
      if showsPerplexity { Standard.outputText("[\(done)]\(decimals(soFar.value, 4)),") }
      if done == firstWindow + 1, done < windows.count {
        let seconds = clock.elapsedSeconds
        Standard.error(
          "\(decimals(seconds, 2)) seconds per window; about "
            + "\(ProgressBar.duration(seconds * Double(windows.count - done))) left")
      }
      if done % command.outputFrequency == 0, done < windows.count { try save(collector, to: command.output) }
      if command.saveFrequency > 0, done % command.saveFrequency == 0 {
        try save(collector, to: "\(command.output).at_\(done)")
      }
      return !Interrupt.isRequested
    }
    if showsPerplexity, result.tokenCount > 0 {
      Standard.output(
        "\nFinal estimate: PPL = \(decimals(result.value, 4))"
          + (result.estimate.interval95.map {
            " [\(decimals($0.lowerBound, 4)), \(decimals($0.upperBound, 4))], "
          } ?? "; ") + result.intervalText
          + (firstWindow > 0 ? " (windows of this run)" : ""))
    }
    return result
  }

  private func save(_ collector: ImportanceCollector, to path: String) throws {
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
