/// What the records of a log say of each prompt.
struct AnswerIndex {
  private struct AnswerKey: Hashable {
    var prompt: String
    var variant: Int
  }

  private struct ForcedKey: Hashable {
    var prompt: String
    var answerHash: UInt64
  }

  private var answers: [AnswerKey: AnswerRecord] = [:]
  private var parts: [AnswerKey: AnswerPart] = [:]
  private var forced: [ForcedKey: ForcedRecord] = [:]

  init(_ records: [AnswerLogRecord]) { for record in records { add(record) } }

  /// Takes in a record behind all others; the first one of an answer, and of a score, counts.
  mutating func add(_ record: AnswerLogRecord) {
    switch record {
    case .answer(let answer):
      let key = AnswerKey(prompt: answer.prompt, variant: answer.variant)
      if answers[key] == nil { answers[key] = answer }
      parts[key] = nil
    case .forced(let score):
      let key = ForcedKey(prompt: score.prompt, answerHash: score.answerHash)
      if forced[key] == nil { forced[key] = score }
    case .part(let part):
      let key = AnswerKey(prompt: part.prompt, variant: part.variant)
      guard answers[key] == nil else { return }
      var whole = parts[key] ?? AnswerPart(prompt: part.prompt, variant: part.variant)
      // A part that leaves a gap, which no run writes, says nothing.
      guard part.firstToken <= whole.tokens.count else { return }
      whole.tokens = whole.tokens[..<part.firstToken] + part.tokens
      whole.seconds = part.seconds
      parts[key] = whole
    }
  }

  /// The answer to a prompt, if it is finished.
  func answer(_ prompt: String, variant: Int) -> AnswerRecord? {
    answers[AnswerKey(prompt: prompt, variant: variant)]
  }

  /// What is drawn of an unfinished answer, from its first token on.
  func part(_ prompt: String, variant: Int) -> AnswerPart? {
    parts[AnswerKey(prompt: prompt, variant: variant)]
  }

  /// The forced score of a prompt for the base's answer with a hash.
  func forced(_ prompt: String, answerHash: UInt64) -> ForcedRecord? {
    forced[ForcedKey(prompt: prompt, answerHash: answerHash)]
  }
}
