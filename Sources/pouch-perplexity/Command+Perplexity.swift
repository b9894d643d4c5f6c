import CommandSupport
import FileBytes
import ModelEvaluation
import ReferenceRuntime

extension Command {
  /// Measures models one after the other; all of them are checked before the first runs.
  func perplexity() throws -> (reports: [ModelReport], isComplete: Bool) {
    if let baseFile {
      try checkOutput(baseFile)
      if try wantedCache() != nil {
        throw UsageError(
          "--cache-type-k, --cache-type-v", expected: "f32 where a base file is written", found: "other types"
        )
      }
    }
    let text = try readText()
    var subjects = try subjects(text)
    printProtocol(text, subjects)
    let format = fullBase ? BaseFormat.full : baseFormat.format
    let state = try state(
      baseFile == nil ? "perplexity" : "base file", text, subjects.map(\.windows),
      output: baseFile.map { "\(FileSystem.name(of: $0)), \(format.rawValue), top \(baseTopK)" })
    for index in subjects.indices { subjects[index].windows = try own(subjects[index].windows) }
    let (plans, groups) = try isJoining ? ([], GroupProgress(work: 0, byteCount: 0)) : plans(subjects, state)
    var reports: [ModelReport] = []
    let progress = WindowProgress(
      total: subjects.reduce(0) { $0 + $1.windows.count }, state: state, groups: groups,
      streams: printsNumbers && pplOutputType == 0)
    defer { progress.clear() }
    for (part, subject) in subjects.enumerated() where !Interrupt.isRequested {
      let writer = try baseFile.map {
        try BaseFileWriter(
          path: $0, format: format, windows: subject.windows,
          vocabularySize: subject.model.vocabularySize, textHash: text.hash,
          spelling: subject.tokenizer.spelling(subject.windows), listedTokens: baseTopK, isKept: state != nil)
      }
      progress.clear()
      if subjects.count > 1, printsNumbers { Standard.output("model \(subject.name)") }
      let clock = ProgressBar(isEnabled: false)
      let run = PerplexityRun(windows: subject.windows, base: writer, state: state, part: part)
      func windowDone(_ done: Int, _ soFar: PerplexityStatistics) -> Bool {
        progress.windowDone(
          part: part, subject.windows.number(done - 1), work: subject.logitWork(mode.mode),
          note: subjects.count > 1 ? subject.name : ""
        ) {
          if printsNumbers { progress.column += printWindow(subject.windows, done, soFar) }
        }
        return !Interrupt.isRequested
      }
      let result: PerplexityStatistics
      if isJoining {
        result = try run.join { _ = windowDone($0, $1) }
      } else {
        let evaluator = try WindowEvaluator(
          subject.model, length: subject.windows.length,
          options: options(plans[part].schedule, cache: subject.cache))
        result = try run.run(
          evaluator,
          onStep: { step in
            progress.step(step)
            return !Interrupt.isRequested
          }, onWindow: windowDone)
      }
      progress.clear()
      progress.column = 0
      let isDone = result.windowCount == subject.windows.count
      if printsNumbers {
        Standard.output("")
        if isDone {
          Standard.output("Final estimate: PPL = " + Numbers.estimate(result.estimate, 0, 4))
          Standard.output("Verdict: \(result.verdict)")
        }
      }
      Standard.error("\(decimals(clock.elapsedSeconds, 1)) s")
      if let writer, let size = try writer.finish() {
        Standard.error("\(writer.path): \(size) bytes, format \(format.rawValue)")
      }
      var report = ModelReport(
        model: subject.title, text: text, windows: subject.windows, tokenCount: subject.tokenCount,
        mode: mode.rawValue, perplexity: result, seconds: clock.elapsedSeconds)
      try report.identify(subject)
      reports.append(self.part == nil ? report : report.ofPart)
    }
    let isComplete = reports.count == subjects.count && reports.allSatisfy(\.isComplete)
    if isComplete, part == nil { state?.finish() }
    return (reports, isComplete)
  }

  /// Prints the numbers after a window.
  ///
  /// - Returns: The characters by which the line has grown; 0 when it has ended.
  private func printWindow(_ windows: TokenWindows, _ done: Int, _ soFar: PerplexityStatistics) -> Int {
    guard pplOutputType == 1 else {
      let text = "[\(done)]\(decimals(soFar.value, 4)),"
      Standard.outputText(text)
      return text.count
    }
    let start = "\(windows.start(done - 1))"
    var line =
      String(repeating: " ", count: max(0, 8 - start.count)) + start + "  " + decimals(soFar.value, 4)
    if !windows.isStrided {
      let error = soFar.meanSurpriseError.map { decimals($0, 6) } ?? "-"
      line += "  \(decimals(soFar.meanSurprise, 6))  \(error)"
    }
    Standard.output(line)
    return 0
  }
}
