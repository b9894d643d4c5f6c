import CheckpointConversion
import FileBytes
import Foundation
import ModelDescriptions
import QuantRecipes
import ReferenceRuntime
import TensorCompute
import TensorTypes
import TestSupport
import Testing

/// Whatever the converter writes is, to the runtime, the model that the checkpoint is: not a bit of a logit differs.
@Suite struct ConvertedLogitsTests {
  /// Every golden checkpoint on disk, so that a family is covered from the day its golden is there.
  static let goldens: [String] = {
    guard let folder = Bundle.module.resourceURL?.appendingPathComponent("Golden").path,
      let names = try? FileManager.default.contentsOfDirectory(atPath: folder)
    else { return [] }
    return names.filter { FileSystem.kind(of: "\(folder)/\($0)/model.safetensors") == .file }.sorted()
  }()

  @Test func everyFamilyHasAGolden() {
    #expect(Set(GoldenModel.families + GoldenModel.variants).isSubset(of: Self.goldens))
  }

  @Test(arguments: goldens)
  func conversionKeepsTheLogits(_ name: String) throws {
    let golden = try GoldenModel(name)
    let folder = try TemporaryFolder()
    let checkpoint = try ConvertibleCheckpoint(copying: golden.folder, to: folder.path("source"))
    let losses = try checkpoint.losses()
    guard !losses.contains(where: \.isFatal) else {
      let error = #expect(throws: DescriptionError.self) {
        try checkpoint.plan(.f32, to: folder.path("a.gguf"))
      }
      #expect(error?.code == .notSupported)
      return
    }
    let expected = try logits(of: checkpoint.folder, golden.tokens)
    for type in [TensorType.f32, .bf16, .f16] {
      let path = folder.path("\(type.name).gguf")
      let prepared = try checkpoint.plan(type, to: path)
      // What a GGUF cannot say is said to the user; then its logits are others.
      for loss in losses {
        #expect(prepared.plan.notices.contains { $0.subject.description == loss.key }, "\(loss.key)")
      }
      guard losses.allSatisfy(\.isOfLlamaCppAlone), checkpoint.isExact(prepared.plan) else { continue }
      _ = try prepared.executor.run(ExecutionOptions(threadCount: 2))
      let difference = firstDifference(try logits(of: path, golden.tokens), expected)
      #expect(difference == nil, "\(type.name) and the checkpoint, \(difference ?? "")")
    }
  }

  /// The rules of ``conversionKeepsTheLogits(_:)`` leave out none of the plain families, in no type they are stored in.
  @Test(arguments: GoldenModel.families)
  func noFamilyIsLeftOut(_ name: String) throws {
    let folder = try TemporaryFolder()
    let checkpoint = try ConvertibleCheckpoint(
      copying: GoldenModel(name).folder, to: folder.path("source"))
    #expect(try checkpoint.losses().isEmpty)
    for type in [TensorType.f32, .bf16] {
      #expect(checkpoint.isExact(try checkpoint.plan(type, to: folder.path("a.gguf")).plan))
    }
  }

  @Test func theSampleAndItsShardsKeepTheLogits() throws {
    let golden = try GoldenModel("pelican")
    let folder = try TemporaryFolder()
    let expected = try logits(of: GoldenModel.sampleFolder, golden.tokens)
    var request = ConversionRequest(source: GoldenModel.sampleFolder, outputType: .mix(.bf16))
    request.outputPath = folder.path("sample.gguf")
    request.splitMaxTensorCount = 20
    let prepared = try ConversionPlanner.prepareCheckpoint(request)
    let written = try prepared.executor.run(ExecutionOptions(threadCount: 2))
    #expect(written.paths.count > 1)
    #expect(firstDifference(try logits(of: written.paths[0], golden.tokens), expected) == nil)
  }

  @Test(arguments: ["qwen3_next", "qwen3_5_moe", "mixtral"])
  func otherLayoutsKeepTheLogits(_ name: String) throws {
    let golden = try GoldenModel(name)
    let parent = try TemporaryFolder()
    var stored = try StoredCheckpoint(folder: golden.folder)
    if name == "mixtral" {
      stored.format = "mlx"
      stored.stackExperts()
    } else {
      stored.storeAsMLX(prefix: name != "qwen3_next")
    }
    let checkpoint = try ConvertibleCheckpoint(
      copying: try stored.write(in: parent, name: "stored"), to: parent.path("source"))
    let path = parent.path("f32.gguf")
    _ = try checkpoint.plan(.f32, to: path).executor.run(ExecutionOptions(threadCount: 2))
    let expected = try logits(of: checkpoint.folder, golden.tokens)
    #expect(firstDifference(try logits(of: path, golden.tokens), expected) == nil)
  }

  private func logits(of path: String, _ tokens: [Int32]) throws -> [Float] {
    let session = try Session(
      model: try LoadedModel.open(path: path), contextLength: tokens.count, mode: .exact, threads: 2)
    return try session.evaluate(tokens: tokens, logits: .all).values
  }
}
