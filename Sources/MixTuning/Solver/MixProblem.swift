/// What every group of tensors may become, with what that takes and costs.
///
/// A multiple-choice knapsack: one choice for each group, the sum of bytes within a budget, the sum of losses as small as can
/// be.
package struct MixProblem: Hashable, Sendable {
  /// One type for a group.
  package struct Choice: Hashable, Sendable {
    /// Bytes that the group's tensors take.
    package var byteCount: Int
    /// What the choice costs, in nats per token; any finite number.
    package var loss: Double

    /// Creates a choice.
    package init(byteCount: Int, loss: Double) {
      self.byteCount = byteCount
      self.loss = loss
    }
  }

  /// The choices of each group, none empty.
  package var groups: [[Choice]]

  /// Creates a problem.
  package init(groups: [[Choice]]) { self.groups = groups }

  /// The fewest bytes that any mix takes.
  package var leastByteCount: Int { groups.reduce(0) { $0 + ($1.map(\.byteCount).min() ?? 0) } }

  /// The bytes of the mix that takes the largest choice everywhere.
  package var greatestByteCount: Int { groups.reduce(0) { $0 + ($1.map(\.byteCount).max() ?? 0) } }
}

/// The mix that a solver found.
package struct MixSolution: Hashable, Sendable {
  /// The index of the choice of each group.
  package var choices: [Int]
  /// Bytes of all groups.
  package var byteCount: Int
  /// The sum of the losses.
  package var loss: Double
  /// No mix within the budget loses less than this.
  package var lowerBound: Double
  /// Whether no mix is better; otherwise the solver ran out of room, and the difference to the bound is what is open.
  package var isOptimal: Bool
}
