import CheckpointConversion
import FileBytes
import MemoryEstimation
import QuantRecipes
import ReferenceRuntime
import TensorCompute
import TensorTypes
import TestSupport
import Testing

/// Pouch's own runtime: told sizes against what a session holds.
@Suite("Memory of Pouch's runtime") struct PouchMemoryTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  @Test("states and scratch memory are those that a session allocates", arguments: RandomModel.families)
  func session(family: String) throws {
    let source = try RandomModel.write(RandomModel.config(family), in: folder, name: "Tiny")
    var request = ConversionRequest(source: source, outputType: .mix(.q8_0))
    request.outputPath = folder.path("model.gguf")
    _ = try ConversionPlanner.prepareCheckpoint(request).executor.run(ExecutionOptions(threadCount: 2))
    let priced = try ModelSource(folder.path("model.gguf")).price(EstimateRequest(mix: nil))

    for (context, batch, cache) in [(48, 16, CacheType.f32), (40, 40, .f16)] {
      let session = try Session(
        model: try LoadedModel.open(path: folder.path("model.gguf")), contextLength: context, mode: .fast,
        threads: 2, cacheType: cache, batchLength: batch)
      try session.evaluate(tokens: (0..<Int32(context)).map { $0 * 37 % 4096 })
      var options = RunOptions(contextLength: context)
      options.microBatchLength = batch
      options.keyType = cache == .f32 ? .f32 : .f16
      options.threadCount = 2
      let memory = try priced.memory(of: .pouch, options)
      let report = session.memoryReport
      let states = memory.bytes(of: .keyValueCache) + memory.bytes(of: .recurrentState)
      #expect(states == report.stateByteCount)
      // Tables of angles are no scratch memory of the session; logits are counted apart.
      let scratch = try #require(memory.parts.first { $0.name == "scratch memory" }).bytes
      let expected = report.scratchByteCount - 4096 * 4 - 256 * 4
      #expect(abs(scratch - expected) <= expected / 20, "told \(scratch), held \(expected)")
    }
  }
}
