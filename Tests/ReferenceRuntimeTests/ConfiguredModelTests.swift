import FileBytes
import Foundation
import ReferenceRuntime
import TensorTypes
import TestSupport
import Testing

/// Models of a golden checkpoint's weights under another configuration, or as a GGUF with other metadata.
@Suite struct ConfiguredModelTests {
  private func open(_ family: String, _ changes: [String: Any]) throws -> LoadedModel {
    let golden = try GoldenModel(family)
    let folder = try TemporaryFolder()
    let weights = try Data(contentsOf: URL(fileURLWithPath: golden.folder + "/model.safetensors"))
    let text = try Data(contentsOf: URL(fileURLWithPath: golden.folder + "/config.json"))
    var config = try #require(try JSONSerialization.jsonObject(with: text) as? [String: Any])
    config.merge(changes) { $1 }
    _ = try folder.write("model.safetensors", Array(weights))
    _ = try folder.write("config.json", Array(try JSONSerialization.data(withJSONObject: config)))
    return try LoadedModel.open(path: folder.path(""))
  }

  private func openGGUF(
    _ family: String, _ entries: [(String, MetadataValue)]
  ) throws -> LoadedModel {
    let checkpoint = try LoadedModel.open(path: try GoldenModel(family).folder)
    let folder = try TemporaryFolder()
    let added = entries.map { MetadataEntry(checkpoint.architectureName + "." + $0.0, $0.1) }
    try writeGGUF(
      checkpoint, to: folder.path("model.gguf"),
      architecture: minimalMetadata(checkpoint.architecture) + added
    ) { _, _ in .f32 }
    return try LoadedModel.open(path: folder.path("model.gguf"))
  }

  private func logits(_ model: LoadedModel, _ tokens: [Int32], contextLength: Int = 64) throws -> [[Float]] {
    let session = try Session(model: model, contextLength: contextLength, threads: 1)
    let result = try session.evaluate(tokens: tokens, logits: .all)
    return (0..<result.rowCount).map { Array(result.row($0)) }
  }

  private func code(_ body: () throws -> Void) -> RuntimeError.Code? {
    do {
      try body()
      return nil
    } catch { return (error as? RuntimeError)?.code }
  }

  @Test(arguments: ["mixtral", "qwen3", "qwen3_moe", "qwen2_moe"])
  func windowsChangeWhatIsBeyondThemAlone(_ family: String) throws {
    let tokens = try GoldenModel(family).tokens
    let whole = try logits(try open(family, ["sliding_window": NSNull()]), tokens)
    for window in [1, 15, 16, 17, 40, 63, 64, 100] {
      let changes: [String: Any] = [
        "use_sliding_window": true, "sliding_window": window,
        "max_window_layers": family == "qwen2_moe" ? 9 : 0,
        "layer_types": NSNull(),
      ]
      let rows = try logits(try open(family, changes), tokens)
      for row in 0..<64 {
        let isSame = firstDifference(rows[row], whole[row]) == nil
        #expect(isSame == (row < window), "\(family), window \(window), row \(row)")
      }
    }
  }

  @Test func aWindowInAFileIsNotFollowedAndSaidSo() throws {
    let golden = try GoldenModel("qwen3")
    let model = try openGGUF("qwen3", [("attention.sliding_window", .uint32(8))])
    #expect(model.warnings.count == 1)
    #expect(model.warnings.first?.contains("qwen3.attention.sliding_window is 8") == true)
    let rows = try logits(model, golden.tokens)
    #expect(relativeError(rows.flatMap(\.self), golden.logits) <= GoldenLogitsTests.tolerance)
    #expect(try openGGUF("qwen3", []).warnings.isEmpty)
  }

  @Test(arguments: ["qwen2-dynamic", "qwen3_moe-longrope"])
  func stretchingThatDependsOnTheTextEndsWhereItWouldBegin(_ family: String) throws {
    let golden = try GoldenModel(family)
    let model = try LoadedModel.open(path: golden.folder)
    let session = try Session(model: model, contextLength: 100, threads: 1)
    try session.evaluate(tokens: golden.tokens, logits: .none)
    let error = #expect(throws: RuntimeError.self) { try session.evaluate(tokens: [1]) }
    #expect(error?.code == .contextOverflow)
    #expect(error?.fault.expected == "at most 64 tokens")
    session.reset()
    #expect(code { try session.evaluate(tokens: golden.tokens + [1]) } == .contextOverflow)
  }

  @Test func whatTheForwardPassLacksIsRefused() {
    func refusal(_ changes: [String: Any]) -> RuntimeError.Code? { code { _ = try open("qwen3", changes) } }
    #expect(refusal(["hidden_act": "gelu"]) == .unsupportedArchitecture)
    #expect(refusal(["hidden_act": "swish"]) == nil)
    #expect(refusal(["is_causal": false]) == .unsupportedArchitecture)
    #expect(refusal(["rope_parameters": ["rope_type": "ntk", "rope_theta": 1e4]]) == .badMetadata)
    let short: [String: Any] = [
      "rope_type": "longrope", "short_factor": [1.0], "long_factor": [1.0], "rope_theta": 1e4,
    ]
    #expect(refusal(["rope_parameters": short]) == .badMetadata)
    #expect(
      code { _ = try openGGUF("qwen3", [("attention.causal", .bool(false))]) } == .unsupportedArchitecture)
    #expect(code { _ = try openGGUF("qwen2", [("rope.scaling.type", .string("dynamic"))]) } == .badMetadata)
    // 8 experts are no three groups.
    #expect(code { _ = try openGGUF("qwen3_moe", [("expert_group_count", .uint32(3))]) } == .badMetadata)
  }

  @Test func longSessionsHaveFactorsOfTheirOwn() throws {
    let golden = try GoldenModel("llama")
    let checkpoint = try LoadedModel.open(path: golden.folder)
    let long = try checkpoint.store.values("rope_freqs.weight")
    let folder = try TemporaryFolder()
    let names = checkpoint.store.names.filter { $0 != "rope_freqs.weight" }
    try writeGGUF(
      checkpoint, to: folder.path("model.gguf"),
      architecture: minimalMetadata(checkpoint.architecture) + [
        MetadataEntry("llama.rope.scaling.type", .string("longrope")),
        MetadataEntry("llama.rope.scaling.original_context_length", .uint32(64)),
      ], names: names,
      vectors: [
        "rope_factors_long.weight": long,
        "rope_factors_short.weight": [Float](repeating: 1, count: long.count),
      ]
    ) { _, _ in .f32 }
    let model = try LoadedModel.open(path: folder.path("model.gguf"))
    let rows = try [64, 65].map {
      try logits(model, golden.tokens, contextLength: $0).flatMap(\.self)
    }
    #expect(relativeError(rows[1], golden.logits) <= GoldenLogitsTests.tolerance)
    #expect(relativeError(rows[0], golden.logits) > 1e-3)
  }

  /// As llama.cpp reads them: keys beside the factor, the type and the original context change nothing.
  @Test func scalingOfFilesIsLlamaCpps() throws {
    let tokens = try GoldenModel("qwen2").tokens
    func rows(_ entries: [(String, MetadataValue)]) throws -> [Float] {
      try logits(try openGGUF("qwen2", entries), tokens).flatMap(\.self)
    }
    let (factor, type) = ("rope.scaling.factor", "rope.scaling.type")
    let plain = try rows([])
    let linear = try rows([(factor, .float32(4)), (type, .string("linear"))])
    #expect(firstDifference(linear, plain) != nil)
    #expect(firstDifference(try rows([(factor, .float32(4))]), linear) == nil)
    #expect(firstDifference(try rows([(factor, .float32(4)), (type, .string("longrope"))]), linear) == nil)
    #expect(firstDifference(try rows([(factor, .float32(4)), (type, .string("none"))]), plain) == nil)
    #expect(firstDifference(try rows([(type, .string("linear"))]), plain) == nil)
    let yarn = try rows([(factor, .float32(4)), (type, .string("yarn"))])
    let ignored = try rows([
      (factor, .float32(4)), (type, .string("yarn")), ("rope.scaling.yarn_beta_fast", .float32(2)),
      ("rope.scaling.yarn_attn_factor", .float32(3)),
    ])
    #expect(firstDifference(ignored, yarn) == nil)
    let louder = try rows([
      (factor, .float32(4)), (type, .string("yarn")), ("rope.scaling.attn_factor", .float32(1.25)),
    ])
    #expect(firstDifference(louder, yarn) != nil)
  }
}
