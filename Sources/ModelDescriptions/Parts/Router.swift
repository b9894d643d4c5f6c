/// How a mixture chooses the experts of a token and weighs them.
public struct Router: Hashable, Sendable {
  /// What makes a probability of an expert's score.
  public enum Scoring: Hashable, Sendable {
    case softmax
    case sigmoid
  }

  /// How groups of experts are chosen before the experts.
  public enum GroupRule: Hashable, Sendable {
    /// By the highest probability in a group; experts of other groups count as 0 (DeepSeek-V2).
    case highest
    /// By the sum of the two highest scores; experts of other groups are left out (DeepSeek-V3).
    case twoHighest
  }

  /// What makes a probability of a score.
  public var scoring = Scoring.softmax
  /// Groups of consecutive experts, all of the same size; 1 when there are none.
  public var groupCount = 1
  /// The groups that a token may choose experts from.
  public var usedGroupCount = 1
  /// How groups are chosen.
  public var groupRule = GroupRule.twoHighest
  /// Whether a bias for each expert is added to the probabilities for the choice, not for the weights.
  public var hasSelectionBias = false
  /// Whether the weights of the chosen experts are divided by their sum.
  public var normalizesTopK: Bool
  /// What the weights are multiplied by at last.
  public var scale = 1.0

  /// Creates a router without groups and bias.
  public init(scoring: Scoring = .softmax, normalizesTopK: Bool) {
    self.scoring = scoring
    self.normalizesTopK = normalizesTopK
  }
}
