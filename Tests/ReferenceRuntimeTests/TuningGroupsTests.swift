import CheckpointConversion
import FileBytes
import Foundation
import MixTuning
import QuantRecipes
import ReferenceRuntime
import TensorTypes
import TestSupport
import Testing

/// Groups of tensors, of the random checkpoints of all families.
@Suite struct TuningGroupsTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test(arguments: GoldenModel.families + GoldenModel.others)
  func everyTensorIsInOneGroupAndSizesAreThoseOfPlans(_ name: String) throws {
    let checkpoint = try ConvertibleCheckpoint(
      copying: try GoldenModel(name).folder, to: folder.path(name))
    var request = ConversionRequest(source: checkpoint.folder, outputType: .auto)
    // The splitting rule of a tokenizer of a few characters says nothing.
    request.preTokenizer = "default"
    let model = try LoadedModel.open(path: checkpoint.folder)
    let types: [TensorType] = [.q4_0, .q4_K, .q8_0]
    let plan = try TuningPlan(request: request, types: types, model: model)

    let open = plan.plan.tensors.filter {
      if case .notQuantizable = $0.decision.reason { false } else { true }
    }
    #expect(plan.rows.flatMap(\.group.tensors).sorted() == open.map(\.name).sorted())
    #expect(Set(plan.rows.map(\.group.name)).count == plan.rows.count)
    #expect(plan.rows.reduce(0) { $0 + $1.group.weights } == open.reduce(0) { $0 + $1.elementCount })
    for row in plan.rows where row.group.role != .nextToken {
      #expect(row.isMeasured, "\(row.group.name) is not reached")
    }

    // Any choice at all is written as a recipe, and its file has the bytes that the candidates say.
    var random = SeededGenerator(seed: UInt64(name.utf8.count))
    let table = SensitivityTable(
      pouchVersion: "1",
      model: .init(
        name: name, fingerprint: "0", architecture: "a", layers: 1, weights: plan.plan.weightCount),
      text: .init(name: "t", hash: "0", windows: 1, windowLength: 4), importance: nil, method: .local,
      fixedByteCount: plan.fixedByteCount, rows: plan.rows)
    let writer = try RecipeWriter(table, plan: plan)
    for _ in 0..<3 {
      let choices = plan.rows.map { Int.random(in: 0..<$0.candidates.count, using: &random) }
      let mix = TunedMix(
        budget: .size(1), choices: choices, fileByteCount: 1, bitsPerWeight: 4, predictedDivergence: 0,
        lowerBound: 0, isOptimal: true)
      let written = try writer.recipe(for: mix, name: "mixed", file: folder.path("mixed.yaml"))
      let planned = try plan.conversion(to: written.recipe).plan
      let groups = zip(plan.rows, choices).reduce(0) { $0 + $1.0.candidates[$1.1].byteCount }
      #expect(planned.fileByteCount == planned.files[0].header.count + plan.fixedByteCount + groups)
    }
  }
}
