internal import CheckpointConversion
internal import FileBytes
internal import MemoryEstimation
internal import QuantRecipes
internal import ReportPages

/// Solves budgets with a table.
///
/// The size of a file depends on its header, and this on the recipe's name and hash: a mix is solved, written as a recipe and
/// planned, and solved again with what the plan says until the sizes agree.
package struct MixTuner: Sendable {
  /// A mix that was found, with the recipe that makes it.
  package struct Result: Sendable {
    /// The mix.
    package var mix: TunedMix
    /// Its recipe.
    package var written: RecipeWriter.Written
  }

  private let table: SensitivityTable
  private let plan: TuningPlan
  private let constrained: ConstrainedProblem
  private let problem: MixProblem
  private let solver: MixSolver
  private let writer: RecipeWriter
  /// The recipe that results stand on; `nil` for none.
  private let base: String?

  /// Prepares a table.
  ///
  /// - Parameters:
  ///   - table: The table.
  ///   - plan: The plans that it is of.
  ///   - constraints: What mixes must keep to.
  ///   - base: The recipe that results stand on; `nil` for none.
  /// - Throws: ``TuningError`` with `badConstraint`; `RecipeError`.
  package init(
    _ table: SensitivityTable, plan: TuningPlan, constraints: MixConstraints, base: String? = nil
  ) throws {
    self.table = table
    self.plan = plan
    self.base = base
    constrained = try ConstrainedProblem(table, constraints)
    problem = constrained.problem
    solver = MixSolver(problem)
    writer = try RecipeWriter(table, plan: plan)
  }

  /// Finds the best mix for a budget.
  ///
  /// - Parameters:
  ///   - budget: The budget.
  ///   - name: The name of the recipe.
  ///   - file: The path that the recipe will have.
  /// - Returns: The mix and its recipe.
  /// - Throws: ``TuningError`` with `budgetOutOfReach`, `groupNotExpressible`; `RecipeError`; errors of the planner and the
  ///   estimate.
  package func solve(_ budget: TunedMix.Budget, name: String, file: String) throws -> Result {
    try checkReach(budget, name: name, file: file)
    if case .divergence(let limit) = budget {
      return try result(try smallest(within: limit), budget, name: name, file: file)
    }
    // What a file takes beside the groups differs from mix to mix by the texts of its recipe alone.
    let smallest = try end(isLeast: true, budget, name: name, file: file)
    var beside = try measure(smallest, budget) - problem.leastByteCount
    var fitting = smallest
    for _ in 0..<8 {
      guard let solution = solver.solve(budget: limit(of: budget) - beside) else { break }
      let found = try result(solution, budget, name: name, file: file)
      let measure = try measure(found, budget)
      if measure <= limit(of: budget), found.mix.predictedDivergence <= fitting.mix.predictedDivergence {
        fitting = found
      }
      if measure - solution.byteCount == beside { break }
      beside = measure - solution.byteCount
    }
    return fitting
  }

  /// The limit of a budget in bytes.
  private func limit(of budget: TunedMix.Budget) -> Int {
    switch budget {
    case .size(let bytes): bytes
    case .bitsPerWeight(let bits):
      // Bits that are larger than any type's are no less out of reach for being cut.
      Int(min(bits, 1024) * Double(table.model.weights) / 8)
    case .memory(let bytes, _): bytes
    case .divergence: .max
    }
  }

  /// What a result has of the budget's measure, in bytes.
  private func measure(_ result: Result, _ budget: TunedMix.Budget) throws -> Int {
    switch budget {
    case .size: result.mix.fileByteCount
    case .bitsPerWeight: Int((result.mix.bitsPerWeight * Double(table.model.weights) / 8).rounded())
    case .memory(_, let context): try MixMemory.byteCount(result.written.recipe, plan, contextLength: context)
    case .divergence: 0
    }
  }

  /// A solution as a mix with its recipe and the size of its file.
  private func result(
    _ solution: MixSolution, _ budget: TunedMix.Budget, name: String, file: String
  ) throws -> Result {
    var choices = [Int](repeating: 0, count: table.rows.count)
    for (unit, choice) in zip(constrained.units, solution.choices) {
      for (row, candidate) in zip(unit.rows, unit.choices[choice].candidates) { choices[row] = candidate }
    }
    // Added up in one way, whichever way the solution was found.
    let loss = zip(problem.groups, solution.choices).reduce(0) { $0 + $1.0[$1.1].loss }
    var mix = TunedMix(
      budget: budget, choices: choices, fileByteCount: 0, bitsPerWeight: 0, predictedDivergence: loss,
      lowerBound: solution.isOptimal ? loss : min(loss, solution.lowerBound), isOptimal: solution.isOptimal)
    // The comment of a recipe says the size of the file, in whose header stands the hash of the recipe: of one length, whatever
    // the comment says.
    let planned = try plan.conversion(
      to: try writer.recipe(for: mix, name: name, file: file, base: base).recipe
    ).plan
    mix.fileByteCount = planned.fileByteCount
    mix.bitsPerWeight = planned.bitsPerWeight
    return Result(mix: mix, written: try writer.recipe(for: mix, name: name, file: file, base: base))
  }

  // MARK: - Divergence as the limit

  /// The smallest mix whose loss is within a limit, to some parts in 2^40 of it, and of those the one that loses least.
  private func smallest(within limit: Double) throws -> MixSolution {
    // The same problem with sizes and losses exchanged; losses are rounded up, in steps of a part in 2^40 of the limit.
    let unit = limit > 0 ? limit / 0x1p40 : 1
    var kept: [[Int]] = []
    let exchanged = MixProblem(
      groups: problem.groups.map { choices in
        let within = choices.indices.filter { choices[$0].loss <= limit }
        kept.append(within)
        return within.map {
          MixProblem.Choice(
            byteCount: Int((choices[$0].loss / unit).rounded(.up)), loss: Double(choices[$0].byteCount))
        }
      })
    guard kept.allSatisfy({ !$0.isEmpty }),
      // What rounding up adds must not exclude a mix that loses just as much as it may.
      let found = MixSolver(exchanged).solve(
        budget: Int((limit / unit).rounded(.down)) + problem.groups.count)
    else { throw outOfReach(.divergence(limit), lossRange) }
    let choices = zip(kept, found.choices).map { $0[$1] }
    let chosen = zip(problem.groups, choices).map { $0[$1] }
    let loss = chosen.reduce(0) { $0 + $1.loss }
    return MixSolution(
      choices: choices, byteCount: chosen.reduce(0) { $0 + $1.byteCount }, loss: loss, lowerBound: loss,
      isOptimal: found.isOptimal)
  }

  /// The losses of the best and the worst choices.
  private var lossRange: ClosedRange<Double> {
    let least = problem.groups.reduce(0) { $0 + ($1.map(\.loss).min() ?? 0) }
    let most = problem.groups.reduce(0) { $0 + ($1.map(\.loss).max() ?? 0) }
    return least...max(least, most)
  }

  // MARK: - Out of reach

  /// The measures of the smallest and the largest mix.
  private func measures(
    _ budget: TunedMix.Budget, name: String, file: String
  ) throws -> ClosedRange<Double> {
    if case .divergence = budget { return lossRange }
    let ends = try [true, false].map { isLeast -> Double in
      let end = try end(isLeast: isLeast, budget, name: name, file: file)
      if case .bitsPerWeight = budget { return end.mix.bitsPerWeight }
      return Double(try measure(end, budget))
    }
    return ends[0]...max(ends[0], ends[1])
  }

  /// The mix of the smallest choices, or of the largest.
  private func end(
    isLeast: Bool, _ budget: TunedMix.Budget, name: String, file: String
  ) throws -> Result {
    let choices = problem.groups.map { choices in
      choices.indices.min {
        let (a, b) = (choices[$0], choices[$1])
        return isLeast
          ? (a.byteCount, a.loss) < (b.byteCount, b.loss) : (b.byteCount, a.loss) < (a.byteCount, b.loss)
      } ?? 0
    }
    let chosen = zip(problem.groups, choices).map { $0[$1] }
    let loss = chosen.reduce(0) { $0 + $1.loss }
    return try result(
      MixSolution(
        choices: choices, byteCount: chosen.reduce(0) { $0 + $1.byteCount }, loss: loss, lowerBound: loss,
        isOptimal: true), budget, name: name, file: file)
  }

  /// Refuses a budget that no mix meets, or that the largest mix leaves something of.
  private func checkReach(_ budget: TunedMix.Budget, name: String, file: String) throws {
    let range = try measures(budget, name: name, file: file)
    let wanted: Double =
      switch budget {
      case .size(let bytes), .memory(let bytes, _): Double(bytes)
      case .bitsPerWeight(let bits): bits
      case .divergence(let nats): nats
      }
    guard range.contains(wanted) else { throw outOfReach(budget, range) }
  }

  private func outOfReach(_ budget: TunedMix.Budget, _ range: ClosedRange<Double>) -> TuningError {
    let (setting, unit, found): (Setting, String, Wording) =
      switch budget {
      case .size(let bytes): (.targetSize, " bytes", "\(bytes)")
      case .bitsPerWeight(let bits): (.targetBitsPerWeight, " bits per weight", "\(bits)")
      case .memory(let bytes, _): (.targetMemory, " bytes of memory", "\(bytes)")
      case .divergence(let nats): (.targetDivergence, " nats per token", "\(nats)")
      }
    func text(_ value: Double) -> String {
      switch budget {
      case .size, .memory: "\(Int(value))"
      case .bitsPerWeight: Figures.fixed(value, 4)
      case .divergence: Figures.divergence(value)
      }
    }
    // The larger a mix, the less it loses.
    let ends = if case .divergence = budget { ("largest", "smallest") } else { ("smallest", "largest") }
    return TuningError(
      .budgetOutOfReach,
      Fault(
        file: table.model.name, subject: Wording(setting),
        expected:
          "from \(text(range.lowerBound)), the \(ends.0) mix, to \(text(range.upperBound))\(unit), the \(ends.1)",
        found: found, remedy: "with other candidate types (\(.candidateTypes)) the range is another"))
  }
}
