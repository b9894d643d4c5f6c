import CommandSupport
import FileBytes
import ModelEvaluation
import ReferenceRuntime
import TextTokenizers

extension Tokenizer {
  /// The bytes that the tokens of windows stand for.
  func spelling(_ windows: TokenWindows) -> [UInt8] { decodeBytes(windows.tokens, showSpecial: true) }
}

extension Command {
  /// The result that each one is compared with: the first, or the same model with a cache of f32.
  private func partners(_ subjects: [Subject]) -> [Int] {
    subjects.indices.map { subjects[$0].cache == .f32 ? 0 : $0 - 1 }
  }

  /// Compares all models with a base model, window by window.
  func lockStep(_ basePath: String) throws -> (reports: [ModelReport], isComplete: Bool) {
    let text = try readText()
    var base = try subject(basePath, text)
    var subjects = try subjects(text)
    for subject in subjects {
      try DivergenceRun.checkVocabulary(subject.model, base.model.vocabularySize, base: basePath)
      try TokenWindows.requireSame(
        subject.path, (subject.windows, subject.tokenCount), base: basePath, (base.windows, base.tokenCount))
    }
    printProtocol(text, [base])
    let state = try state(
      "lock-step", text, subjects.map(\.windows), isTogether: true,
      base: keepsState ? ModelFingerprint.ofModel(basePath) : nil)
    for index in subjects.indices { subjects[index].windows = try own(subjects[index].windows) }
    base.windows = try own(base.windows)
    let windows = base.windows
    let together = [base] + subjects
    let left = windows.left(state)
    let plan = try isJoining ? nil : plan(together.map(\.model), windows, left: left)
    let clock = ProgressBar(isEnabled: false)
    if printsNumbers, subjects.count == 1 { Standard.output(DivergencePrinter.header) }
    let run = DivergenceRun(windows: windows, state: state)
    let progress = WindowProgress(
      total: windows.count, state: state,
      groups: GroupProgress(
        work: plan?.isLayered == true
          ? together.reduce(0) { $0 + $1.work(windows: left, mode.mode) } : 0,
        byteCount: plan?.readByteCount ?? 0))
    defer { progress.clear() }
    let logitWork = together.reduce(0) { $0 + $1.logitWork(mode.mode) }
    func windowDone(_ done: Int, _ soFar: [DivergenceStatistics]) -> Bool {
      progress.windowDone(windows.number(done - 1), work: logitWork) {
        if printsNumbers, subjects.count == 1 {
          Standard.output(DivergencePrinter(soFar[0]).windowLine(done))
        }
      }
      return !Interrupt.isRequested
    }
    let results: [DivergenceStatistics]
    if let plan {
      let models = try subjects.map {
        try WindowEvaluator(
          $0.model, length: windows.length, options: options(plan.schedule, cache: $0.cache))
      }
      let baseEvaluator = try WindowEvaluator(
        base.model, length: windows.length, options: options(plan.schedule))
      results = try run.run(
        models, base: baseEvaluator,
        onStep: { step in
          progress.step(step)
          return !Interrupt.isRequested
        }, onWindow: windowDone)
    } else {
      results = try run.join(models: subjects.count) { _ = windowDone($0, $1) }
    }
    progress.clear()
    let seconds = clock.elapsedSeconds
    let names = subjects.map(\.name)
    let isComplete = results.allSatisfy { $0.windowCount == windows.count }
    if printsNumbers, isComplete {
      for (name, statistics) in zip(names, results) {
        if subjects.count > 1 { Standard.output("\nmodel \(name)") }
        for line in DivergencePrinter(statistics).lines { Standard.output(line) }
      }
      if subjects.count > 1 {
        DivergencePrinter.table(Array(zip(names, results)), partners: partners(subjects)).forEach(
          Standard.output)
      }
    }
    Standard.error("\(decimals(seconds, 1)) s")
    if isComplete, part == nil { state?.finish() }
    let baseHash = try ModelFingerprint.ofContent(basePath)
    let reports = try zip(names, results).enumerated().map { index, result in
      var report = ModelReport(
        model: subjects[index].title, base: RemoteFiles.title(of: basePath), text: text,
        textHash: text.hashText, windows: windows,
        tokenCount: base.tokenCount, mode: mode.rawValue, statistics: result.1,
        earlier: Array(zip(names, results).prefix(index)), seconds: seconds)
      try report.identify(subjects[index], base: baseHash)
      return part == nil ? report : report.ofPart
    }
    return (reports, isComplete)
  }

  /// Compares models with a base file, one after the other; all of them are checked before the first runs.
  func against(_ file: String) throws -> (reports: [ModelReport], isComplete: Bool) {
    let text = text == nil && corpus == nil ? nil : try readText()
    let cache = try wantedCache()
    var pairs: [(subject: Subject, base: BaseFileReader)] = []
    for path in model {
      let opened = try open(path)
      let (model, tokenizer) = (opened.model, opened.tokenizer)
      let reader = try BaseFileReader(path: file, beginning: tokenizer.addBOS ? tokenizer.bos : nil)
      let windows = reader.windows(limit: limit)
      try DivergenceRun.checkVocabulary(model, reader.vocabularySize, base: file)
      try check(model, windows)
      guard reader.isSpelled(tokenizer.spelling(reader.windows)) else {
        throw EvaluationError(
          .tokenizerMismatch,
          Fault(
            file: path, subject: "tokenizer", expected: "the vocabulary that \(file) was made with",
            found: "one in which its tokens spell another text", remedy: "compare models with one tokenizer"))
      }
      var count = reader.windows.tokens.count
      if let text {
        let tokens = try text.tokens(tokenizer)
        count = tokens.count
        guard tokens.starts(with: windows.tokens) else {
          throw EvaluationError(
            .tokenizerMismatch,
            Fault(
              file: file, subject: "tokens", expected: "those of \(text.path), xxh64 \(text.hashText)",
              found: "those of another text"
                + (reader.textHash.map { ", xxh64 \(XXHash64.text($0))" } ?? ""),
              remedy: "leave out the text, or make the base file again from this one"))
        }
      }
      let own = Subject(path: path, model: model, tokenizer: tokenizer, tokenCount: count, windows: windows)
      for (index, subject) in try pair(own, cache).enumerated() {
        // Each reads the file from its start.
        let base =
          index == 0
          ? reader : try BaseFileReader(path: file, beginning: tokenizer.addBOS ? tokenizer.bos : nil)
        pairs.append((subject, base))
      }
    }
    let first = pairs[0].base
    let hash = first.textHash.map(XXHash64.text) ?? text?.hashText
    Standard.error(
      "base \(file), format \(first.format.rawValue), vocabulary \(first.vocabularySize), text "
        + (hash.map { "xxh64 \($0)" } ?? "unknown: give it with -f to have it compared") + ", "
        + "\(pairs[0].subject.tokenCount) tokens; \(pairs[0].subject.windows.protocolText); mode \(mode.rawValue)"
    )
    let state = try state(
      "base", text, pairs.map(\.subject.windows), base: keepsState ? ModelFingerprint.ofFile(file) : nil)
    for index in pairs.indices { pairs[index].subject.windows = try own(pairs[index].subject.windows) }
    let (plans, groups) =
      try isJoining ? ([], GroupProgress(work: 0, byteCount: 0)) : plans(pairs.map(\.subject), state)
    let baseHash = try ModelFingerprint.ofFileContent(file)
    var reports: [ModelReport] = []
    var results: [(model: String, statistics: DivergenceStatistics)] = []
    let progress = WindowProgress(
      total: pairs.reduce(0) { $0 + $1.subject.windows.count }, state: state, groups: groups)
    defer { progress.clear() }
    for (part, (subject, base)) in pairs.enumerated() where !Interrupt.isRequested {
      let clock = ProgressBar(isEnabled: false)
      progress.clear()
      if printsNumbers {
        Standard.output((pairs.count > 1 ? "model \(subject.name)\n" : "") + DivergencePrinter.header)
      }
      let run = DivergenceRun(windows: subject.windows, state: state, part: part)
      func windowDone(_ done: Int, _ soFar: DivergenceStatistics) -> Bool {
        progress.windowDone(
          part: part, subject.windows.number(done - 1), work: subject.logitWork(mode.mode),
          note: pairs.count > 1 ? subject.name : ""
        ) {
          if printsNumbers { Standard.output(DivergencePrinter(soFar).windowLine(done)) }
        }
        return !Interrupt.isRequested
      }
      let result: DivergenceStatistics
      if isJoining {
        result = try run.join(models: 1) { _ = windowDone($0, $1[0]) }[0]
      } else {
        let evaluator = try WindowEvaluator(
          subject.model, length: subject.windows.length,
          options: options(plans[part].schedule, cache: subject.cache))
        result = try run.run(
          evaluator, base: base,
          onStep: { step in
            progress.step(step)
            return !Interrupt.isRequested
          }, onWindow: windowDone)
      }
      progress.clear()
      if printsNumbers, result.windowCount == subject.windows.count {
        DivergencePrinter(result).lines.forEach(Standard.output)
      }
      Standard.error("\(decimals(clock.elapsedSeconds, 1)) s")
      var report = ModelReport(
        model: subject.title, base: file, text: text, textHash: hash, windows: subject.windows,
        tokenCount: subject.tokenCount, mode: mode.rawValue, statistics: result,
        earlier: results, seconds: clock.elapsedSeconds)
      try report.identify(subject, base: baseHash)
      reports.append(self.part == nil ? report : report.ofPart)
      results.append((subject.name, result))
    }
    let isComplete = reports.count == pairs.count && reports.allSatisfy(\.isComplete)
    if printsNumbers, isComplete, results.count > 1 {
      DivergencePrinter.table(results, partners: partners(pairs.map(\.subject))).forEach(Standard.output)
    }
    if isComplete, part == nil { state?.finish() }
    return (reports, isComplete)
  }
}
