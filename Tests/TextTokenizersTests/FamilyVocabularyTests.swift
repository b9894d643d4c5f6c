import Foundation
import TensorTypes
import TestSupport
import Testing
import TextTokenizers

extension [MetadataEntry] {
  /// The value of a key.
  fileprivate subscript(key: String) -> MetadataValue? { first { $0.key == key }?.value }
}

@Suite("Vocabularies of single families")
struct FamilyVocabularyTests {
  private func folder(_ files: [String: String], model: Bool = false) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    for (name, text) in files { _ = try folder.write(name, Array(text.utf8)) }
    if model { _ = try folder.write("tokenizer.model", MessageBuilder.model) }
    return folder
  }

  private func entries(
    _ folder: TemporaryFolder, _ style: VocabularyMetadata.Style, size: Int
  ) throws -> [MetadataEntry] {
    try VocabularyMetadata(folder: folder.url.path, style: style, vocabularySize: size).entries
  }

  @Test("Gemma's entries are those of llama.cpp's converter, in its order")
  func gemma() throws {
    let golden = try Goldens.gemma()
    guard case .array(.string(let tokens))? = golden["tokenizer.ggml.tokens"] else {
      Issue.record("no tokens")
      return
    }
    let folder = try Goldens.folder("gemma")
    let metadata = try VocabularyMetadata(folder: folder, style: .gemma, vocabularySize: tokens.count)
    #expect(metadata.entries.map(\.key) == golden.map(\.key))
    for (found, wanted) in zip(metadata.entries, golden) {
      #expect(found.value == wanted.value, "\(found.key)")
    }
    // Rows without a token are filled up; a name for the splitting rule has no place.
    let wide = try VocabularyMetadata(
      folder: folder, style: .gemma, vocabularySize: tokens.count + 1, preOverride: "qwen2")
    #expect(wide.tokenCount == tokens.count + 1)
    #expect(wide.entries["tokenizer.ggml.pre"] == nil)
  }

  @Test("Gemma's unified class names tokens that are never generated")
  func suppressed() throws {
    let tokenizer = """
      {"decoder": {"type": "Sequence"}, "added_tokens": [],
       "model": {"type": "BPE", "byte_fallback": true, "vocab": {"<pad>": 0, "<eos>": 1, "a": 2}, "merges": []}}
      """
    func found(_ architecture: String, _ list: String) throws -> MetadataValue? {
      try entries(
        try folder([
          "tokenizer.json": tokenizer, "config.json": #"{"architectures": ["\#(architecture)"]}"#,
          "generation_config.json": #"{"suppress_tokens": \#(list)}"#,
        ]), .gemma, size: 3)["tokenizer.ggml.suppress_tokens"]
    }
    #expect(try found("Gemma4UnifiedForConditionalGeneration", "[2, 0]") == .array(.int32([2, 0])))
    #expect(try found("Gemma4ForConditionalGeneration", "[2, 0]") == nil)
    #expect(
      tokenizerCode { _ = try found("Gemma4UnifiedForConditionalGeneration", "[\"a\"]") } == .invalidValue)
    #expect(
      tokenizerCode { _ = try entries(try folder(["config.json": "{}"]), .gemma, size: 3) } == .notSupported)
  }

  @Test("ERNIE: the space before a text is written last")
  func ernie() throws {
    let config = #"{"add_prefix_space": false, "add_bos_token": true}"#
    let result = try entries(
      try folder(["tokenizer_config.json": config, "config.json": "{\"bos_token_id\": 1}"], model: true),
      .ernie,
      size: 7)
    #expect(
      result.map(\.key).suffix(3) == [
        "tokenizer.ggml.bos_token_id", "tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_space_prefix",
      ])
    #expect(result.last?.value == .bool(false))
    #expect(result["tokenizer.ggml.model"] == .string("llama"))
    let silent = try entries(try folder(["tokenizer_config.json": "{}"], model: true), .ernie, size: 7)
    #expect(silent["tokenizer.ggml.add_space_prefix"] == nil)
  }

  @Test("Phi: added tokens of both files, special by their flags alone")
  func phi() throws {
    let config = #"{"added_tokens_decoder": {"7": {"content": "<|x|>", "special": false}}}"#
    let tokenizer = """
      {"model": {"type": "BPE", "vocab": {}, "merges": []},
       "added_tokens": [{"id": 8, "content": "<|end|>", "special": true}, {"id": 9, "content": "\u{2581}y", "special": false},
        {"id": 90, "content": "<far>", "special": true}]}
      """
    let folder = try folder(["tokenizer_config.json": config, "tokenizer.json": tokenizer], model: true)
    let metadata = try VocabularyMetadata(folder: folder.url.path, style: .phi, vocabularySize: 11)
    guard case .array(.string(let tokens))? = metadata.entries["tokenizer.ggml.tokens"] else {
      Issue.record("no tokens")
      return
    }
    #expect(tokens.suffix(4) == ["<|x|>", "<|end|>", "\u{2581}y", "[PAD10]"])
    #expect(
      metadata.entries["tokenizer.ggml.token_type"] == .array(.int32([2, 3, 3, 6, 1, 1, 1, 4, 3, 4, 5])))
    #expect(metadata.notes.count == 1 && metadata.notes[0].contains("<far>"))
  }

  @Test("HunYuan: special tokens after the ranks, and the start of a text by its token")
  func hunyuan() throws {
    let lines = ["a", "b", "ab"].enumerated().map { "\(Data($1.utf8).base64EncodedString()) \($0)\n" }
      .joined()
    let config = #"{"bos_token": "<|startoftext|>", "eos_token": "<|eos|>", "pad_token": "<|pad|>"}"#
    let size = 3 + 5 + 205
    let result = try entries(
      try folder([
        "hy.tiktoken": lines, "tokenizer_config.json": config, "config.json": "{\"vocab_size\": \(size)}",
      ]), .hunyuan, size: size)
    guard case .array(.string(let tokens))? = result["tokenizer.ggml.tokens"],
      case .array(.int32(let types))? = result["tokenizer.ggml.token_type"]
    else {
      Issue.record("no tokens")
      return
    }
    #expect(tokens.prefix(4) == ["a", "b", "ab", "<|endoftext|>"] && tokens.last == "<|extra_204|>")
    #expect(types.filter { $0 == 1 }.count == 3 && types.filter { $0 == 3 }.count == 210)
    #expect(result["tokenizer.ggml.merges"] == .array(.string(["a b"])))
    #expect(result["tokenizer.ggml.pre"] == .string("hunyuan"))
    #expect(result["tokenizer.ggml.bos_token_id"] == .uint32(5))
    #expect(result["tokenizer.ggml.eos_token_id"] == .uint32(6))
    #expect(result["tokenizer.ggml.padding_token_id"] == .uint32(7))
  }
}
