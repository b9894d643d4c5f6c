import Foundation
import TensorTypes
import TestSupport
import Testing

/// Files that llama.cpp's loader refuses: each is found, named and located.
///
/// `scripts/conformance-loader.py` tries many more against llama.cpp itself.
@Suite("pouch-validate: files that llama.cpp refuses")
struct ValidateLoaderTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test("found, named and located", arguments: vocabulary + architecture + types)
  func refused(_ sabotage: SabotageCase) throws {
    try sabotage.check(try SampleFile.q4KM.get(), in: folder, arguments: ["--no-blocks"])
  }

  private static func key(
    _ key: String, _ what: String, _ value: MetadataValue, kind: String = "wrong-key-type",
    words: [String] = []
  ) -> SabotageCase {
    SabotageCase(name: "\(key) \(what)", kind: kind, location: [key], words: words) { $0.set(key, value) }
  }

  private static func token(_ key: String, _ what: String, _ value: MetadataValue, words: [String] = [])
    -> SabotageCase
  {
    self.key("tokenizer.ggml." + key, what, value, kind: "tokenizer", words: words)
  }

  static let vocabulary: [SabotageCase] = [
    SabotageCase(
      name: "no merges", kind: "tokenizer", location: ["tokenizer.ggml.merges"], words: ["no such key"]
    ) { $0.metadata.removeAll { $0.key == "tokenizer.ggml.merges" } },
    SabotageCase(
      name: "no kind of vocabulary", kind: "tokenizer", location: ["tokenizer.ggml.model"],
      words: ["no such key"]
    ) { $0.metadata.removeAll { $0.key == "tokenizer.ggml.model" } },
    SabotageCase(
      name: "no splitting rule is a warning", kind: "tokenizer", location: ["tokenizer.ggml.pre"],
      status: [0, 4], words: ["no such key"]
    ) { $0.metadata.removeAll { $0.key == "tokenizer.ggml.pre" } },
    token("pre", "names no rule", .string("xyz"), words: ["xyz"]),
    token("pre", "as a number", .uint32(1), words: ["a u32"]),
    token("pre", "not UTF-8", .rawString([0xFF])),
    token("model", "names no kind", .string("xyz"), words: ["xyz"]),
    token("eos_token_id", "as an i32", .int32(3), words: ["a u32", "an i32"]),
    token("fim_pre_token_id", "as a u64", .uint64(3), words: ["a u64"]),
    token("add_eos_token", "as a u32", .uint32(0), words: ["a bool", "a u32"]),
    token("add_bos_token", "as a list", .array(.bool([false])), words: ["an array of 1 bool"]),
    token("suppress_tokens", "as u32", .array(.uint32([3])), words: ["an array of i32"]),
    token("scores", "as f64", .array(.float64([0])), words: ["an array of f32"]),
    SabotageCase(
      name: "token types as u32", kind: "tokenizer", location: ["tokenizer.ggml.token_type"],
      words: ["an array of 4096 u32"]
    ) { $0.set("tokenizer.ggml.token_type", .array(.uint32(.init(repeating: 1, count: 4096)))) },
    SabotageCase(
      name: "a token twice", kind: "tokenizer", location: ["tokenizer.ggml.tokens"], words: ["1 that occur"]
    ) { file in
      guard let index = file.metadata.firstIndex(where: { $0.key == "tokenizer.ggml.tokens" }),
        case .array(.string(var tokens)) = file.metadata[index].value
      else { return }
      tokens[7] = tokens[8]
      file.metadata[index].value = .array(.string(tokens))
    },
  ]

  static let architecture: [SabotageCase] = [
    key("general.architecture", "of no program", .string("qwen99"), kind: "wrong-value", words: ["qwen99"]),
    key("general.name", "as a number", .uint32(1), words: ["a string"]),
    key("general.file_type", "as a u64", .uint64(15), words: ["a u64"]),
    key("qwen35moe.attention.key_length", "as a u64", .uint64(64), words: ["a u32", "a u64"]),
    key("qwen35moe.attention.value_length", "as an i32", .int32(64)),
    key("qwen35moe.expert_shared_feed_forward_length", "as a u64", .uint64(256)),
    key("qwen35moe.nextn_predict_layers", "as a u64", .uint64(0)),
    key("qwen35moe.nextn_predict_layers", "more than blocks", .uint32(60), kind: "wrong-value"),
    key(
      "qwen35moe.block_count", "more than llama.cpp holds", .uint32(513), kind: "wrong-value", words: ["512"]),
    key("qwen35moe.context_length", "as an f32", .float32(2048)),
    key("qwen35moe.context_length", "as a list", .array(.uint32([2048]))),
    key("qwen35moe.rope.freq_base", "as an f64", .float64(1e7), words: ["an f64"]),
    key("qwen35moe.rope.scaling.type", "of no program", .string("dynamic"), kind: "wrong-value"),
    key("qwen35moe.rope.scaling.finetuned", "as a u32", .uint32(1)),
    key(
      "qwen35moe.rope.dimension_sections", "three of them", .array(.int32([6, 5, 5])), kind: "wrong-value",
      words: ["[6, 5, 5], an array of 3 i32"]),
    SabotageCase(
      name: "groups of experts without the number used", kind: "wrong-value",
      location: ["qwen35moe.expert_group_used_count"]
    ) { $0.set("qwen35moe.expert_group_count", .uint32(4)) },
    key("qwen35moe.pooling_type", "as a string", .string("none")),
    SabotageCase(
      name: "recurrent layers, two too many", kind: "wrong-value",
      location: ["qwen35moe.attention.recurrent_layers"], words: ["an array of 6 bool"]
    ) { file in
      let key = "qwen35moe.attention.recurrent_layers"
      guard case .array(.bool(let layers))? = file.metadata.first(where: { $0.key == key })?.value else {
        return
      }
      file.set(key, .array(.bool(layers + [true, false])))
    },
  ]

  private static func matrix(_ type: TensorType, of name: String = "blk.1.ffn_up_exps.weight") -> SabotageCase
  {
    SabotageCase(
      name: "\(name) as \(type)", kind: "wrong-tensor-type", location: [name], words: [type.name]
    ) { file in
      try file.change(name) { tensor in
        let count = tensor.shape.reduce(1, *) / type.blockLength * type.blockByteCount
        tensor = .init(name: name, type: type, shape: tensor.shape, bytes: .init(repeating: 1, count: count))
      }
    }
  }

  static let types: [SabotageCase] =
    ([.i8, .i16, .i32, .i64, .f64, .q8_1, .q8_K] as [TensorType]).map { matrix($0) } + [
      matrix(.f16, of: "blk.0.attn_norm.weight"), matrix(.bf16, of: "blk.1.attn_q_norm.weight"),
      matrix(.f16, of: "blk.0.ssm_conv1d.weight"), matrix(.f16, of: "blk.0.ssm_a"),
      matrix(.f64, of: "output.weight"),
    ]

  @Test("errors end with a sentence that says where; lists are not printed again")
  func summary() throws {
    let path = try folder.write("text.gguf", Array("hello world, this is text".utf8))
    let shown = try CommandRun("pouch-validate", [path])
    #expect(shown.status == 3)
    #expect(
      shown.errors == "Error: \(path): expected no errors, found one (structure), listed above\n",
      "\(shown.errors)")
    #expect(shown.output.contains("error: expected the bytes 47 47 55 46 (GGUF), found 68 65 6C 6C"))
    let quiet = try CommandRun("pouch-validate", [path, "-q"])
    #expect(
      quiet.errors
        == "Error: \(path): expected the bytes 47 47 55 46 (GGUF), found 68 65 6C 6C, which is plain text "
        + "(structure, the only error; this is not a GGUF file)\n", "\(quiet.errors)")
    var file = try SampleFile.q4KM.get()
    file.set("general.name", .uint32(1))
    file.set("qwen35moe.context_length", .float32(1))
    let two = try folder.write("two.gguf", try file.encoded())
    let listed = try CommandRun("pouch-validate", [two, "--no-blocks"])
    #expect(
      listed.lastErrorLine
        == "Error: \(two): general.name: expected no errors, found 2, the first of them here (wrong-key-type), "
        + "listed above", "\(listed.errors)")
  }

  private struct Sizes: Decodable {
    var fileBytes: Int
    var tensorCount: Int?
    var weights: Int?
    var format: String?
    var isSound: Bool
  }

  @Test("JSON about a cut file has its size, and no numbers that are not known")
  func cut() throws {
    let good = try SampleFile.q4KM.get().encoded()
    let path = try folder.write("cut.gguf", Array(good.prefix(1000)))
    let run = try CommandRun("pouch-validate", [path, "--json"])
    #expect(run.status == 3)
    let sizes = try JSONDecoder().decode(Sizes.self, from: Data(run.output.utf8))
    #expect(sizes.fileBytes == 1000 && !sizes.isSound)
    #expect(sizes.tensorCount == nil && sizes.weights == nil && sizes.format == nil)
    let whole = try folder.write("whole.gguf", good)
    let all = try JSONDecoder().decode(
      Sizes.self, from: Data(try CommandRun("pouch-validate", [whole, "--json", "--no-blocks"]).output.utf8))
    #expect(all.fileBytes == good.count && all.format == "GGUF v3" && (all.tensorCount ?? 0) > 10)
  }
}
