/// One answer of a model to a prompt.
package struct AnswerRecord: Hashable, Sendable {
  /// The prompt's id.
  package var prompt: String
  /// 0 for the greedy answer, then the number of the seeded draw.
  package var variant: Int
  /// The tokens, without the one that ended the answer.
  package var tokens: [Int32]
  /// Whether the model ended the answer itself.
  package var isFinished: Bool
  /// Seconds it took.
  package var seconds: Double
}

/// Tokens that were drawn of an unfinished answer, behind those of earlier parts.
package struct AnswerPart: Hashable, Sendable {
  /// The prompt's id.
  package var prompt: String
  /// 0 for the greedy answer, then the number of the seeded draw.
  package var variant: Int
  /// The place of the first token in the answer.
  package var firstToken = 0
  /// The tokens.
  package var tokens: [Int32] = []
  /// Seconds that the answer took so far.
  package var seconds = 0.0
}

/// What teacher forcing found for a model and a prompt.
package struct ForcedRecord: Hashable, Sendable {
  /// The prompt's id.
  package var prompt: String
  /// XXH64 of the tokens of the base's answer.
  package var answerHash: UInt64
  /// The sums.
  package var score: ForcedScore
}
