import ReferenceRuntime
import TensorCompute
import TestSupport
import Testing

/// Checkpoints stored as mlx-lm stores them give the logits of the same checkpoints stored by transformers.
@Suite struct MLXLogitsTests {
  private func error(_ folder: String, _ golden: GoldenModel) throws -> (error: Double, warnings: [String]) {
    let model = try LoadedModel.open(path: folder)
    let session = try Session(model: model, contextLength: 64, mode: .exact, threads: 2)
    let logits = try session.evaluate(tokens: golden.tokens, logits: .all)
    return (relativeError(logits.values, golden.logits), model.warnings)
  }

  @Test(arguments: ["qwen3_next", "qwen3_5", "qwen3_5_moe"])
  func allSigns(_ family: String) throws {
    let golden = try GoldenModel(family)
    let parent = try TemporaryFolder()
    var stored = try StoredCheckpoint(folder: golden.folder)
    stored.storeAsMLX(prefix: family != "qwen3_next")
    let (error, warnings) = try error(try stored.write(in: parent, name: family), golden)
    #expect(error <= GoldenLogitsTests.tolerance)
    #expect(warnings.contains { $0.contains("MLX") && $0.contains("norm") })
  }

  // A folder that another tool wrote again: neither format nor names speak of MLX, only convolutions and values do.
  @Test(arguments: ["qwen3_next", "qwen3_5", "qwen3_5_moe"])
  func convolutionAlone(_ family: String) throws {
    let golden = try GoldenModel(family)
    let parent = try TemporaryFolder()
    var stored = try StoredCheckpoint(folder: golden.folder)
    for name in stored.tensors.keys {
      if name.hasSuffix("conv1d.weight") { stored.turn(name) }
      if StoredCheckpoint.isShiftedNorm(name) { stored.addOne(name) }
    }
    let (error, warnings) = try error(try stored.write(in: parent, name: "shifted"), golden)
    #expect(error <= GoldenLogitsTests.tolerance)
    #expect(warnings.contains { $0.contains("contradict") && $0.contains("taken as they are") })

    // The same signs over norms that nobody shifted.
    stored = try StoredCheckpoint(folder: golden.folder)
    for name in stored.tensors.keys where name.hasSuffix("conv1d.weight") { stored.turn(name) }
    let other = try self.error(try stored.write(in: parent, name: "unshifted"), golden)
    #expect(other.error <= GoldenLogitsTests.tolerance)
    #expect(other.warnings.contains { $0.contains("contradict") && $0.contains("one is added") })
  }

  @Test(arguments: ["mixtral", "qwen3_moe", "qwen2_moe", "llama", "qwen3"])
  func familiesWithoutShift(_ family: String) throws {
    let golden = try GoldenModel(family)
    let parent = try TemporaryFolder()
    var stored = try StoredCheckpoint(folder: golden.folder)
    stored.format = "mlx"
    stored.stackExperts()
    let (error, warnings) = try error(try stored.write(in: parent, name: family), golden)
    #expect(error <= GoldenLogitsTests.tolerance)
    #expect(warnings.isEmpty)
  }
}
