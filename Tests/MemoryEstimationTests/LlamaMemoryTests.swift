import FileBytes
import MemoryEstimation
import ModelDescriptions
import QuantRecipes
import TensorTypes
import TestSupport
import Testing

/// Buffer sizes against those that llama.cpp logs.
///
/// Recorded from build 11549 of October 2026, CPU backend, in MiB with two decimals, for models of the shapes below
/// quantized to Q4_K_M. `scripts/check-estimate.py` makes them anew.
@Suite("Memory of llama.cpp") struct LlamaMemoryTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  private func model(_ name: String) throws -> PricedModel {
    var changes: [String: Any] = [
      "hidden_size": 512, "num_attention_heads": 8, "head_dim": 128, "intermediate_size": 1536,
    ]
    if name != "qwen3" {
      changes["num_experts"] = 32
      changes["num_experts_per_tok"] = 4
      changes["moe_intermediate_size"] = 256
    }
    if name == "qwen3_next" { changes["architectures"] = ["Qwen3NextForCausalLM"] }
    if name == "qwen3_5_moe" || name == "qwen3_next" {
      changes["linear_num_key_heads"] = 4
      changes["linear_num_value_heads"] = 8
      changes["linear_key_head_dim"] = 128
      changes["linear_value_head_dim"] = 128
      changes["full_attention_interval"] = 4
      changes["mtp_num_hidden_layers"] = 0
    }
    let source = try RandomModel.writeConfig(RandomModel.config(name, changes), in: folder, name: name)
    return try ModelSource(source).price(EstimateRequest(mix: .q4_K_M))
  }

  /// A run and what was logged.
  struct Logged: Sendable, CustomTestStringConvertible {
    var context = 4096
    var microBatch = 512
    var sequences = 1
    var key = TensorType.f16
    var value = TensorType.f16
    var flash = true
    var allLogits = false
    var cache: Double
    var compute: Double

    var testDescription: String {
      "\(context) \(microBatch) \(sequences) \(key)/\(value) \(flash) \(allLogits)"
    }
  }

  static let denseRuns = [
    Logged(cache: 16, compute: 18.02), Logged(context: 16384, cache: 64, compute: 30.02),
    Logged(allLogits: true, cache: 16, compute: 18.02), Logged(microBatch: 128, cache: 16, compute: 4.50),
    Logged(microBatch: 2048, cache: 16, compute: 72.07),
    Logged(context: 8192, sequences: 2, cache: 32, compute: 18.02),
    Logged(key: .q8_0, value: .q8_0, cache: 8.5, compute: 18.10),
    Logged(key: .q8_0, value: .q4_0, cache: 6.5, compute: 18.10),
    Logged(flash: false, cache: 16, compute: 82.01),
    Logged(context: 4000, key: .bf16, value: .bf16, cache: 16, compute: 18.02),
    Logged(key: .f32, value: .f32, cache: 32, compute: 18.02),
  ]
  static let mixtureRuns = [
    Logged(cache: 16, compute: 15.02), Logged(context: 16384, cache: 64, compute: 27.02),
    Logged(allLogits: true, cache: 16, compute: 17.02), Logged(microBatch: 128, cache: 16, compute: 3.75),
    Logged(microBatch: 2048, cache: 16, compute: 60.07),
    Logged(key: .q8_0, value: .q4_0, cache: 6.5, compute: 15.10),
    Logged(flash: false, cache: 16, compute: 82.01),
    Logged(key: .f32, value: .f32, cache: 32, compute: 17.02),
  ]
  static let hybridRuns = [
    Logged(cache: 4, compute: 17.52), Logged(context: 16384, cache: 16, compute: 29.52),
    Logged(allLogits: true, cache: 4, compute: 18.03), Logged(microBatch: 128, cache: 4, compute: 5.28),
    Logged(microBatch: 2048, cache: 4, compute: 68.59),
    Logged(context: 8192, sequences: 2, cache: 8, compute: 18.07),
    Logged(flash: false, cache: 4, compute: 84.02), Logged(key: .f32, value: .f32, cache: 8, compute: 19.02),
  ]

  private func expect(_ name: String, _ logged: Logged) throws {
    var options = RunOptions(contextLength: logged.context)
    options.microBatchLength = logged.microBatch
    options.sequenceCount = logged.sequences
    options.keyType = logged.key
    options.valueType = logged.value
    options.flashAttention = logged.flash
    options.keepsAllLogits = logged.allLogits
    let memory = try model(name).memory(of: .llamaCpp, options)
    let mib = 1_048_576.0
    let cache = Double(memory.bytes(of: .keyValueCache)) / mib
    let compute = Double(memory.bytes(of: .computeBuffer)) / mib
    #expect(abs(cache - logged.cache) < 0.006, "cache \(cache), logged \(logged.cache)")
    #expect(abs(compute - logged.compute) < 0.006, "compute \(compute), logged \(logged.compute)")
  }

  @Test("dense", arguments: denseRuns) func dense(_ logged: Logged) throws { try expect("qwen3", logged) }
  @Test("GQA mixture", arguments: mixtureRuns) func mixture(_ logged: Logged) throws {
    try expect("qwen3_moe", logged)
  }
  @Test("hybrid", arguments: hybridRuns) func hybrid(_ logged: Logged) throws {
    try expect("qwen3_5_moe", logged)
  }

  private static let joined: [String: TensorSlot] = [
    "attn_qkv": .queryKeyValue, "ffn_gate_up_exps": .expertGateUp, "ssm_in": .deltaNetInputGate,
  ]

  /// Tensors that a file keeps as one have operations of another shape.
  @Test(
    "tensors kept together",
    arguments: [
      ("qwen3", ["attn_q": "attn_qkv"], [18.02, 18.02, 83.01]),
      ("qwen3_5_moe", ["ffn_gate_exps": "ffn_gate_up_exps"], [17.52, 18.03, 84.02]),
      ("qwen3_5_moe", ["attn_q": "attn_qkv"], [19.02, 19.03, 87.02]),
      ("qwen3_next", ["ssm_out": "ssm_out"], [20.52, 20.52, 84.01]),
      ("qwen3_next", ["ssm_ba": "ssm_in"], [27.04, 27.04, 84.01]),
      (
        "qwen3_next",
        ["ssm_ba": "ssm_in", "attn_q": "attn_qkv", "ffn_gate_exps": "ffn_gate_up_exps"],
        [27.04, 27.04, 87.01]
      ),
    ])
  func forms(name: String, renamed: [String: String], logged: [Double]) throws {
    var priced = try model(name)
    // Sizes of weights do not matter here; what tensors are for tells the layout.
    for index in priced.tensors.indices {
      for (old, new) in renamed where priced.tensors[index].name.hasSuffix(".\(old).weight") {
        priced.tensors[index].name = priced.tensors[index].name.replacing(".\(old).", with: ".\(new).")
        let purpose = priced.tensors[index].purpose
        priced.tensors[index].purpose = TensorPurpose(
          Self.joined[new] ?? purpose.slot ?? .router, block: purpose.block)
      }
    }
    for (wanted, change) in zip(logged, 0...) {
      var options = RunOptions(contextLength: 4096)
      options.keepsAllLogits = change == 1
      options.flashAttention = change != 2
      let memory = try priced.memory(of: .llamaCpp, options)
      let compute = Double(memory.bytes(of: .computeBuffer)) / 1_048_576
      #expect(abs(compute - wanted) < 0.006, "compute \(compute), logged \(wanted), \(change)")
    }
  }

  @Test(
    "weights, repacked copies and state",
    arguments: [
      ("qwen3", 10.69, 6.89, 0.0), ("qwen3_moe", 32.73, 25.17, 0.0), ("qwen3_5_moe", 37.77, 26.94, 1.57),
    ])
  func weights(name: String, mapped: Double, repacked: Double, state: Double) throws {
    var options = RunOptions(contextLength: 4096)
    options.repacks = true
    let memory = try model(name).memory(of: .llamaCpp, options)
    for (kind, logged) in [
      (MemoryBreakdown.Kind.weights, mapped), (.repackedWeights, repacked), (.recurrentState, state),
    ] {
      #expect(abs(Double(memory.bytes(of: kind)) / 1_048_576 - logged) < 0.006, "\(kind)")
    }
  }

  @Test("the flagship: 10 attention layers of 40, 5 GiB at 262,144 tokens")
  func flagship() throws {
    let priced = try ModelSource("qwen3.6-35b-a3b").price(EstimateRequest(mix: .q4_K_M))
    let memory = try priced.memory(of: .llamaCpp, RunOptions(contextLength: 262_144))
    #expect(memory.bytes(of: .keyValueCache) == 5 << 30)
    #expect(memory.bytes(of: .recurrentState) == 30 * 4 * (3 * 8192 + 32 * 128 * 128))
    // The next-token block is in the file, but not loaded.
    #expect(memory.bytes(of: .weights) == 21_155_768_832)
    var options = RunOptions(contextLength: 262_144)
    options.keyType = .q8_0
    options.valueType = .q8_0
    #expect(try priced.memory(of: .llamaCpp, options).bytes(of: .keyValueCache) == (5 << 30) / 32 * 17)
  }

  @Test("caches grow with the context, and streams get equal shares")
  func growth() throws {
    let priced = try model("qwen3_moe")
    var last = 0
    for context in [1, 256, 257, 4096, 100_000] {
      let bytes = try priced.memory(of: .llamaCpp, RunOptions(contextLength: context)).bytes(
        of: .keyValueCache)
      #expect(bytes >= last && bytes == 4 * ((context + 255) / 256 * 256) * 2 * 2 * 128 * 2)
      last = bytes
    }
    var options = RunOptions(contextLength: 1000)
    options.sequenceCount = 3
    // 1024 cells in three streams of 512.
    #expect(try priced.memory(of: .llamaCpp, options).bytes(of: .keyValueCache) == 4 * 1536 * 1024)
    options.isUnified = true
    #expect(try priced.memory(of: .llamaCpp, options).bytes(of: .keyValueCache) == 4 * 1024 * 1024)
  }
}
