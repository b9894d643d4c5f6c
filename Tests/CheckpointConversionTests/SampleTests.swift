import CheckpointConversion
import FileBytes
import Foundation
import QuantRecipes
import TensorTypes
import TestSupport
import Testing
import ZstdStreams

/// The bundled checkpoint through the one pass.
@Suite struct SampleTests {
  static let sample = RepositoryFiles.sample

  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func convert(_ source: String, _ output: String) throws -> [UInt8] {
    var request = ConversionRequest(source: source, outputType: .mix(.q4_K_M))
    request.outputPath = folder.path(output)
    // The name comes from the folder, which differs between the copies here.
    request.modelName = "Pelican"
    let prepared = try ConversionPlanner.prepareCheckpoint(request)
    _ = try prepared.executor.run(ExecutionOptions(threadCount: 2))
    return try contents(folder.path(output))
  }

  @Test func compressedShardsGiveTheSameBytes() throws {
    let plain = try convert(Self.sample, "plain.gguf")
    // The folder's name is a source of metadata, so it stays the same.
    let copy = folder.path("Pelican-10M-A5M")
    try FileManager.default.createDirectory(atPath: copy, withIntermediateDirectories: true)
    for name in try FileManager.default.contentsOfDirectory(atPath: Self.sample) {
      if name.hasSuffix(".safetensors") {
        try ZstdWriter.compressFile(Self.sample + "/" + name, to: copy + "/" + name + ".zst")
      } else {
        try FileManager.default.copyItem(atPath: Self.sample + "/" + name, toPath: copy + "/" + name)
      }
    }
    // Size label and such are derived from the tensors, so whole files are equal.
    #expect(try convert(copy, "compressed.gguf") == plain)
  }

  @Test func planningReadsHeadersAlone() throws {
    var request = ConversionRequest(source: Self.sample, outputType: .mix(.q4_K_M))
    request.outputPath = folder.path("never.gguf")
    let plan = try ConversionPlanner.prepareCheckpoint(request).plan
    #expect(plan.tensors.count == 73)
    #expect(plan.architecture == "qwen35moe")
    #expect(plan.fileByteCount == 6_739_040)
    #expect(plan.intermediate == .bf16)
    #expect(FileSystem.kind(of: folder.path("never.gguf")) == .missing)
  }

  @Test func inspectionCountsParameters() throws {
    let inspection = try ModelInspection(source: Self.sample, wholeValues: false)
    #expect(inspection.architecture == "qwen35moe")
    #expect(inspection.parameters == inspection.byRole.reduce(0) { $0 + $1.weights })
    // 8 experts, 2 used: three quarters of the routed experts are idle.
    let routed = try #require(inspection.byRole.first { $0.name == "routed-experts" })
    #expect(inspection.activeParameters == inspection.parameters - routed.weights / 8 * 6)
  }
}
