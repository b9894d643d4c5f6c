import FileBytes
import Foundation
import TensorTypes
import TestSupport
import Testing
import TextTokenizers

@Suite("vocab.json and merges.txt without tokenizer.json")
struct VocabularyFilesTests {
  private static let sample = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("samples/Pelican-10M-A5M")

  private func json(_ name: String) throws -> [String: Any] {
    let data = try Data(contentsOf: Self.sample.appendingPathComponent(name))
    return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
  }

  /// The sample's tokenizer, taken apart; `config` and `others` replace its other files.
  private func folder(config: [String: Any]?, others: [String: Any] = [:]) throws -> TemporaryFolder {
    let model = try #require(try json("tokenizer.json")["model"] as? [String: Any])
    let merges = try #require(model["merges"] as? [Any]).map { merge in
      (merge as? [String])?.joined(separator: " ") ?? merge as? String ?? ""
    }
    let folder = try TemporaryFolder()
    var files = others
    files["vocab.json"] = model["vocab"]
    files["tokenizer_config.json"] = config
    if files["config.json"] == nil { files["config.json"] = try json("config.json") }
    for (name, content) in files {
      _ = try folder.write(name, [UInt8](try JSONSerialization.data(withJSONObject: content)))
    }
    _ = try folder.write(
      "merges.txt", Array(("#version: 0.2\n" + merges.joined(separator: "\n") + "\n").utf8))
    return folder
  }

  private func entries(_ folder: String) throws -> [MetadataEntry] {
    try VocabularyMetadata(folder: folder, style: .bytePairs, vocabularySize: 4096).entries
  }

  /// The sample's entries without those of its template, which lies in a file of its own here.
  private func expected() throws -> [MetadataEntry] {
    try entries(Self.sample.path).filter { $0.key != "tokenizer.chat_template" }
  }

  private func found(_ folder: TemporaryFolder) throws -> [MetadataEntry] {
    try entries(folder.url.path).filter { $0.key != "tokenizer.chat_template" }
  }

  private func code(_ folder: TemporaryFolder) -> TokenizerError.Code? {
    do {
      _ = try entries(folder.url.path)
      return nil
    } catch {
      return (error as? TokenizerError)?.code
    }
  }

  @Test("The same vocabulary as from tokenizer.json, wherever ids and roles of special tokens are")
  func same() throws {
    let config = try json("tokenizer_config.json")
    let expected = Set(try expected().map(\.key))
    #expect(expected.contains("tokenizer.ggml.eos_token_id"))
    var bare = config
    bare["added_tokens_decoder"] = nil
    var roleless = bare
    for key in ["eos_token", "pad_token", "additional_special_tokens"] { roleless[key] = nil }
    let ids = ["<|endoftext|>": 4093, "<|im_start|>": 4094, "<|im_end|>": 4095]
    let roles: [String: Any] = [
      "eos_token": ["content": "<|im_end|>"], "pad_token": "<|endoftext|>",
      "additional_special_tokens": ["<|im_start|>"],
    ]
    let folders = [
      try folder(config: config),
      try folder(config: bare, others: ["added_tokens.json": ids]),
      try folder(config: roleless, others: ["added_tokens.json": ids, "special_tokens_map.json": roles]),
    ]
    for folder in folders {
      let found = try found(folder)
      for entry in try self.expected() where !entry.key.hasPrefix("tokenizer.ggml.add_") {
        #expect(found.first { $0.key == entry.key }?.value == entry.value, "\(entry.key)")
      }
    }
  }

  @Test("The class decides the splitting rule, else the model type does")
  func splitting() throws {
    var config = try json("tokenizer_config.json")
    func pre(_ className: String?, model: String = "qwen3") throws -> MetadataValue? {
      config["tokenizer_class"] = className
      let folder = try folder(config: config, others: ["config.json": ["model_type": model]])
      return try found(folder).first { $0.key == "tokenizer.ggml.pre" }?.value
    }
    #expect(try pre("Qwen2TokenizerFast", model: "qwen3_5_moe") == .string("qwen2"))
    #expect(try pre("Qwen3_5Tokenizer") == .string("qwen35"))
    #expect(try pre("GPT2Tokenizer", model: "llama") == .string("gpt-2"))
    #expect(try pre(nil, model: "qwen3_5_moe") == .string("qwen35"))
    #expect(try pre(nil, model: "qwen2_moe") == .string("qwen2"))
    for (name, model) in [("CodeLlamaTokenizer", "qwen3"), (nil, "llama")] as [(String?, String)] {
      config["tokenizer_class"] = name
      let folder = try folder(config: config, others: ["config.json": ["model_type": model]])
      #expect(code(folder) == .unknownPreTokenizer)
      let given = try VocabularyMetadata(
        folder: folder.url.path, style: .bytePairs, vocabularySize: 4096, preOverride: "qwen2")
      #expect(given.entries.first { $0.key == "tokenizer.ggml.pre" }?.value == .string("qwen2"))
    }
  }

  @Test("A special token without an id is refused rather than given the next one")
  func withoutIDs() throws {
    var config = try json("tokenizer_config.json")
    config["added_tokens_decoder"] = nil
    #expect(code(try folder(config: config)) == .missing)
    // Without any configuration the class still has its end-of-text token.
    #expect(code(try folder(config: nil)) == .missing)
    let odd = try folder(config: config, others: ["added_tokens.json": ["<|im_end|>": -4]])
    #expect(code(odd) == .invalidValue)
  }

  @Test("One file of the two, and files that are none")
  func broken() throws {
    let config = try json("tokenizer_config.json")
    let alone = try folder(config: config)
    try FileManager.default.removeItem(atPath: alone.path("merges.txt"))
    #expect(code(alone) == .noTokenizer)
    let list = try folder(config: config)
    _ = try list.write("vocab.json", Array("[1, 2]".utf8))
    #expect(jsonCode { _ = try entries(list.url.path) } == .malformed)
    let doubled = try folder(config: config)
    _ = try doubled.write("vocab.json", Array("{\"a\": 0, \"b\": 0}".utf8))
    #expect(code(doubled) == .invalidValue)
  }
}
