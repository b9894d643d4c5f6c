internal import Dispatch
internal import FileBytes
internal import ReferenceRuntime
internal import TextTokenizers

/// Makes answers and forced scores, and keeps them in a folder so that a run that was cut off goes on where it stopped.
public final class SVGRunner {
  /// How far a run is.
  public struct Progress: Hashable, Sendable {
    /// Answers and forced passes done, those of earlier runs included.
    public var done: Int
    /// All of them.
    public var total: Int
    /// Those that were done before.
    public var resumed: Int
    /// What is being worked on.
    public var task: String
  }

  /// The prompts.
  public let prompts: PromptSet
  /// The settings.
  public let options: SVGRunOptions
  /// The contestants, the base first.
  public let contestants: [SVGContestant]
  let records: [AnswerLog]
  let promptTokens: [[Int32]]

  /// Prepares a run.
  ///
  /// - Parameters:
  ///   - prompts: The prompts.
  ///   - contestants: The base first, then the models compared with it.
  ///   - folder: Where results are kept; it must exist.
  ///   - options: The settings.
  ///   - version: The version of Pouch.
  ///   - force: Whether results of another run in the folder are thrown away.
  /// - Throws: ``EvaluationError`` with `tokenizerMismatch` or `vocabularyMismatch`; `ResumeLogError` for a folder that
  ///   another run uses or has filled; `FileError`, `TokenizerError`.
  public init(
    prompts: PromptSet, contestants: [SVGContestant], folder: String, options: SVGRunOptions, version: String,
    force: Bool
  ) throws {
    self.prompts = prompts
    self.options = options
    self.contestants = contestants
    let base = contestants[0]
    promptTokens = try prompts.prompts.map {
      try base.tokens(of: $0.prompt, usesChatTemplate: options.usesChatTemplate)
    }
    for other in contestants.dropFirst() where other.kind == .tested {
      try Self.check(other, base, prompts, promptTokens, options)
    }
    records = try contestants.map { contestant in
      try AnswerLog(
        path: "\(folder)/\(contestant.recordName)",
        fingerprint: Fingerprint(contestant, prompts, options, version: version), force: force)
    }
  }

  private static func check(
    _ other: SVGContestant, _ base: SVGContestant, _ prompts: PromptSet, _ tokens: [[Int32]],
    _ options: SVGRunOptions
  ) throws {
    guard other.model.vocabularySize == base.model.vocabularySize else {
      throw EvaluationError(
        .vocabularyMismatch,
        Fault(
          file: other.model.source, subject: "vocabulary",
          expected: "\(base.model.vocabularySize) tokens, as in \(base.model.source)",
          found: "\(other.model.vocabularySize)",
          remedy:
            "compare quantized models with their own base; drawings of others can be given with --include"))
    }
    for (prompt, expected) in zip(prompts.prompts, tokens) {
      let own = try other.tokens(of: prompt.prompt, usesChatTemplate: options.usesChatTemplate)
      guard own == expected else {
        throw EvaluationError(
          .tokenizerMismatch,
          Fault(
            file: other.model.source, subject: "prompt \(prompt.id)",
            expected: "the \(expected.count) tokens of \(base.model.source)",
            found: "\(own.count) tokens, others",
            remedy: "compare models with one tokenizer and chat template"))
      }
    }
  }

  /// Makes what is missing: the base's answers, the others' answers, then the forced passes, all models in lock-step.
  ///
  /// - Parameter onProgress: Called before each piece of work; `false` ends the run.
  /// - Returns: Whether everything is there.
  /// - Throws: `RuntimeError`, `FileError`, ``EvaluationError``.
  public func run(onProgress: (Progress) -> Bool) throws -> Bool {
    var progress = Progress(done: 0, total: 0, resumed: 0, task: "")
    let variants = 0...options.sampleCount
    progress.total =
      prompts.prompts.count * (contestants.count * variants.count + contestants.count - 1)
    let longest = promptTokens.map(\.count).max() ?? 0
    // A limit that is too small is found before anything is drawn.
    if options.limits.allowed != nil {
      _ = try plan(
        Array(contestants.indices), answers: prompts.prompts.count, longest: longest + options.tokenLimit)
    }
    for (index, contestant) in contestants.enumerated() {
      // Opened when the first answer is missing.
      var session: Session?
      for (number, prompt) in prompts.prompts.enumerated() {
        for variant in variants {
          progress.done += 1
          if records[index].answer(prompt.id, variant: variant) != nil {
            progress.resumed += 1
            continue
          }
          progress.task = "\(contestant.label) draws \(prompt.id)" + (variant > 0 ? ", draw \(variant)" : "")
          guard onProgress(progress) else { return false }
          let open = try session ?? makeSession(contestant, length: longest + options.tokenLimit)
          session = open
          guard let record = try answer(contestant, open, number, variant, onProgress, progress) else {
            return false
          }
          try records[index].append(.answer(record))
        }
      }
    }
    return try runForced(&progress, length: longest + options.tokenLimit, onProgress)
  }

  func makeSession(_ contestant: SVGContestant, length: Int) throws -> Session {
    try Session(
      model: contestant.model, contextLength: length, mode: contestant.mode, threads: options.threads,
      cacheType: contestant.cacheType)
  }

  private func answer(
    _ contestant: SVGContestant, _ session: Session, _ number: Int, _ variant: Int,
    _ onProgress: (Progress) -> Bool, _ progress: Progress
  ) throws -> AnswerRecord? {
    session.reset()
    let start = DispatchTime.now().uptimeNanoseconds
    let generation = TextGeneration(
      sampling: options.sampling(variant), tokenLimit: options.tokenLimit,
      stopTokens: try contestant.stopTokens(usesChatTemplate: options.usesChatTemplate))
    let report = try generation.run(prompt: promptTokens[number], session: session) { _ in
      onProgress(progress)
    }
    guard report.stopReason != .interrupted else { return nil }
    return AnswerRecord(
      prompt: prompts.prompts[number].id, variant: variant, tokens: report.tokens,
      isFinished: report.stopReason == .endOfGeneration,
      seconds: Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9)
  }

  /// XXH64 of an answer's tokens.
  static func hash(_ tokens: [Int32]) -> UInt64 {
    var bytes: [UInt8] = []
    for token in tokens { bytes.appendLittleEndian(token) }
    return bytes.withUnsafeBytes { XXHash64.hash($0) }
  }

  /// What a contestant answered.
  public func answer(of contestant: Int, prompt: Int, variant: Int = 0) -> AnswerRecord? {
    records[contestant].answer(prompts.prompts[prompt].id, variant: variant)
  }

  /// The forced score of a contestant.
  public func forced(of contestant: Int, prompt: Int) -> ForcedScore? {
    guard let answer = answer(of: 0, prompt: prompt) else { return nil }
    let hash = Self.hash(answer.tokens)
    return records[contestant].forced(prompts.prompts[prompt].id, answerHash: hash)?.score
  }
}
