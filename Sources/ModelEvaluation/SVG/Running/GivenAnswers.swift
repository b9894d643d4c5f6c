internal import FileBytes
internal import ReferenceRuntime
internal import TextTokenizers

/// Answers of the base, and of the noise floor, that were made elsewhere.
package enum GivenAnswers: Sendable {
  /// A folder that the same evaluation filled, perhaps on another machine.
  case run(folder: String)
  /// Whole answers of the base by another program, by the prompt's id.
  case texts(folder: String, answers: [String: String])

  /// The journal by which a folder of an evaluation is known.
  package static let journalName = "base.journal"

  /// The folder.
  package var folder: String {
    switch self {
    case .run(let folder), .texts(let folder, _): folder
    }
  }
}

/// The answers of one contestant, made elsewhere and found to fit.
struct AcceptedAnswers {
  var answers: [AnswerRecord]
  /// Where they come from, in words.
  var origin: String
  /// What the user should know; empty when nothing.
  var note = ""

  /// A hash of all answers, for a run's own fingerprint.
  var hash: FieldHash {
    var hash = FieldHash()
    for answer in answers {
      hash.add(answer.prompt)
      hash.add(answer.variant)
      hash.add(answer.tokens.map(Int.init))
      hash.add(answer.isFinished ? 1 : 0)
    }
    return hash
  }
}

/// Reads answers from elsewhere, and makes sure that they are answers to this evaluation's questions.
struct GivenAnswerReader {
  let given: GivenAnswers
  let prompts: PromptSet
  let options: SVGRunOptions

  /// Reads the answers of the base or the floor.
  ///
  /// - Parameters:
  ///   - contestant: The base or the floor.
  ///   - fingerprint: What its own answers depend on.
  /// - Returns: Answers to all prompts.
  /// - Throws: ``EvaluationError`` with `answersMismatch` for answers that do not fit; `ResumeLogError`, `FileError`.
  func read(_ contestant: SVGContestant, _ fingerprint: Fingerprint) throws -> AcceptedAnswers {
    let accepted =
      switch given {
      case .run(let folder): try journal(in: folder, contestant, fingerprint)
      case .texts(let folder, let texts): try tokenized(texts, folder, contestant)
      }
    let size = contestant.model.vocabularySize
    for answer in accepted.answers {
      guard let bad = answer.tokens.first(where: { $0 < 0 || Int($0) >= size }) else { continue }
      throw EvaluationError(
        .answersMismatch,
        Fault(
          file: given.folder, subject: "answer to \(answer.prompt)",
          expected: "token ids from 0 to \(size - 1), the vocabulary of \(contestant.model.source)",
          found: "\(bad)", remedy: "give answers of the same model"))
    }
    return accepted
  }

  // MARK: Another run

  private func journal(in folder: String, _ contestant: SVGContestant, _ fingerprint: Fingerprint) throws
    -> AcceptedAnswers
  {
    let words = ResumeLogWords(
      name: "journal", startOver: "give the folder of a finished run of this command, or one of texts")
    var path = "\(folder)/\(GivenAnswers.journalName)"
    let base = try ResumeLog<AnswerLogRecord>.read(path: path, words: words)
    var (found, records) = base
    if contestant.kind == .floor {
      path = "\(folder)/floor-\(base.fingerprint[.model] ?? "").journal"
      guard FileSystem.isFile(path) else {
        throw EvaluationError(
          .answersMismatch,
          Fault(
            file: path, expected: "the answers of the noise floor beside those of the base",
            found: "no such file", remedy: "leave it out with \(.noNoiseFloor), or have it drawn there, too"))
      }
      (found, records) = try ResumeLog<AnswerLogRecord>.read(path: path, words: words)
    }
    try checkSettings(found, fingerprint, path)
    var answers: [AnswerRecord] = []
    let known = AnswerIndex(records)
    for prompt in prompts.prompts {
      for variant in 0...options.sampleCount {
        if let answer = known.answer(prompt.id, variant: variant) { answers.append(answer) }
      }
    }
    let wanted = prompts.prompts.count * (options.sampleCount + 1)
    guard answers.count == wanted else {
      throw EvaluationError(
        .answersMismatch,
        Fault(
          file: path, expected: "\(wanted) answers", found: "\(answers.count)",
          remedy: "let the run there come to its end: the same command continues it"))
    }
    if let long = answers.first(where: { $0.tokens.count > options.tokenLimit }) {
      throw EvaluationError(
        .answersMismatch,
        Fault(
          file: path, subject: "answer to \(long.prompt)", expected: "at most \(options.tokenLimit) tokens",
          found: "\(long.tokens.count)", remedy: "the journal is damaged; copy it again"))
    }
    var (origin, note) = (path, "")
    let (model, version) = (found[.model] ?? "", found[.version] ?? "")
    if model != fingerprint[.model] {
      origin += ", model \(model)"
      note +=
        "answers of another file than \(contestant.model.source): model \(model), here \(contestant.identity)"
    }
    if version != fingerprint[.version] {
      origin += ", Pouch \(version)"
      note += (note.isEmpty ? "answers " : ", ") + "made by Pouch \(version)"
    }
    return AcceptedAnswers(answers: answers, origin: origin, note: note.isEmpty ? "" : "\(path): \(note)")
  }

  /// Compares what answers depend on, but for the file of the model, which may have another format there.
  private func checkSettings(_ found: Fingerprint, _ wanted: Fingerprint, _ path: String) throws {
    let left: Set<String> = [
      Fingerprint.DrawingField.model.rawValue, Fingerprint.DrawingField.version.rawValue,
      Fingerprint.name(of: .baseAnswers),
    ]
    let differences = found.without(left).differences(from: wanted.without(left))
    guard !differences.isEmpty else { return }
    throw EvaluationError(
      .answersMismatch,
      Fault(
        file: path, expected: "answers to the same prompts with the same settings and vocabulary",
        found: "others: \(differences.joined(separator: "; "))",
        remedy: "give the same settings here and there, or have the base draw here without \(.baseAnswers)"))
  }

  // MARK: Texts

  private func tokenized(_ texts: [String: String], _ folder: String, _ contestant: SVGContestant) throws
    -> AcceptedAnswers
  {
    guard contestant.kind == .base, options.sampleCount == 0 else {
      throw EvaluationError(
        .answersMismatch,
        Fault(
          file: folder,
          expected: "the folder of a run of this command for the noise floor, or for seeded draws",
          found: "no \(GivenAnswers.journalName), so answers of the base as texts",
          remedy: "give \(.noNoiseFloor) and no \(.sampleCount), or the folder of a run"))
    }
    let missing = prompts.prompts.filter { texts[$0.id] == nil }
    guard missing.isEmpty else {
      throw EvaluationError(
        .answersMismatch,
        Fault(
          file: folder, expected: "an answer to each of \(prompts.prompts.count) prompts",
          found: "none to \(missing.count) of them, such as \(missing[0].id)",
          remedy: "add files like \(missing[0].id).txt, or give fewer prompts with \(.promptLimit)"))
    }
    let answers = try prompts.prompts.map { prompt in
      let tokens = contestant.tokenizer.encode(
        texts[prompt.id] ?? "", addSpecial: false, parseSpecial: false)
      guard tokens.count <= options.tokenLimit else {
        throw EvaluationError(
          .answersMismatch,
          Fault(
            file: folder, subject: "answer to \(prompt.id)",
            expected: "at most \(options.tokenLimit) tokens (\(.tokenLimit))", found: "\(tokens.count)",
            remedy: "give \(.tokenLimit) \(tokens.count) or more"))
      }
      return AnswerRecord(prompt: prompt.id, variant: 0, tokens: tokens, isFinished: true, seconds: 0)
    }
    return AcceptedAnswers(
      answers: answers, origin: "\(folder), texts",
      note:
        "\(folder): texts, taken for finished greedy answers of the base; how they were made is not checked")
  }
}
