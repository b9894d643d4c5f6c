/// Finds the mix of least loss within a budget, exactly.
///
/// Partial mixes that no other one of the same groups beats in both bytes and loss are extended group by group (Nemhauser and
/// Ullmann, 1969); those that cannot beat the best mix known, by the linear relaxation of the groups to come, are dropped. Of
/// equal losses the smaller file wins, then the earlier choice in the first group that differs.
package struct MixSolver: Sendable {
  private let groups: [[KnapsackChoice]]
  private let scale: LossScale
  private let bounds: SuffixBounds

  /// Partial mixes kept at most, of all groups together: 32 bytes each.
  package static let defaultStateLimit = 16 << 20

  /// Prepares a problem, for any number of budgets.
  package init(_ problem: MixProblem) {
    let scale = LossScale(problem)
    self.scale = scale
    groups = problem.groups.map { choices in
      let all = choices.enumerated().map {
        KnapsackChoice(byteCount: $1.byteCount, loss: scale.units($1.loss), index: $0)
      }.sorted { ($0.byteCount, $0.loss, $0.index) < ($1.byteCount, $1.loss, $1.index) }
      return all.reduce(into: []) { kept, choice in
        if let last = kept.last, last.loss <= choice.loss { return }
        kept.append(choice)
      }
    }
    bounds = SuffixBounds(groups)
  }

  /// A partial mix: the choice that it ends with, and the one that it extends.
  private struct State {
    var byteCount: Int
    var loss: Int
    var parent: Int32
    var choice: Int32
  }

  /// Solves the problem for one budget.
  ///
  /// - Parameters:
  ///   - budget: Bytes of all groups at most.
  ///   - stateLimit: Partial mixes kept at most; beyond it the best mix found is returned, with what is open.
  /// - Returns: The mix; `nil` when none fits.
  package func solve(budget: Int, stateLimit: Int = MixSolver.defaultStateLimit) -> MixSolution? {
    guard let root = bounds.range(from: 0, budget: budget) else { return nil }
    var steps: [[State]] = [[State(byteCount: 0, loss: 0, parent: -1, choice: -1)]]
    var best = root.high
    var stateCount = 0
    var isComplete = true
    for index in groups.indices {
      let extended = extend(steps, by: groups[index])
      let ranges = extended.map { bounds.range(from: index + 1, budget: budget - $0.byteCount) }
      for (state, range) in zip(extended, ranges) {
        if let range { best = min(best, state.loss + range.high) }
      }
      var kept: [State] = []
      for (state, range) in zip(extended, ranges) {
        if let range, state.loss + range.low <= best { kept.append(state) }
      }
      if stateCount + kept.count > stateLimit {
        isComplete = false
        kept = promising(
          kept, from: index + 1, budget: budget, count: max(1, stateLimit / (4 * groups.count)))
      }
      stateCount += kept.count
      steps.append(kept)
    }
    // Each state of a step loses less than those before it.
    guard let found = steps[groups.count].last else { return nil }
    let loss = scale.loss(found.loss)
    return MixSolution(
      choices: choices(of: found, after: groups.count, in: steps), byteCount: found.byteCount, loss: loss,
      lowerBound: isComplete ? loss : scale.loss(min(found.loss, root.low)), isOptimal: isComplete)
  }

  /// All partial mixes of one group more that none of them beats, by bytes.
  private func extend(_ steps: [[State]], by choices: [KnapsackChoice]) -> [State] {
    let states = steps[steps.count - 1]
    var all: [State] = []
    all.reserveCapacity(states.count * choices.count)
    for choice in choices {
      for (parent, state) in states.enumerated() {
        all.append(
          State(
            byteCount: state.byteCount + choice.byteCount, loss: state.loss + choice.loss,
            parent: Int32(parent), choice: Int32(choice.index)))
      }
    }
    all.sort { ($0.byteCount, $0.loss) < ($1.byteCount, $1.loss) }
    var kept: [State] = []
    for state in all {
      guard let last = kept.last, last.loss <= state.loss else {
        kept.append(state)
        continue
      }
      if last.loss == state.loss, last.byteCount == state.byteCount,
        self.choices(of: state, after: steps.count, in: steps)
          .lexicographicallyPrecedes(self.choices(of: last, after: steps.count, in: steps))
      {
        kept[kept.count - 1] = state
      }
    }
    return kept
  }

  /// Those of some partial mixes that may lead to the least loss, by bytes; the one that the best mix known begins with is
  /// among them.
  private func promising(_ states: [State], from first: Int, budget: Int, count: Int) -> [State] {
    let ranked = states.compactMap { state -> (state: State, low: Int, high: Int)? in
      guard let range = bounds.range(from: first, budget: budget - state.byteCount) else { return nil }
      return (state, state.loss + range.low, state.loss + range.high)
    }.sorted { ($0.low, $0.state.byteCount) < ($1.low, $1.state.byteCount) }
    var chosen = ranked.prefix(count).map(\.state)
    if let best = ranked.min(by: { ($0.high, $0.state.byteCount) < ($1.high, $1.state.byteCount) })?.state,
      !chosen.contains(where: { $0.byteCount == best.byteCount })
    {
      chosen.append(best)
    }
    return chosen.sorted { $0.byteCount < $1.byteCount }
  }

  /// The choices of the first groups that a partial mix stands for.
  private func choices(of state: State, after count: Int, in steps: [[State]]) -> [Int] {
    var choices = [Int](repeating: 0, count: count)
    var state = state
    for index in stride(from: count - 1, through: 0, by: -1) {
      choices[index] = Int(state.choice)
      state = steps[index][Int(state.parent)]
    }
    return choices
  }
}
