import Foundation
import TestSupport
import Testing

/// Checkpoints spoiled by hand: every one is refused with a message that names file and reason.
@Suite("Bad checkpoints")
struct HostileCheckpointTests {
  private static let first = "model-00001-of-00002.safetensors"
  private static let second = "model-00002-of-00002.safetensors"
  private static let index = "model.safetensors.index.json"
  private static let embedding = "model.embed_tokens.weight"
  private static let down2 = "model.layers.0.mlp.experts.2.down_proj.weight"

  @Test("weights", arguments: badWeights)
  func weights(_ hostile: HostileCase) throws { try check(hostile) }
  @Test("shards and index", arguments: badShards)
  func shards(_ hostile: HostileCase) throws { try check(hostile) }
  @Test("config.json", arguments: badConfigs)
  func configs(_ hostile: HostileCase) throws { try check(hostile) }
  @Test("tokenizer.json", arguments: badTokenizers)
  func tokenizers(_ hostile: HostileCase) throws { try check(hostile) }

  @Test("the checkpoint that all these cases start from is good")
  func good() throws {
    let inputs = try TemporaryFolder()
    let model = try TinyCheckpoint().write(in: inputs)
    let run = try CommandRun.convert(model, "--outtype", "q8_0", "--outfile", inputs.path("out.gguf"))
    #expect(run.status == 0, "\(run.errors)")
  }

  @Test("bad weights found by several threads in several tiles leave nothing behind", arguments: ["1", "3"])
  func badWeightsEverywhere(threads: String) throws {
    let inputs = try TemporaryFolder()
    let outputs = try TemporaryFolder()
    var checkpoint = TinyCheckpoint()
    for row in 0..<64 { checkpoint.set(Self.embedding, at: row * 64, bits: 0x7FC0) }
    let run = try CommandRun.convert(
      try checkpoint.write(in: inputs), "--outfile", outputs.path("out.gguf"), "-t", threads, "--max-memory",
      "2MB",
      "--split-max-tensors", "3")
    try Refusal.expect(run, [Self.first, Self.embedding, "nan"], outputs: outputs)
  }

  private func check(_ hostile: HostileCase) throws {
    let inputs = try TemporaryFolder()
    let outputs = try TemporaryFolder()
    var checkpoint = TinyCheckpoint()
    hostile.change(&checkpoint)
    let model = try checkpoint.write(in: inputs)
    try hostile.spoil(HostileCase.Folder(path: model))
    let run = try CommandRun.convert(model, "--outtype", "q8_0", "--outfile", outputs.path("out.gguf"))
    try Refusal.expect(run, hostile.expected, outputs: outputs)
  }

  // MARK: Cases

  private static let badWeights: [HostileCase] = [
    HostileCase(
      name: "a NaN in an expert",
      expected: [second, down2, "blk.0.ffn_down_exps.weight, expert 2, row 5", "nan", "column 7"],
      change: { $0.set(down2, at: 5 * 32 + 7, bits: 0x7FC1) }),
    HostileCase(
      name: "an infinity", expected: [first, embedding, "token_embd.weight, row 3", "-inf", "column 0"],
      change: { $0.set(embedding, at: 3 * 64, bits: 0xFF80) }),
    HostileCase(
      name: "weights whose block scale is no f16", expected: [first, "token_embd.weight, row 1", "f16"],
      change: { $0.set(embedding, at: 64, bits: 0x7F00) }),
    HostileCase(
      name: "a NaN in a norm", expected: [second, "model.norm.weight", "nan"],
      change: { $0.set("model.norm.weight", at: 63, bits: 0xFFC0) }),
    HostileCase(
      name: "a matrix of another shape", expected: ["model.layers.0.mlp.experts.2.down_proj.weight", "32"],
      change: { checkpoint in
        checkpoint.change(down2) {
          $0.shape = [32, 32]
          $0.bytes.removeLast($0.bytes.count / 2)
        }
      }),
    HostileCase(
      name: "a transposed matrix", expected: ["model.layers.0.mlp.experts.2.down_proj.weight", "[32, 64]"],
      change: { checkpoint in checkpoint.change(down2) { $0.shape = [32, 64] } }),
    HostileCase(
      name: "integers for weights", expected: ["model.norm.weight", "I64"],
      change: { checkpoint in
        checkpoint.change("model.norm.weight") {
          $0 = .init(type: "I64", shape: [64], bytes: .init(repeating: 0, count: 512))
        }
      }),
    HostileCase(
      name: "a tensor that the family does not have",
      expected: ["model.layers.0.mlp.experts.0.gate_porj.weight"],
      change: { checkpoint in
        let name = "model.layers.0.mlp.experts.0.gate_proj.weight"
        checkpoint.shards[1]["model.layers.0.mlp.experts.0.gate_porj.weight"] = checkpoint.shards[1][name]
      }),
    HostileCase(
      name: "a tensor of a layer past the last", expected: ["model.layers.1.input_layernorm.weight"],
      change: { $0.shards[1]["model.layers.1.input_layernorm.weight"] = $0.shards[1]["model.norm.weight"] }),
    HostileCase(
      name: "a missing norm", expected: ["model.norm.weight"],
      change: { $0.shards[1]["model.norm.weight"] = nil }),
    HostileCase(
      name: "a missing expert", expected: ["experts.3"],
      change: { checkpoint in
        for name in ["gate_proj", "up_proj", "down_proj"] {
          checkpoint.shards[1]["model.layers.0.mlp.experts.3.\(name).weight"] = nil
        }
      }),
    HostileCase(
      name: "a name with control characters", expected: [#"bad\nname\u{1b}[31m"#],
      change: { $0.shards[1]["bad\nname\u{1B}[31m"] = $0.shards[1]["model.norm.weight"] }),
  ]

  private static let badShards: [HostileCase] = [
    HostileCase(
      name: "a truncated shard", expected: [second],
      spoil: { try $0.write(second, try $0.read(second).dropLast(100)) }),
    HostileCase(
      name: "an empty shard", expected: [first], spoil: { try $0.write(first, []) }),
    HostileCase(
      name: "a shard cut in its header", expected: [first],
      spoil: { try $0.write(first, try $0.read(first).prefix(40)) }),
    HostileCase(
      name: "bytes after the data", expected: [first],
      spoil: { try $0.write(first, try $0.read(first) + [0, 0, 0, 0]) }),
    HostileCase(
      name: "a header length of 2^63", expected: [first],
      spoil: { try $0.write(first, [0, 0, 0, 0, 0, 0, 0, 0x80] + (try $0.read(first)).dropFirst(8)) }),
    HostileCase(
      name: "a header that is no JSON", expected: [first],
      spoil: { try $0.write(first, SafetensorsBytes.file("{\"a\":", dataByteCount: 4)) }),
    HostileCase(
      name: "overlapping tensors", expected: [first],
      spoil: { folder in
        let a = SafetensorsBytes.tensor("a"), b = SafetensorsBytes.tensor("b", offsets: "[2,6]")
        try folder.write(first, SafetensorsBytes.file("{\(a),\(b)}", dataByteCount: 6))
      }),
    HostileCase(
      name: "a shape whose product overflows", expected: [first],
      spoil: { folder in
        let a = SafetensorsBytes.tensor("a", shape: "[4294967296,4294967296,16]")
        try folder.write(first, SafetensorsBytes.file("{\(a)}", dataByteCount: 4))
      }),
    HostileCase(name: "a missing shard", expected: [second], spoil: { try $0.remove(second) }),
    HostileCase(
      name: "a shard that is not zstd", expected: [second + ".zst"],
      spoil: { folder in
        try folder.write(second + ".zst", try folder.read(second))
        try folder.remove(second)
      }),
    HostileCase(
      name: "no shards at all", expected: ["tiny-model", "safetensors"],
      spoil: { folder in for name in [first, second, index] { try folder.remove(name) } }),
    HostileCase(
      name: "an index with a path", expected: [index, "../"],
      spoil: { try $0.replace(index, second, "../" + second) }),
    HostileCase(
      name: "an index with an absolute path", expected: [index, "/etc/"],
      spoil: { try $0.replace(index, second, "/etc/passwd") }),
    HostileCase(
      name: "an index that is no JSON", expected: [index], spoil: { try $0.write(index, "weight_map") }),
    HostileCase(
      name: "an index without a map", expected: [index, "weight_map"],
      spoil: { try $0.write(index, "{\"metadata\":{}}") }),
    HostileCase(
      name: "an index that names the wrong shard", expected: ["model.norm.weight"],
      spoil: {
        try $0.replace(index, "\"model.norm.weight\" : \"\(second)\"", "\"model.norm.weight\" : \"\(first)\"")
      }),
    HostileCase(
      name: "a tensor in two shards", expected: [embedding],
      change: { $0.shards[1][embedding] = $0.shards[0][embedding] }),
  ]

  /// A case that changes one key of config.json; `nil` removes it.
  private static func config(_ name: String, _ key: String, _ value: (any Sendable)?, _ expected: String...)
    -> HostileCase
  {
    HostileCase(name: name, expected: ["config.json"] + expected, change: { $0.config[key] = value })
  }

  private static let badConfigs: [HostileCase] = [
    HostileCase(name: "no config", expected: ["config.json"], spoil: { try $0.remove("config.json") }),
    HostileCase(
      name: "an empty config", expected: ["config.json"], spoil: { try $0.write("config.json", "") }),
    HostileCase(
      name: "a config that is no JSON", expected: ["config.json"],
      spoil: { try $0.write("config.json", "{\"a\": }") }),
    HostileCase(
      name: "a config that is a list", expected: ["config.json"],
      spoil: { try $0.write("config.json", "[1]") }),
    HostileCase(
      name: "a config of nested brackets", expected: ["config.json"],
      spoil: { try $0.write("config.json", String(repeating: "[", count: 200_000)) }),
    config("an unknown architecture", "architectures", ["Qwen3MeoForCausalLM"], "Qwen3MeoForCausalLM"),
    config("architectures of the wrong type", "architectures", 7, "architectures"),
    config("no hidden size", "hidden_size", nil, "hidden_size"),
    config("a hidden size in words", "hidden_size", "64", "hidden_size"),
    config("a negative hidden size", "hidden_size", -64, "hidden_size"),
    config("an absurd hidden size", "hidden_size", 9_000_000_000_000_000_000, "hidden_size"),
    config("no heads", "num_attention_heads", 0, "num_attention_heads"),
    config("an absurd layer count", "num_hidden_layers", 2_000_000_000, "num_hidden_layers"),
    config("an absurd expert count", "num_experts", 4_000_000_000_000, "num_experts"),
    config("an absurd vocabulary", "vocab_size", 1 << 60, "vocab_size"),
    config("an epsilon in words", "rms_norm_eps", "small", "rms_norm_eps"),
    HostileCase(
      name: "more layers than there are", expected: ["model.layers.1."],
      change: { $0.config["num_hidden_layers"] = 2 }),
    HostileCase(
      name: "more experts than there are", expected: ["experts"], change: { $0.config["num_experts"] = 5 }),
  ]

  private static let badTokenizers: [HostileCase] = [
    HostileCase(
      name: "no tokenizer", expected: ["tiny-model", "tokenizer"], spoil: { try $0.remove("tokenizer.json") }),
    HostileCase(
      name: "a tokenizer that is no JSON", expected: ["tokenizer.json"],
      spoil: { try $0.write("tokenizer.json", "{]") }),
    HostileCase(
      name: "a tokenizer without a model", expected: ["tokenizer.json", "model"],
      change: { $0.tokenizer["model"] = nil }),
    HostileCase(
      name: "a splitting rule nobody knows", expected: ["tokenizer.json", "--pre"],
      spoil: { try $0.replace("tokenizer.json", "'ll|'d", "'ll|'x") }),
    HostileCase(
      name: "two tokens with one id", expected: ["tokenizer.json", "100"],
      spoil: { try $0.replace("tokenizer.json", "\"B\" : 33", "\"B\" : 100") }),
    HostileCase(
      name: "an id past the embedding", expected: ["tokenizer.json", "100000"],
      spoil: { try $0.replace("tokenizer.json", "\"B\" : 33", "\"B\" : 100000") }),
    HostileCase(
      name: "a negative id", expected: ["tokenizer.json", "-33"],
      spoil: { try $0.replace("tokenizer.json", "\"B\" : 33", "\"B\" : -33") }),
    HostileCase(
      name: "an id that is no integer", expected: ["tokenizer.json"],
      spoil: { try $0.replace("tokenizer.json", "\"B\" : 33", "\"B\" : \"33\"") }),
    HostileCase(
      name: "an added token without an id", expected: ["tokenizer.json"],
      change: { $0.tokenizer["added_tokens"] = [["content": "<|endoftext|>"]] }),
    HostileCase(
      name: "merges of the wrong type", expected: ["tokenizer.json", "merges"],
      spoil: { try $0.replace("tokenizer.json", "\"merges\" : [", "\"merges\" : [ 7 ") }),
  ]
}
