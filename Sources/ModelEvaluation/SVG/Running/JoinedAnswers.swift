package import FileBytes

extension SVGRunner {
  /// How prompts are divided over several runs.
  package enum Division {
    /// All of them are answered here.
    case none
    /// Those of a part are.
    case part(RunPart)
    /// All of them were answered in these folders, one of each part; `command` makes a part, for messages.
    case joining(folders: [String], command: (_ part: RunPart, _ folder: String?) -> String)

    /// The part that is answered here.
    var part: RunPart? { if case .part(let part) = self { part } else { nil } }
  }
}

/// Answers and scores that the parts of an evaluation made.
struct JoinedAnswers {
  /// The records of each contestant; nothing when no parts are joined.
  private(set) var records: [[AnswerLogRecord]]

  /// Reads the folders of all parts.
  ///
  /// - Throws: ``EvaluationError`` with `partsMissing`, naming all parts that are not complete, or `partsMismatch`;
  ///   `ResumeLogError`, `FileError`.
  init(
    _ division: SVGRunner.Division, _ contestants: [SVGContestant], _ fingerprints: [Fingerprint],
    prompts: PromptSet, sampleCount: Int
  ) throws {
    records = contestants.map { _ in [] }
    guard case .joining(let folders, let command) = division else { return }
    var problems: [RunPart: String] = [:]
    var count = 0
    var base = AnswerIndex([])
    for (number, contestant) in contestants.enumerated() {
      let name = "/\(contestant.recordName).journal"
      var own: [AnswerLogRecord] = []
      let states = try PartStates(folders.map { $0 + name }, fingerprints[number]) { path in
        let (found, records) = try ResumeLog<AnswerLogRecord>.read(path: path, words: AnswerLog.words)
        own += records
        return found
      }
      count = states.count
      let index = AnswerIndex(own)
      if number == 0 { base = index }
      records[number] = own
      for part in RunPart.all(of: count) where problems[part] == nil {
        let wanted = prompts.prompts.indices.filter { $0 % count == part.index }.map {
          prompts.prompts[$0].id
        }
        let missing = wanted.count { id in
          let isAnswered = (0...sampleCount).allSatisfy { index.answer(id, variant: $0) != nil }
          guard isAnswered, number > 0, let answer = base.answer(id, variant: 0) else { return !isAnswered }
          return index.forced(id, answerHash: SVGRunner.hash(answer.tokens)) == nil
        }
        guard missing > 0 else { continue }
        guard let path = states.paths[part] else {
          problems[part] = "part \(part) has no folder: \(command(part, nil))"
          continue
        }
        problems[part] =
          "part \(part) lacks answers to \(missing) of \(wanted.count) prompts, or the models' reading of them: "
          + command(part, String(path.dropLast(name.count)))
      }
    }
    try PartStates.refuse(
      problems.sorted { $0.key.number < $1.key.number }.map(\.value), of: count, file: folders.first ?? "")
  }
}
