/// How a mixture chooses the experts of a token and weighs them.
package struct Router: Hashable, Sendable {
  /// What makes a probability of an expert's score.
  package enum Scoring: Hashable, Sendable {
    /// A softmax over all experts.
    case softmax
    case sigmoid
    /// A softmax over the scores of the chosen experts alone, chosen by score.
    case chosenSoftmax
    /// Chosen one after the other by score, each weighed by a softmax over the experts that are left and near it
    /// (arXiv:2409.12136): within `2 * jitter` of its score, as a share of the greater of that and their own size.
    case sparseMixer(jitter: Double)
  }

  /// What keeps a sum of weights from being 0 where weights are divided by it.
  package enum SumGuard: Hashable, Sendable {
    /// A number that is added to it.
    case added(Double)
    /// The least that it counts as.
    case atLeast(Double)
  }

  /// How groups of experts are chosen before the experts.
  package enum GroupRule: Hashable, Sendable {
    /// By the highest probability in a group; experts of other groups count as 0 (DeepSeek-V2).
    case highest
    /// By the sum of the two highest scores; experts of other groups are left out (DeepSeek-V3).
    case twoHighest
  }

  /// What makes a probability of a score.
  package var scoring = Scoring.softmax
  /// Whether the router takes not what the experts take, but the stream before all norms: normed without weights,
  /// times a vector of its own, over the root of the stream's width.
  package var hasOwnInput = false
  /// Whether a bias for each expert is added to the scores.
  package var hasBias = false
  /// Groups of consecutive experts, all of the same size; 1 when there are none.
  package var groupCount = 1
  /// The groups that a token may choose experts from.
  package var usedGroupCount = 1
  /// How groups are chosen.
  package var groupRule = GroupRule.twoHighest
  /// Whether a bias for each expert is added to the probabilities for the choice, not for the weights.
  package var hasSelectionBias = false
  /// Whether the weights of the chosen experts are divided by their sum.
  package var normalizesTopK: Bool
  /// What keeps that sum from being 0.
  package var sumGuard = SumGuard.added(1e-20)
  /// Whether a number for each expert multiplies its weight after that.
  package var hasExpertScales = false
  /// What the weights are multiplied by at last.
  package var scale = 1.0

  /// Creates a router without groups and bias.
  package init(scoring: Scoring = .softmax, normalizesTopK: Bool) {
    self.scoring = scoring
    self.normalizesTopK = normalizesTopK
  }

  /// What is impossible about groups.
  package enum GroupFault: Hashable, Sendable {
    /// Their number; the text says what it must be.
    case count(String)
    /// The number that a token may choose from; the text says what it must be.
    case usedCount(String)
  }

  /// What is impossible about the groups for so many experts.
  ///
  /// - Parameters:
  ///   - expertCount: Routed experts.
  ///   - usedCount: Routed experts per token.
  /// - Returns: The first fault; `nil` for groups that can be.
  package func groupFault(expertCount: Int, usedCount: Int) -> GroupFault? {
    guard groupCount > 0, expertCount % groupCount == 0 else {
      return .count("a divisor of the number of experts (\(expertCount))")
    }
    guard groupCount > 1 else { return nil }
    let size = expertCount / groupCount
    guard (1...groupCount).contains(usedGroupCount) else { return .usedCount("1 to \(groupCount) groups") }
    guard usedGroupCount * size >= usedCount else {
      return .usedCount("groups with at least \(usedCount) of the \(expertCount) experts")
    }
    guard size > 1 || groupRule == .highest else {
      return .count("groups of at least two experts, whose scores are added")
    }
    return nil
  }
}
