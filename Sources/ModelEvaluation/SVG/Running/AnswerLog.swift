internal import FileBytes

/// What a contestant has answered so far, on disk, so that a run that was cut off goes on.
final class AnswerLog {
  private let log: ResumeLog<AnswerLogRecord>
  private var index: AnswerIndex

  static let words = ResumeLogWords(
    name: "journal", startOver: "give another \(.outputFolder), or \(.overwrites) to start over")

  /// Opens or creates the log.
  ///
  /// - Parameters:
  ///   - path: The file, without its ending `.journal`.
  ///   - fingerprint: What the answers depend on.
  ///   - force: Whether answers of another run are thrown away.
  ///   - isShared: Whether processes on other machines may open it, too.
  /// - Throws: `FileError`, `ResumeLogError`.
  init(path: String, fingerprint: Fingerprint, force: Bool, isShared: Bool) throws {
    // What versions before journals left: not to be gone on with, and not to be mistaken for today's answers.
    let old = path + ".jsonl"
    if force {
      FileSystem.remove(old)
    } else if FileSystem.isFile(old) {
      throw ResumeLogError(
        .notALog,
        Fault(
          file: old, expected: "answers of this version of Pouch", found: "those of an earlier one",
          remedy: Self.words.startOver))
    }
    log = try ResumeLog(
      path: path + ".journal", fingerprint: fingerprint, words: Self.words,
      opening: force ? .replacesOthers : .goesOn, isShared: isShared)
    index = AnswerIndex(log.existing)
  }

  /// Adds a result; it is in the file when this returns.
  func append(_ record: AnswerLogRecord) throws {
    try log.append(record)
    index.add(record)
  }

  /// Whether an answer or a score is there already.
  func holds(_ record: AnswerLogRecord) -> Bool {
    switch record {
    case .answer(let answer): self.answer(answer.prompt, variant: answer.variant) != nil
    case .forced(let score): forced(score.prompt, answerHash: score.answerHash) != nil
    case .part: true
    }
  }

  /// The answer to a prompt, if it is there.
  func answer(_ prompt: String, variant: Int) -> AnswerRecord? { index.answer(prompt, variant: variant) }

  /// What is drawn of an unfinished answer, from its first token on.
  func part(_ prompt: String, variant: Int) -> AnswerPart? { index.part(prompt, variant: variant) }

  /// The forced score of a prompt for the base's answer with a hash.
  func forced(_ prompt: String, answerHash: UInt64) -> ForcedRecord? {
    index.forced(prompt, answerHash: answerHash)
  }
}
