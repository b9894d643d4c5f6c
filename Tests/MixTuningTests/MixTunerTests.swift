import CheckpointConversion
import FileBytes
import Foundation
import MixTuning
import ReferenceRuntime
import TensorTypes
import TestSupport
import Testing

/// Budgets and constraints on the sample, with losses that are made up.
@Suite struct MixTunerTests {
  private let folder: TemporaryFolder
  private let plan: TuningPlan
  private let table: SensitivityTable

  init() throws {
    folder = try TemporaryFolder()
    let path = RepositoryFiles.sample
    plan = try TuningPlan(
      request: ConversionRequest(source: path, outputType: .auto), types: [.q3_K, .q4_K, .q6_K, .q8_0],
      model: try LoadedModel.open(path: path))
    var random = SeededGenerator(seed: 3)
    var rows = plan.rows
    for row in rows.indices {
      let weight = Double.random(in: 0.0001...0.01, using: &random)
      for index in rows[row].candidates.indices {
        let bits = rows[row].candidates[index].type.bitsPerWeight
        rows[row].candidates[index].divergence = weight * exp2(4 - 2 * bits)
      }
    }
    table = SensitivityTable(
      pouchVersion: "1",
      model: .init(
        name: "Pelican", fingerprint: "0", architecture: "qwen35moe", layers: 4,
        weights: plan.plan.weightCount),
      text: .init(name: "t", hash: "0", windows: 1, windowLength: 4), importance: nil, method: .local,
      fixedByteCount: plan.fixedByteCount, rows: rows)
  }

  private func solve(
    _ budget: TunedMix.Budget, _ change: (inout MixConstraints) -> Void = { _ in }
  ) throws -> MixTuner.Result {
    var constraints = MixConstraints()
    change(&constraints)
    return try MixTuner(table, plan: plan, constraints: constraints)
      .solve(budget, name: "tuned", file: folder.path("tuned.yaml"))
  }

  private func types(_ result: MixTuner.Result, _ role: TuningRole) -> [TensorType] {
    zip(table.rows, result.mix.types(in: table)).filter { $0.0.group.role == role }.map(\.1)
  }

  @Test func sizesAreKeptToTheByte() throws {
    let some = try solve(.size(6_500_000))
    #expect(some.mix.fileByteCount <= 6_500_000 && some.mix.isOptimal)
    #expect(try plan.conversion(to: some.written.recipe).plan.fileByteCount == some.mix.fileByteCount)
    // The size of the mix itself gives the mix again, a byte less gives another one.
    let again = try solve(.size(some.mix.fileByteCount))
    #expect(again.mix.choices == some.mix.choices)
    let less = try solve(.size(some.mix.fileByteCount - 1))
    #expect(less.mix.fileByteCount < some.mix.fileByteCount)
    #expect(less.mix.predictedDivergence >= some.mix.predictedDivergence)
  }

  @Test(arguments: [3.6, 4.5, 6.0]) func bitsPerWeightAreKept(_ bits: Double) throws {
    let found = try solve(.bitsPerWeight(bits)).mix
    #expect(found.bitsPerWeight <= bits && found.bitsPerWeight > bits - 0.05)
  }

  @Test func theSmallestFileWithinADivergenceIsFound() throws {
    let some = try solve(.bitsPerWeight(5)).mix
    let found = try solve(.divergence(some.predictedDivergence)).mix
    #expect(
      found.predictedDivergence <= some.predictedDivergence && found.fileByteCount <= some.fileByteCount)
    // No smaller size is enough.
    let smaller = try solve(.size(found.fileByteCount - 64)).mix
    #expect(smaller.predictedDivergence > some.predictedDivergence)
  }

  @Test func memoryIsKept() throws {
    // What the smallest and the largest mix take is in the refusal of a budget that is too small.
    let error = try #require(throws: TuningError.self) { try solve(.memory(1, contextLength: 512)) }
    let range = try #require(error.description.firstMatch(of: /from ([0-9]+), the smallest mix, to ([0-9]+)/))
    let middle = (try #require(Int(range.1)) + (try #require(Int(range.2)))) / 2
    let found = try solve(.memory(middle, contextLength: 512)).mix
    let least = try solve(.memory(try #require(Int(range.1)), contextLength: 512)).mix
    #expect(found.fileByteCount > least.fileByteCount)
    let longer = try solve(.memory(middle, contextLength: 1024)).mix
    #expect(longer.fileByteCount < found.fileByteCount)
  }

  @Test(
    arguments: [
      (TunedMix.Budget.size(1_000_000), Setting.targetSize), (.size(20_000_000), .targetSize),
      (.bitsPerWeight(2.0), .targetBitsPerWeight), (.bitsPerWeight(9.5), .targetBitsPerWeight),
      (.memory(1_000_000, contextLength: 512), .targetMemory), (.divergence(1e-12), .targetDivergence),
      (.divergence(10), .targetDivergence),
    ])
  func budgetsOutOfReachNameBothEnds(_ budget: TunedMix.Budget, _ setting: Setting) throws {
    let error = try #require(throws: TuningError.self) { try solve(budget) }
    #expect(error.code == .budgetOutOfReach)
    #expect(error.fault.subject == Wording(setting))
    // The largest mix loses least.
    let (first, last) = setting == .targetDivergence ? ("largest", "smallest") : ("smallest", "largest")
    let ends = try Regex("from [0-9.]+, the \(first) mix, to [0-9.]+ .*, the \(last)")
    #expect(error.description.contains(ends), "\(error)")
  }

  @Test func constraintsAreKept() throws {
    let free = try solve(.bitsPerWeight(4.5))
    #expect(Set(types(free, .attentionQuery)).count > 1 || Set(types(free, .sharedExperts)).count > 1)
    let uniform = try solve(.bitsPerWeight(4.5)) { $0.uniform = Set(table.rows.map(\.group.role)) }
    for role in TuningRole.allCases { #expect(Set(types(uniform, role)).count <= 1) }
    #expect(uniform.mix.predictedDivergence >= free.mix.predictedDivergence)
    let least = try solve(.bitsPerWeight(4.5)) { $0.least = [.attentionQuery: .q8_0] }
    #expect(Set(types(least, .attentionQuery)) == [.q8_0])
    let few = try solve(.bitsPerWeight(4.5)) { $0.types = [.q3_K, .q6_K] }
    #expect(Set(few.mix.types(in: table)).isSubset(of: [.q3_K, .q6_K, .q8_0]))
  }

  @Test func constraintsThatCannotBeAreRefused() throws {
    func refuse(_ part: String, _ change: (inout MixConstraints) -> Void) throws {
      let error = try #require(throws: TuningError.self) { try solve(.bitsPerWeight(4.5), change) }
      #expect(error.code == .badConstraint && error.description.contains(part), "\(error)")
    }
    try refuse("attention.qkv") { $0.uniform = [.attentionQueryKeyValue] }
    try refuse("feed-forward.down") { $0.least = [.feedForwardDown: .q4_K] }
    try refuse("embedding") { $0.least = [.embedding: .bf16] }
    try refuse("relax the types to choose from") { $0.types = [.q5_K] }
    #expect(throws: TuningError.self) { try MixConstraints.roles(named: "kitchen", setting: .uniformRoles) }
    #expect(throws: TuningError.self) { try MixConstraints.roles(named: "any", setting: .uniformRoles) }
    #expect(
      try MixConstraints.roles(named: "routed-experts", setting: .uniformRoles)
        == [.routedExpertsGateUp, .routedExpertsDown])
    #expect(try MixConstraints.roles(named: "feed-forward.up", setting: .leastTypes) == [.feedForwardGateUp])
  }

  @Test func plansOfOtherTablesAreRefused() throws {
    try table.check(file: "t.json", plan: plan)
    var other = table
    other.rows[3].candidates[0].byteCount += 32
    let error = try #require(throws: TuningError.self) { try other.check(file: "t.json", plan: plan) }
    #expect(error.code == .otherTable && error.description.contains(table.rows[3].group.name))
    other = table
    other.rows.removeLast()
    #expect(throws: TuningError.self) { try other.check(file: "t.json", plan: plan) }
  }
}
