import CheckpointConversion
import FileBytes
import Foundation
import MemoryEstimation
import QuantRecipes
import TestSupport
import Testing

/// Told sizes against files that were written.
@Suite("Sizes of files") struct FileSizeTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  static let mixes: [StockMix] = [.bf16, .q8_0, .q4_K_M, .q5_K_S, .iq4_XS]

  /// Converts and returns the size of the file.
  private func written(_ source: String, _ mix: StockMix) throws -> Int {
    var request = ConversionRequest(source: source, outputType: .mix(mix))
    request.outputPath = folder.path("out.gguf")
    let prepared = try ConversionPlanner.prepareCheckpoint(request)
    _ = try prepared.executor.run(ExecutionOptions(threadCount: 2, force: true))
    return try ReadableFile(path: folder.path("out.gguf")).byteCount
  }

  private func told(_ source: String, _ mix: StockMix?) throws -> PricedModel {
    try ModelSource(source).price(EstimateRequest(mix: mix))
  }

  @Test(
    "equal to the byte: headers, index without shards, config with tokenizer, the file itself",
    arguments: RandomModel.families)
  func exact(family: String) throws {
    // Quantizing takes long without optimization: two layers, four experts, and tied embeddings in all families but one.
    var changes: [String: Any] = ["num_hidden_layers": 2, "tie_word_embeddings": family != "qwen3_moe"]
    if family != "qwen3" { changes[family == "mixtral" ? "num_local_experts" : "num_experts"] = 4 }
    let config = RandomModel.config(family, changes)
    let model = try RandomModel.write(config, in: folder, name: "Tiny-Model")
    // The same name for the folder of the outline: names become metadata.
    let other = try TemporaryFolder()
    let outline = try RandomModel.writeConfig(config, in: other, name: "Tiny-Model")
    try RandomModel.addTokenizer(to: outline)
    for mix in Self.mixes {
      let size = try written(model, mix)
      #expect(try told(model, mix).fileByteCount == size...size, "\(mix) from headers")
      #expect(try told(outline + "/config.json", mix).fileByteCount == size...size, "\(mix) from config.json")
      let file = try told(folder.path("out.gguf"), nil)
      #expect(file.fileByteCount == size...size && file.mix == mix.rawValue, "\(mix) from the file")
    }
    try FileManager.default.copyItem(
      atPath: model + "/model.safetensors.index.json", toPath: outline + "/model.safetensors.index.json")
    let size = try written(model, .q4_K_M)
    let fromIndex = try told(outline, .q4_K_M)
    #expect(fromIndex.fileByteCount == size...size && fromIndex.basis == "checkpoint index")
    #expect(try told(outline + "/model.safetensors.index.json", .q4_K_M).fileByteCount == size...size)
  }

  @Test("without a tokenizer the interval holds the size, and says so")
  func interval() throws {
    let model = try RandomModel.write(RandomModel.config("qwen3_moe"), in: folder, name: "Tiny")
    let bare = try RandomModel.writeConfig(RandomModel.config("qwen3_moe"), in: folder, name: "bare")
    let size = try written(model, .q4_K_M)
    let priced = try told(bare, .q4_K_M)
    #expect(priced.fileByteCount.contains(size) && !priced.isExact)
    #expect(priced.basis == "config.json" && priced.notices.contains { $0.contains("no shards") })
  }

  @Test("the sample, from its folder")
  func sample() throws {
    let size = try written(RandomModel.sample, .q4_K_M)
    #expect(size == 6_739_040)
    #expect(try told(RandomModel.sample, .q4_K_M).fileByteCount == size...size)
  }

  @Test("a requantized GGUF")
  func requantized() throws {
    let model = try RandomModel.write(
      RandomModel.config("qwen3", ["num_hidden_layers": 2, "tie_word_embeddings": true]), in: folder,
      name: "Tiny")
    _ = try written(model, .q8_0)
    var request = ConversionRequest(source: folder.path("out.gguf"), outputType: .mix(.q4_K_S))
    request.outputPath = folder.path("small.gguf")
    request.mixOptions.allowRequantize = true
    _ = try ConversionPlanner.prepareGGUF(request).executor.run(ExecutionOptions(threadCount: 1))
    let size = try ReadableFile(path: folder.path("small.gguf")).byteCount
    #expect(try told(folder.path("out.gguf"), .q4_K_S).fileByteCount == size...size)
  }

  @Test("bits, parameters and roles add up", arguments: RandomModel.families)
  func sums(family: String) throws {
    let bare = try RandomModel.writeConfig(RandomModel.config(family), in: folder, name: "bare")
    let priced = try told(bare, .q4_K_M)
    #expect(priced.byType.reduce(0) { $0 + $1.bytes } == priced.tensorByteCount)
    #expect(priced.byRole.reduce(0) { $0 + $1.weights } == priced.parameterCount)
    #expect(priced.bitsPerWeight == Double(priced.tensorByteCount) * 8 / Double(priced.parameterCount))
    if family == "qwen3" {
      #expect(priced.activeParameterCount == priced.parameterCount)
    } else {
      // Three matrices of two of eight experts in each of the layers with experts.
      let width = family == "mixtral" ? 512 : 256
      let blocks = family == "qwen3_5_moe" ? 5 : 4
      #expect(priced.parameterCount - priced.activeParameterCount == blocks * 6 * 3 * width * 256)
    }
  }
}
