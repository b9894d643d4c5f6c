import CheckpointConversion
import FileBytes
import Foundation
import MixTuning
import ModelEvaluation
import QuantRecipes
import ReferenceRuntime
import TensorTypes
import TestSupport
import Testing
import TextTokenizers

/// Sensitivities of the sample model on a few short windows.
@Suite struct SampleTuningTests {
  private let folder: TemporaryFolder
  private let model: LoadedModel
  private let text: EvaluationText
  private let windows: TokenWindows

  private static let samples = RepositoryFiles.path("samples")

  init() throws {
    folder = try TemporaryFolder()
    model = try LoadedModel.open(path: Self.samples + "/Pelican-10M-A5M", isLate: true)
    text = try EvaluationText(path: Self.samples + "/texts/svg-plain.txt")
    let tokenizer = try Tokenizer(metadata: try model.metadata())
    windows = try TokenWindows(
      tokens: try text.tokens(tokenizer), length: 96, limit: 4,
      beginning: tokenizer.addBOS ? tokenizer.bos : nil)
  }

  private struct Stop: Error {}

  private func measurement(
    _ name: String, _ method: SensitivityTable.Method, types: [TensorType] = [.q2_K, .q4_K],
    importance: SensitivityMeasurement.Importance = .none,
    _ change: (inout SensitivityOptions) -> Void = { _ in }
  ) throws -> SensitivityMeasurement {
    var options = SensitivityOptions()
    options.method = method
    change(&options)
    return try SensitivityMeasurement(
      model: model, text: text, windows: windows, types: types, importance: importance,
      workPath: folder.path(name), options: options)
  }

  private func table(_ measurement: SensitivityMeasurement) throws -> (
    table: SensitivityTable, plan: TuningPlan
  ) {
    try measurement.table(version: "1", onProgress: { _ in }, check: {})
  }

  /// The divergence of a file with one group quantized and all else at 16 bits.
  private func divergence(_ role: String, layers: String?, _ type: TensorType, _ plan: TuningPlan) throws
    -> Double
  {
    let rule = "  - {role: [\(role)], \(layers.map { "layers: \($0), " } ?? "")type: \(type.name), why: it}\n"
    let recipe = try RecipeLibrary.recipe(
      text: Array(
        ("name: one\ndescription: One group.\ndefault: q8_0\nrules:\n" + rule
          + "  - {role: any, type: bf16, why: the rest}\n").utf8), file: folder.path("one.yaml"))
    let path = folder.path("one.gguf")
    _ = try plan.conversion(to: recipe, path: path).executor.run(
      ExecutionOptions(threadCount: 2, force: true))
    let limits = MeasuringPlan.Limits(available: 1 << 30)
    let actual = try HeldOutMeasurement(windows: windows, options: EvaluationOptions(), limits: limits)
      .divergence(of: try LoadedModel.open(path: path, isLate: true), from: model) { _ in true }
    return try #require(actual).divergence
  }

  @Test(arguments: [false, true])
  func measuredDivergencesAreThoseOfFiles(withImportance: Bool) throws {
    let importance =
      withImportance ? SensitivityMeasurement.Importance.collected(folder.path("i.gguf")) : .none
    let (table, plan) = try table(try measurement("m", .measured, types: [.q3_K], importance: importance))
    #expect((table.importance != nil) == withImportance)
    let examples: [(role: TuningRole, layer: Int?)] = [
      (.routedExpertsDown, 1), (.linearAttentionIn, 2), (.attentionKey, 3), (.embedding, nil), (.output, nil),
    ]
    for (role, layer) in examples {
      let row = try #require(table.rows.first { $0.group.role == role && $0.group.layer == layer })
      let found = row.candidates[0].rawDivergence
      let wanted = try divergence(
        role.recipeRoles.joined(separator: ", "), layers: layer.map { "\($0)" }, .q3_K, plan)
      #expect(
        wanted > 1e-6 && abs(found - wanted) <= 2e-7 + 1e-3 * wanted, "\(row.group.name): \(found), \(wanted)"
      )
    }
  }

  @Test(arguments: [SensitivityTable.Method.local, .weights])
  func cheapMethodsOrderGroupsAsMeasuringDoes(_ method: SensitivityTable.Method) throws {
    let measured = try table(try measurement("m", .measured)).table
    let cheap = try table(try measurement("c", method) { $0.gainWindows = 4 }).table
    func losses(_ table: SensitivityTable) -> [Double] {
      table.rows.flatMap(\.candidates).map(\.rawDivergence)
    }
    let correlation = Self.rankCorrelation(losses(measured), losses(cheap))
    #expect(correlation > 0.85, "\(correlation)")
    #expect(cheap.gains.count == cheap.rows.count - 1 && cheap.gains.allSatisfy { $0.gain > 0 })
  }

  private static func rankCorrelation(_ a: [Double], _ b: [Double]) -> Double {
    func ranks(_ values: [Double]) -> [Double] {
      var ranks = [Double](repeating: 0, count: values.count)
      for (rank, index) in values.indices.sorted(by: { values[$0] < values[$1] }).enumerated() {
        ranks[index] = Double(rank)
      }
      return ranks
    }
    let squares = zip(ranks(a), ranks(b)).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    let count = Double(a.count)
    return 1 - 6 * squares / (count * (count * count - 1))
  }

  @Test func interruptedMeasurementsEndWithTheSameTable() throws {
    let whole = try table(
      try measurement("w", .local, importance: .collected(folder.path("w.gguf")))
    ).table
    let broken = try measurement("b", .local, importance: .collected(folder.path("b.gguf")))
    var stops = 0
    var result: SensitivityTable?
    // Each run gets further than the one before; the survey is made in one go.
    while result == nil, stops < 100 {
      var made = 0
      var count = 0
      do {
        result = try broken.table(
          version: "1", onProgress: { made = max(made, $0.done) },
          check: {
            count += 1
            if count > 25 * (stops + 1) { throw Stop() }
          }
        ).table
      } catch is Stop {
        stops += 1
      }
    }
    var found = try #require(result)
    #expect(stops > 1)
    #expect(found.importance?.hash == whole.importance?.hash)
    found.importance = whole.importance
    #expect(found == whole)
    broken.removeWork()
    #expect(!FileManager.default.fileExists(atPath: folder.path("b.state")))
  }

  @Test func resultsDoNotDependOnMemoryOrThreads() throws {
    let usual = try table(try measurement("u", .local)).table
    let refused = try #require(throws: EvaluationError.self) {
      _ = try self.table(try measurement("r", .local) { $0.limits.allowed = 1 })
    }
    #expect(refused.code == .memoryLimit)
    let least = try #require(refused.description.firstMatch(of: /at least ([0-9]+) bytes/)?.1).description
    let narrow = try table(
      try measurement("n", .local) {
        $0.limits.allowed = Int(least)
        $0.threads = 1
        $0.batchLength = 17
      }
    ).table
    #expect(narrow == usual)
  }

  @Test func statesOfOtherRunsAreRefused() throws {
    func stopped(_ method: SensitivityTable.Method, _ types: [TensorType]) throws {
      var count = 0
      _ = try measurement("s", method, types: types).table(
        version: "1", onProgress: { _ in },
        check: {
          count += 1
          if count > 30 { throw Stop() }
        })
    }
    #expect(throws: Stop.self) { try stopped(.local, [.q4_K]) }
    #expect(throws: ResumeLogError.self) { try stopped(.local, [.q5_K]) }
    #expect(throws: ResumeLogError.self) { try stopped(.weights, [.q4_K]) }
  }
}
