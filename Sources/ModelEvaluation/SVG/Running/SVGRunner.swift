internal import FileBytes
internal import ReferenceRuntime
internal import TextTokenizers

/// Makes answers and forced scores, and keeps them in a folder so that a run that was cut off goes on where it stopped.
package final class SVGRunner {
  /// How far a run is.
  package struct Progress: Hashable, Sendable {
    /// Several answers that are being drawn.
    package struct Drawing: Hashable, Sendable {
      /// The contestant.
      package var label: String
      /// How many at a time.
      package var plan: DrawingPlan
      /// Answers that were missing.
      package var answerCount: Int
      /// The most tokens of an answer.
      package var tokenLimit: Int
      /// What is drawn of unfinished answers, counted in answers that are as long as they may be.
      package var startedShare = 0.0
      /// The most seconds to go for the contestant; `nil` before there were a few steps.
      package var secondsLeft: Double?
    }

    /// Answers and forced passes done, those of earlier runs included.
    package var done: Int
    /// All of them.
    package var total: Int
    /// Those that were done before.
    package var resumed: Int
    /// What is being worked on.
    package var task: String
    /// Set while answers are drawn.
    package var drawing: Drawing?
  }

  /// The prompts.
  package let prompts: PromptSet
  /// The settings.
  package let options: SVGRunOptions
  /// The contestants, the base first.
  package let contestants: [SVGContestant]
  let records: [AnswerLog]
  let promptTokens: [[Int32]]
  /// The numbers of the prompts that are answered here: every so manyth one in a part.
  let ownPrompts: [Int]
  /// Where the answers of each contestant come from that were made elsewhere.
  package let origins: [String?]
  /// What the user should know of answers that were made elsewhere, one sentence each.
  package let notes: [String]

  /// Prepares a run.
  ///
  /// - Parameters:
  ///   - prompts: The prompts.
  ///   - contestants: The base first, then the models compared with it.
  ///   - folder: Where results are kept; it must exist.
  ///   - options: The settings.
  ///   - given: Answers of the base, and of the floor, from elsewhere, which are taken instead of drawn.
  ///   - division: Whether a part of the prompts is answered, or all parts are joined.
  ///   - version: The version of Pouch.
  ///   - force: Whether results of another run in the folder are thrown away.
  /// - Throws: ``EvaluationError`` with `tokenizerMismatch`, `vocabularyMismatch` or `answersMismatch`, when parts are
  ///   joined `partsMissing` or `partsMismatch`; `ResumeLogError`
  ///   for a folder that another run uses or has filled; `FileError`, `TokenizerError`.
  package init(
    prompts: PromptSet, contestants: [SVGContestant], folder: String, options: SVGRunOptions,
    given: GivenAnswers? = nil, division: Division = .none, version: String, force: Bool
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
    let vocabulary = try base.vocabularyHash(promptTokens, usesChatTemplate: options.usesChatTemplate)
    let reader = given.map { GivenAnswerReader(given: $0, prompts: prompts, options: options) }
    var accepted: [AcceptedAnswers?] = []
    let fingerprints = try contestants.map { contestant in
      var fingerprint = Fingerprint(contestant, prompts, options, version: version)
      guard contestant.kind == .base || contestant.kind == .floor else {
        accepted.append(nil)
        return fingerprint
      }
      fingerprint.add(.vocabulary, vocabulary)
      let answers = try reader?.read(contestant, fingerprint)
      accepted.append(answers)
      if let answers { fingerprint.add(.baseAnswers, answers.hash) }
      return fingerprint
    }
    origins = accepted.map { $0?.origin }
    notes = accepted.compactMap { $0?.note }.filter { !$0.isEmpty }
    let joined = try JoinedAnswers(
      division, contestants, fingerprints, prompts: prompts, sampleCount: options.sampleCount)
    let part = division.part
    ownPrompts = prompts.prompts.indices.filter { part == nil || $0 % (part?.count ?? 1) == part?.index }
    records = try zip(contestants, fingerprints).map { contestant, fingerprint in
      try AnswerLog(
        path: "\(folder)/\(contestant.recordName)", fingerprint: part.map(fingerprint.of) ?? fingerprint,
        force: force, isShared: part != nil)
    }
    for (log, found) in zip(records, joined.records) {
      for record in found where !log.holds(record) { try log.append(record) }
    }
    for (log, answers) in zip(records, accepted) {
      for answer in answers?.answers ?? []
      where log.answer(answer.prompt, variant: answer.variant) == nil { try log.append(.answer(answer)) }
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
            "compare quantized models with their own base; drawings of others can be given with \(.includedDrawings)"
        ))
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
  /// - Parameter onProgress: Called now and then; `false` ends the run.
  /// - Returns: Whether everything is there.
  /// - Throws: `RuntimeError`, `FileError`, ``EvaluationError``.
  package func run(onProgress: (Progress) -> Bool) throws -> Bool {
    var progress = Progress(done: 0, total: 0, resumed: 0, task: "")
    progress.total =
      ownPrompts.count * (contestants.count * (options.sampleCount + 1) + contestants.count - 1)
    // A limit that is too small is found before anything is drawn.
    if options.limits.allowed != nil {
      _ = try plan(
        Array(contestants.indices), answers: max(1, ownPrompts.count), longest: contextLength,
        others: leastDrawingByteCount)
    }
    for index in contestants.indices {
      guard try draw(index, &progress, onProgress) else { return false }
    }
    return try runForced(&progress, length: contextLength, onProgress)
  }

  func makeSession(_ contestant: SVGContestant, length: Int) throws -> Session {
    try Session(
      model: contestant.model, contextLength: length, mode: contestant.mode, threads: options.threads,
      cacheType: contestant.cacheType)
  }

  /// XXH64 of an answer's tokens.
  static func hash(_ tokens: [Int32]) -> UInt64 {
    var bytes: [UInt8] = []
    for token in tokens { bytes.appendLittleEndian(token) }
    return bytes.withUnsafeBytes { XXHash64.hash($0) }
  }

  /// What a contestant answered.
  package func answer(of contestant: Int, prompt: Int, variant: Int = 0) -> AnswerRecord? {
    records[contestant].answer(prompts.prompts[prompt].id, variant: variant)
  }

  /// The forced score of a contestant.
  package func forced(of contestant: Int, prompt: Int) -> ForcedScore? {
    guard let answer = answer(of: 0, prompt: prompt) else { return nil }
    let hash = Self.hash(answer.tokens)
    return records[contestant].forced(prompts.prompts[prompt].id, answerHash: hash)?.score
  }
}
