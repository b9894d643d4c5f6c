import ReferenceRuntime
import TensorCompute
import Testing

@Suite struct GoldenLogitsTests {
  /// What f32 arithmetic in another order leaves: 64 tokens through a few layers, with transformers' own rounding.
  static let tolerance = 1e-5

  @Test func goldensAreOnDisk() { #expect(GoldenModel.others.count >= 16) }

  @Test(arguments: GoldenModel.families + GoldenModel.variants + GoldenModel.others)
  func checkpointLogitsEqualTransformers(_ family: String) throws {
    let golden = try GoldenModel(family)
    let model = try LoadedModel.open(path: golden.folder)
    let session = try Session(model: model, contextLength: 64, mode: .exact, threads: 2)
    let logits = try session.evaluate(tokens: golden.tokens, logits: .all)
    #expect(logits.values.count == golden.logits.count)
    let error = relativeError(logits.values, golden.logits)
    print("golden \(family): relative error \(error)")
    #expect(error <= Self.tolerance)
  }

  @Test func sampleLogitsEqualTransformers() throws {
    let golden = try GoldenModel("pelican")
    let model = try LoadedModel.open(path: GoldenModel.sampleFolder)
    let session = try Session(model: model, contextLength: 64, mode: .exact, threads: 2)
    let logits = try session.evaluate(tokens: golden.tokens, logits: .all)
    let rows = sampleRows(logits)
    let error = relativeError(rows, golden.logits)
    print("golden pelican: relative error \(error)")
    #expect(error <= Self.tolerance)
  }
}

/// The sample's logits in the form of its golden file: each row's norm, then every 16th value.
func sampleRows(_ logits: LogitsBuffer) -> [Float] {
  (0..<logits.rowCount).flatMap { index -> [Float] in
    let row = Array(logits.row(index))
    let norm = row.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    return [Float(norm)] + stride(from: 0, to: row.count, by: 16).map { row[$0] }
  }
}
