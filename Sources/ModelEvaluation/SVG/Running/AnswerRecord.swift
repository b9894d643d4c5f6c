/// One answer of a model to a prompt.
public struct AnswerRecord: Hashable, Sendable {
  /// The prompt's id.
  public var prompt: String
  /// 0 for the greedy answer, then the number of the seeded draw.
  public var variant: Int
  /// The tokens, without the one that ended the answer.
  public var tokens: [Int32]
  /// Whether the model ended the answer itself.
  public var isFinished: Bool
  /// Seconds it took.
  public var seconds: Double
}

/// Tokens that were drawn of an unfinished answer, behind those of earlier parts.
public struct AnswerPart: Hashable, Sendable {
  /// The prompt's id.
  public var prompt: String
  /// 0 for the greedy answer, then the number of the seeded draw.
  public var variant: Int
  /// The place of the first token in the answer.
  public var firstToken = 0
  /// The tokens.
  public var tokens: [Int32] = []
  /// Seconds that the answer took so far.
  public var seconds = 0.0
}

/// What teacher forcing found for a model and a prompt.
public struct ForcedRecord: Hashable, Sendable {
  /// The prompt's id.
  public var prompt: String
  /// XXH64 of the tokens of the base's answer.
  public var answerHash: UInt64
  /// The sums.
  public var score: ForcedScore
}
