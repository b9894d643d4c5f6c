/// What every group of tensors may become, with what that takes and costs.
///
/// A multiple-choice knapsack: one choice for each group, the sum of bytes within a budget, the sum of losses as small as can
/// be.
public struct MixProblem: Hashable, Sendable {
  /// One type for a group.
  public struct Choice: Hashable, Sendable {
    /// Bytes that the group's tensors take.
    public var byteCount: Int
    /// What the choice costs, in nats per token; any finite number.
    public var loss: Double

    /// Creates a choice.
    public init(byteCount: Int, loss: Double) {
      self.byteCount = byteCount
      self.loss = loss
    }
  }

  /// The choices of each group, none empty.
  public var groups: [[Choice]]

  /// Creates a problem.
  public init(groups: [[Choice]]) { self.groups = groups }

  /// The fewest bytes that any mix takes.
  public var leastByteCount: Int { groups.reduce(0) { $0 + ($1.map(\.byteCount).min() ?? 0) } }

  /// The bytes of the mix that takes the largest choice everywhere.
  public var greatestByteCount: Int { groups.reduce(0) { $0 + ($1.map(\.byteCount).max() ?? 0) } }
}

/// The mix that a solver found.
public struct MixSolution: Hashable, Sendable {
  /// The index of the choice of each group.
  public var choices: [Int]
  /// Bytes of all groups.
  public var byteCount: Int
  /// The sum of the losses.
  public var loss: Double
  /// No mix within the budget loses less than this.
  public var lowerBound: Double
  /// Whether no mix is better; otherwise the solver ran out of room, and the difference to the bound is what is open.
  public var isOptimal: Bool
}
