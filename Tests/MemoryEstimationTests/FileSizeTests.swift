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

  private func request(_ source: String, _ estimate: EstimateRequest, output: String = "out.gguf")
    -> ConversionRequest
  {
    var request = estimate.wishes
    request.source = source
    request.outputType = estimate.mix.map { .mix($0) } ?? .auto
    request.mixOptions.recipe = estimate.recipe
    request.outputPath = folder.path(output)
    return request
  }

  /// Converts and returns the size of the file.
  private func written(_ source: String, _ estimate: EstimateRequest) throws -> Int {
    let prepared = try ConversionPlanner.prepareCheckpoint(request(source, estimate))
    _ = try prepared.executor.run(ExecutionOptions(threadCount: 2, force: true))
    return try ReadableFile(path: folder.path("out.gguf")).byteCount
  }

  private func written(_ source: String, _ mix: StockMix) throws -> Int {
    try written(source, EstimateRequest(mix: mix))
  }

  private func told(_ source: String, _ mix: StockMix?) throws -> PricedModel {
    try ModelSource(source).price(EstimateRequest(mix: mix))
  }

  /// A request for a mix, and for provenance as the commands write it.
  private func withProvenance(_ mix: StockMix) -> EstimateRequest {
    var request = EstimateRequest(mix: mix)
    request.wishes.writesProvenance = true
    return request
  }

  /// Cuts all shards after their headers.
  private func dropWeights(of model: String) throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: model)
    where name.hasSuffix(".safetensors") {
      let path = model + "/" + name
      let length = try ReadableFile(path: path).bytes(at: 0, count: 8).reversed().reduce(0) {
        $0 << 8 | Int($1)
      }
      let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
      try file.truncate(atOffset: UInt64(8 + length))
      try file.close()
    }
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

  @Test(
    "with provenance: equal to the byte where the shards are known, else an interval",
    arguments: RandomModel.families)
  func provenance(family: String) throws {
    var changes: [String: Any] = ["num_hidden_layers": 2, "tie_word_embeddings": true]
    if family != "qwen3" { changes[family == "mixtral" ? "num_local_experts" : "num_experts"] = 4 }
    let config = RandomModel.config(family, changes)
    let model = try RandomModel.write(config, in: folder, name: "Tiny-Model")
    let other = try TemporaryFolder()
    let outline = try RandomModel.writeConfig(config, in: other, name: "Tiny-Model")
    try RandomModel.addTokenizer(to: outline)
    try FileManager.default.copyItem(
      atPath: model + "/model.safetensors.index.json", toPath: outline + "/model.safetensors.index.json")
    var wanted = withProvenance(.q8_0)
    wanted.wishes.mixOptions.tensorTypeRules = [try TensorTypeRule(parsing: "attn_v=f16")]
    let size = try written(model, wanted)
    var plain = wanted
    plain.wishes.writesProvenance = false
    #expect(try ModelSource(model).price(plain).fileByteCount.upperBound < size)
    let itself = try ModelSource(folder.path("out.gguf")).price(EstimateRequest(mix: nil))
    #expect(itself.fileByteCount == size...size)
    // No weights are read: the shards are absent, or end after their headers.
    try dropWeights(of: model)
    for (source, basis) in [(model, "checkpoint headers"), (outline, "checkpoint index")] {
      let priced = try ModelSource(source).price(wanted)
      #expect(priced.fileByteCount == size...size && priced.basis == basis && priced.unknowns.isEmpty)
    }
    try FileManager.default.removeItem(atPath: model + "/tokenizer.json")
    let borrowed = try ModelSource(model, tokenizerFolder: outline).price(wanted)
    #expect(borrowed.fileByteCount == size...size && borrowed.basis == "checkpoint headers")
    let alone = try ModelSource(outline + "/config.json").price(wanted)
    #expect(alone.fileByteCount.contains(size) && alone.unknowns == [.shardNames])
    #expect(alone.fileByteCount.count < 4096)
    #expect(try ModelSource(outline + "/config.json").price(plain).isExact)
  }

  @Test("a recipe's file, with and without provenance, and beside its stock mix", arguments: [false, true])
  func recipe(provenance: Bool) throws {
    let config = RandomModel.config("qwen3_5_moe", ["num_hidden_layers": 2, "num_experts": 4])
    let model = try RandomModel.write(config, in: folder, name: "Tiny")
    let recipe = try RecipeLibrary.recipe("hybrid-q4_k_m-plus")
    var request = EstimateRequest(recipe: recipe)
    request.wishes.writesProvenance = provenance
    let size = try written(model, request)
    let source = try ModelSource(model)
    let priced = try source.price(request)
    #expect(priced.fileByteCount == size...size && priced.mix == recipe.name && priced.recipe == recipe)
    // The recipe in the wishes is no part of a stock mix.
    request.wishes.mixOptions.recipe = recipe
    let stock = try source.price(EstimateRequest(mix: .q4_K_M, wishes: request.wishes))
    #expect(stock.recipe == nil && stock.mix == "Q4_K_M")
    #expect(stock.tensorByteCount == (try told(model, .q4_K_M)).tensorByteCount)
    #expect(stock.tensorByteCount != priced.tensorByteCount)
    // A recipe called like a mix is told apart from it.
    let same = try source.price(EstimateRequest(recipe: try RecipeLibrary.recipe("q4_k_m")))
    #expect(same.mix == "recipe q4_k_m" && same.tensorByteCount == stock.tensorByteCount)
  }

  @Test("without a tokenizer the interval holds the size, and says so")
  func interval() throws {
    let model = try RandomModel.write(RandomModel.config("qwen3_moe"), in: folder, name: "Tiny")
    let bare = try RandomModel.writeConfig(RandomModel.config("qwen3_moe"), in: folder, name: "bare")
    let size = try written(model, .q4_K_M)
    let priced = try told(bare, .q4_K_M)
    #expect(priced.fileByteCount.contains(size) && priced.unknowns == [.tokenizer])
    let both = try ModelSource(bare).price(withProvenance(.q4_K_M))
    #expect(both.unknowns == [.tokenizer, .shardNames])
    #expect(both.fileByteCount.contains(try planned(model, withProvenance(.q4_K_M))))
    #expect(priced.basis == "config.json" && priced.notices.contains { $0.contains("no weights to read") })
  }

  @Test("the sample, from its folder")
  func sample() throws {
    let size = try written(RandomModel.sample, .q4_K_M)
    #expect(size == 6_739_040)
    #expect(try told(RandomModel.sample, .q4_K_M).fileByteCount == size...size)
    let full = try planned(RandomModel.sample, withProvenance(.q4_K_M))
    #expect(try ModelSource(RandomModel.sample).price(withProvenance(.q4_K_M)).fileByteCount == full...full)
    #expect(full > size)
  }

  /// The size that a conversion plans, all hashes included.
  private func planned(_ source: String, _ estimate: EstimateRequest) throws -> Int {
    try ConversionPlanner.prepareCheckpoint(request(source, estimate)).plan.fileByteCount
  }

  @Test("a requantized GGUF, by mix and by recipe", arguments: [false, true])
  func requantized(provenance: Bool) throws {
    let model = try RandomModel.write(
      RandomModel.config("qwen3", ["num_hidden_layers": 2, "tie_word_embeddings": true]), in: folder,
      name: "Tiny")
    // Only a source that is quantized needs --allow-requantize, which provenance records.
    for (stored, allowsRequantizing) in [(StockMix.bf16, false), (.q8_0, true)] {
      _ = try written(model, stored)
      let recipe = try RecipeLibrary.recipe("q5_k_m")
      for var estimate in [EstimateRequest(mix: .q4_K_S), EstimateRequest(recipe: recipe)] {
        estimate.wishes.writesProvenance = provenance
        var request = request(folder.path("out.gguf"), estimate, output: "small.gguf")
        request.mixOptions.allowRequantize = allowsRequantizing
        _ = try ConversionPlanner.prepareGGUF(request).executor.run(
          ExecutionOptions(threadCount: 2, force: true))
        let size = try ReadableFile(path: folder.path("small.gguf")).byteCount
        let priced = try ModelSource(folder.path("out.gguf")).price(estimate)
        #expect(priced.fileByteCount == size...size && priced.recipe == estimate.recipe)
      }
    }
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
