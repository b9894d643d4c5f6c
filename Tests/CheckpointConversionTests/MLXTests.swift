import CheckpointConversion
import FileBytes
import Foundation
import QuantRecipes
import Synchronization
import TensorTypes
import TestSupport
import Testing

/// Folders for MLX: what is planned, and that it is written as planned.
@Suite struct MLXTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func request(
    _ source: String, _ output: String, _ groups: GroupFormat?, change: (inout MLXRequest) -> Void = { _ in }
  ) -> MLXRequest {
    var request = MLXRequest(source: source, groups: groups)
    request.outputPath = folder.path(output)
    change(&request)
    return request
  }

  @discardableResult
  private func run(_ request: MLXRequest, _ options: ExecutionOptions = ExecutionOptions(threadCount: 2))
    throws
    -> ExecutionSummary
  {
    try ConversionPlanner.prepareMLX(request).executor.run(options)
  }

  private func digest(_ output: String) throws -> String {
    var bytes: [UInt8] = []
    for (name, tensor) in try StoredCheckpoint(folder: folder.path(output)).tensors.sorted(by: {
      $0.key < $1.key
    }) {
      bytes += Array("\(name) \(tensor.type) \(tensor.shape)\n".utf8) + tensor.bytes
    }
    return String(SHA256.hexadecimalDigest(bytes).prefix(32))
  }

  private func names(_ path: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path(path)).sorted()
  }

  /// Digests of all tensors that mlx-lm 0.32.2 writes for the sample; `scripts/conformance-mlx.py` prints them.
  @Test(
    "The sample's tensors are those of mlx-lm",
    arguments: [
      ("affine4/64", nil, "cf368faee47df80c0be8d95fab7868a9"),
      ("affine4/32", nil, "6b9ed2dcd5af04c62b80841da3dea5c8"),
      ("affine8/64", nil, "114c6b5815909652239a604423b7cef4"),
      ("affine6/64", nil, "a08322f813656c985d584b51595c6264"),
      ("mxfp4", nil, "b038a2204377bdc5a989f76fb6fa402e"),
      ("nvfp4", nil, "bc999cc4167ba8b7eba08435caf4f5a1"),
      ("", nil, "daa242ad5dfc5617e578e55f34f438bc"),
      ("affine3/64", .f16, "b90b9aca06fcb3f87b40af64ba560fe4"),
      ("affine5/128", .bf16, "47e9ba885ab70d05b2cfca543f4f7ece"),
      ("affine2/32", .f32, "941074f20f855532f3c81ee8ef2b7a1a"),
    ] as [(String, ElementType?, String)])
  func sample(format: String, type: ElementType?, expected: String) throws {
    try run(request(SampleTests.sample, "sample", GroupFormat(name: format)) { $0.floatType = type })
    #expect(try digest("sample") == expected)
  }

  @Test func theFolderHasAllThatMLXReads() throws {
    let summary = try run(request(SampleTests.sample, "out", GroupFormat()))
    #expect(summary.paths == [folder.path("out")])
    #expect(
      try names("out") == [
        "README.md", "chat_template.jinja", "config.json", "generation_config.json", "model.safetensors",
        "model.safetensors.index.json", "tokenizer.json", "tokenizer_config.json",
      ])
    #expect(try names("") == ["out"])
    for name in ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"] {
      #expect(try contents(folder.path("out/" + name)) == contents(SampleTests.sample + "/" + name))
    }
    let config = try JSONValue(contentsOf: folder.path("out/config.json"))
    #expect(config["model_type"]?.text == "qwen3_5_moe")
    #expect(config["eos_token_id"] == .array([.integer(4095), .integer(4093)]))
    #expect(config["quantization"]?["bits"]?.integer == 4)
    #expect(config["quantization"]?["language_model.model.layers.0.mlp.gate"]?["bits"]?.integer == 8)
    #expect(config["quantization"] == config["quantization_config"])
  }

  @Test(arguments: [(1, 512 << 20), (3, 3 << 20), (1, 1 << 20)])
  func theBytesDoNotDependOnThreadsOrMemory(threads: Int, memory: Int) throws {
    let groups = GroupFormat(.affine, bits: 5)
    try run(request(SampleTests.sample, "reference", groups))
    let summary = try run(
      request(SampleTests.sample, "other", groups), ExecutionOptions(threadCount: threads, maxMemory: memory))
    #expect(summary.bufferByteCount <= memory)
    #expect(
      try contents(folder.path("other/model.safetensors"))
        == contents(folder.path("reference/model.safetensors")))
  }

  @Test func anInterruptedRunContinuesToTheSameBytes() throws {
    func split(_ output: String) -> MLXRequest {
      request(SampleTests.sample, output, GroupFormat()) { $0.shardByteCount = 1_500_000 }
    }
    try run(split("reference"))
    var attempts = 0
    while FileSystem.kind(of: folder.path("out")) == .missing {
      attempts += 1
      try #require(attempts < 100)
      let tiles = Atomic<Int>(0)
      let options = ExecutionOptions(
        threadCount: 1, maxMemory: 1_500_000,
        onProgress: { _ in tiles.wrappingAdd(1, ordering: .relaxed) },
        isCancelled: { tiles.load(ordering: .relaxed) >= 20 })
      do {
        let summary = try run(split("out"), options)
        #expect(summary.resumedByteCount > 0)
      } catch let error as ConversionError where error.code == .interrupted {
        #expect(try names("").contains("out.partial") && names("").contains("out.journal"))
      }
    }
    #expect(attempts > 1)
    #expect(try names("") == ["out", "reference"])
    #expect(try names("out") == names("reference"))
    for name in try names("out") {
      #expect(try contents(folder.path("out/" + name)) == contents(folder.path("reference/" + name)))
    }
  }

  @Test func aRunThatEndedBeforeItsJournalWasRemovedIsFinished() throws {
    let request = request(SampleTests.sample, "out", GroupFormat())
    let cancelled = ExecutionOptions(threadCount: 1, maxMemory: 1_500_000, isCancelled: { true })
    #expect(throws: ConversionError.self) { try run(request, cancelled) }
    let journal = try Data(contentsOf: URL(fileURLWithPath: folder.path("out.journal")))
    try run(request)
    let expected = try digest("out")
    try journal.write(to: URL(fileURLWithPath: folder.path("out.journal")))
    try run(request)
    #expect(try digest("out") == expected)
    #expect(try names("") == ["out"])
  }

  @Test func anExistingFolderIsKeptUnlessForced() throws {
    let request = request(SampleTests.sample, "out", GroupFormat())
    try run(request)
    let error = #expect(throws: ConversionError.self) { try run(request) }
    #expect(error?.code == .outputExists)
    var force = ExecutionOptions(threadCount: 2)
    force.force = true
    // A shard of another plan would be read with the others.
    let stale = folder.path("out/model-00001-of-00002.safetensors")
    try Data("x".utf8).write(to: URL(fileURLWithPath: stale))
    try run(request, force)
    #expect(
      try names("").elementsEqual(["out"]) && !names("out").contains("model-00001-of-00002.safetensors"))
    try Data("mine".utf8).write(to: URL(fileURLWithPath: folder.path("out/thesis.txt")))
    let refusal = #expect(throws: ConversionError.self) { try run(request, force) }
    #expect(refusal?.code == .outputExists && refusal?.fault.found.contains("thesis.txt") == true)
    #expect(try names("out").contains("thesis.txt"))
  }

  @Test func rowsThatHoldNoGroupsStayAsTheyAre() throws {
    let source = try TinyCheckpoint(expertWidth: 96).write(in: folder)
    let plan = try ConversionPlanner.prepareMLX(request(source, "out", GroupFormat())).plan
    let down = try #require(
      plan.tensors.first { $0.name == "model.layers.0.mlp.switch_mlp.down_proj.weight" })
    #expect(down.groups == nil && down.type == .bf16 && down.ggmlShape == [96, 64, 4])
    #expect(plan.notices.contains { $0.subject.description == down.name && $0.text.contains("96") })
    let gate = try #require(
      plan.tensors.first { $0.name == "model.layers.0.mlp.switch_mlp.gate_proj.weight" })
    #expect(gate.groups == GroupFormat() && gate.groupParts.count == 2)
  }

  @Test func overridesDecideBeforeEverythingElse() throws {
    let source = try TinyCheckpoint(expertWidth: 64).write(in: folder)
    let attention = try #require(RecipeRole(name: "attention"))
    let router = try #require(RecipeRole(name: "router"))
    let experts = try #require(RecipeRole(name: "routed-experts.down"))
    let eight = try #require(GroupFormat(.affine, bits: 8, groupSize: 32))
    let four = try #require(GroupFormat(.mxfp4))
    try run(
      request(source, "out", GroupFormat()) {
        $0.overrides = [
          .init(attention, .groups(eight)), .init(router, .plain), .init(experts, .groups(four)),
        ]
      })
    let tensors = try StoredCheckpoint(folder: folder.path("out")).tensors
    #expect(tensors["model.layers.0.self_attn.q_proj.weight"]?.shape == [64, 16])
    #expect(tensors["model.layers.0.mlp.gate.weight"]?.type == "BF16")
    #expect(tensors["model.layers.0.mlp.switch_mlp.down_proj.scales"]?.type == "U8")
    #expect(tensors["model.layers.0.mlp.switch_mlp.down_proj.biases"] == nil)
    let config = try JSONValue(contentsOf: folder.path("out/config.json"))
    let table = try #require(config["quantization"])
    #expect(
      table["model.layers.0.self_attn.v_proj"]
        == .object(["bits": .integer(8), "group_size": .integer(32)]))
    #expect(table["model.layers.0.mlp.switch_mlp.down_proj"]?["mode"] == .string("mxfp4"))
    #expect(table["model.layers.0.mlp.gate"] == nil && table["model.embed_tokens"] == nil)

    let linear = try #require(RecipeRole(name: "linear-attention"))
    let error = #expect(throws: ConversionError.self) {
      try run(request(source, "none", GroupFormat()) { $0.overrides = [.init(linear, .plain)] })
    }
    #expect(error?.code == .badOption && error?.fault.found.contains("linear-attention") == true)
  }

  @Test func weightsThatTheTypeCannotHoldAreRefused() throws {
    var checkpoint = TinyCheckpoint()
    // 1e30 as bf16.
    checkpoint.set("model.layers.0.self_attn.q_proj.weight", at: 70, bits: 0x7149)
    let source = try checkpoint.write(in: folder)
    let error = #expect(throws: ConversionError.self) {
      try run(request(source, "out", GroupFormat(.affine, groupSize: 32)) { $0.floatType = .f16 })
    }
    #expect(error?.code == .valueOutOfRange && error?.fault.subject.contains("q_proj") == true)
    #expect(try names("") == ["tiny-model"])
    try run(request(source, "out", GroupFormat(.affine, groupSize: 32)))
  }

  @Test func weightsThatBecomeZerosAreReported() throws {
    var checkpoint = TinyCheckpoint()
    // The second row of the router: 1e-9, far below the least step of the affine mode.
    for index in 64..<128 { checkpoint.set("model.layers.0.mlp.gate.weight", at: index, bits: 0x3089) }
    let source = try checkpoint.write(in: folder)
    let summary = try run(request(source, "out", GroupFormat()))
    #expect(summary.losses.map(\.tensor) == ["model.layers.0.mlp.gate.weight"])
    #expect(summary.losses.first?.type == "affine8/64" && summary.losses.first?.rows == 1)
  }

  @Test func otherFamiliesAreRefused() throws {
    var checkpoint = TinyCheckpoint()
    checkpoint.config["architectures"] = ["MixtralForCausalLM"]
    checkpoint.config["model_type"] = "mixtral"
    let source = try checkpoint.write(in: folder)
    let error = #expect(throws: (any Error).self) { try run(request(source, "out", GroupFormat())) }
    #expect((error as? any FaultError)?.fault.expected.contains("qwen3_moe") == true)
  }

  @Test func partsAreRefused() throws {
    var options = ExecutionOptions(threadCount: 1)
    options.part = RunPart(number: 1, count: 2)
    let error = #expect(throws: ConversionError.self) {
      try run(request(SampleTests.sample, "out", GroupFormat()), options)
    }
    #expect(error?.code == .badOption)
  }
}
