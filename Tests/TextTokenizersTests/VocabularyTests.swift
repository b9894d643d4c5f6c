import Foundation
import TensorTypes
import TestSupport
import Testing
import TextTokenizers

extension [MetadataEntry] {
  /// The value of a key.
  fileprivate subscript(key: String) -> MetadataValue? { first { $0.key == key }?.value }
}

@Suite("Vocabulary metadata")
struct VocabularyTests {
  private static let split =
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"#

  private func tokenizer(_ extra: String = "", added: String = "", model: String = "") -> String {
    """
    {"added_tokens": [\(added)], "pre_tokenizer": {"type": "Split", "behavior": "Isolated",
     "pattern": {"Regex": "\(Self.split)"}}, \(extra)
     "model": {"type": "BPE", \(model) "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}}
    """
  }

  private func folder(_ files: [String: String]) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    for (name, text) in files { _ = try folder.write(name, Array(text.utf8)) }
    return folder
  }

  private func entries(
    _ files: [String: String], style: VocabularyMetadata.Style = .bytePairs, size: Int? = 8,
    preOverride: String? = nil
  ) throws -> [MetadataEntry] {
    let folder = try folder(files)
    return try VocabularyMetadata(
      folder: folder.url.path, style: style, vocabularySize: size, preOverride: preOverride
    ).entries
  }

  @Test("Tokens, types and padding; both files of added tokens count")
  func bytePairs() throws {
    let added = """
      {"id": 3, "content": "<|x|>", "special": false}, {"id": 4, "content": "<think>", "special": false}
      """
    let config = """
      {"added_tokens_decoder": {"5": {"content": "<tts>", "special": true}, "4": {"content": "\u{2581}t", "special": false}},
       "eos_token": {"content": "<|x|>"}, "bos_token": null, "pad_token": "<none>"}
      """
    let result = try entries(["tokenizer.json": tokenizer(added: added), "tokenizer_config.json": config])
    #expect(
      result["tokenizer.ggml.tokens"]
        == .array(.string(["a", "b", "ab", "<|x|>", " t", "<tts>", "[PAD6]", "[PAD7]"])))
    #expect(result["tokenizer.ggml.token_type"] == .array(.int32([1, 1, 1, 3, 4, 3, 5, 5])))
    #expect(result["tokenizer.ggml.merges"] == .array(.string(["a b"])))
    #expect(result["tokenizer.ggml.pre"] == .string("qwen2"))
    #expect(result["tokenizer.ggml.eos_token_id"] == .uint32(3))
    #expect(result["tokenizer.ggml.bos_token_id"] == nil)
    #expect(result["tokenizer.ggml.padding_token_id"] == nil)
  }

  @Test("The numbers of config.json fill what is left; lists do not")
  func numbers() throws {
    let config = """
      {"eos_token_id": [1, 2], "text_config": {"bos_token_id": 2, "eos_token_id": 0}, "pad_token_id": 1}
      """
    let result = try entries(["tokenizer.json": tokenizer(), "config.json": config])
    #expect(result["tokenizer.ggml.bos_token_id"] == .uint32(2))
    #expect(result["tokenizer.ggml.eos_token_id"] == nil)
    #expect(result["tokenizer.ggml.padding_token_id"] == .uint32(1))
    #expect(
      tokenizerCode {
        _ = try entries(["tokenizer.json": tokenizer(), "config.json": "{\"bos_token_id\": -5}"])
      } == .invalidValue)
  }

  @Test("A template post-processor decides what is added and gives a displaced end token a role")
  func template() throws {
    let post = """
      "post_processor": {"type": "Sequence", "processors": [{"type": "ByteLevel"}, {"type": "TemplateProcessing",
       "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "<e>"}}],
       "pair": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "<e>"}},
        {"Sequence": {"id": "B"}}, {"SpecialToken": {"id": "<e>"}}]}]},
      """
    let added = """
      {"id": 3, "content": "<s>", "special": true}, {"id": 4, "content": "<e>", "special": true},
      {"id": 5, "content": "<t>", "special": true}
      """
    let result = try entries([
      "tokenizer.json": tokenizer(post, added: added),
      "tokenizer_config.json": "{\"eos_token\": \"<t>\", \"add_bos_token\": false}",
    ])
    #expect(result["tokenizer.ggml.bos_token_id"] == .uint32(3))
    #expect(result["tokenizer.ggml.eos_token_id"] == .uint32(4))
    #expect(result["tokenizer.ggml.eot_token_id"] == .uint32(5))
    #expect(result["tokenizer.ggml.add_bos_token"] == .bool(true))
    #expect(result["tokenizer.ggml.add_eos_token"] == .bool(true))
    #expect(result["tokenizer.ggml.add_sep_token"] == .bool(false))
  }

  @Test("Chat templates: the configuration first, then the file, then named ones")
  func chatTemplates() throws {
    let base = ["tokenizer.json": tokenizer()]
    func template(_ files: [String: String]) throws -> [MetadataEntry] {
      try entries(base.merging(files) { $1 })
    }
    let both = try template([
      "tokenizer_config.json": "{\"chat_template\": \"C\"}", "chat_template.jinja": "J\r\n",
    ])
    #expect(both["tokenizer.chat_template"] == .string("C"))
    let file = try template(["tokenizer_config.json": "{}", "chat_template.jinja": "J\r\n"])
    #expect(file["tokenizer.chat_template"] == .string("J\n"))
    let json = try template([
      "tokenizer_config.json": "{\"x\": 1}", "chat_template.json": "{\"chat_template\": \"K\"}",
    ])
    #expect(json["tokenizer.chat_template"] == .string("K"))
    let named = try template([
      "tokenizer_config.json":
        "{\"chat_template\": [{\"name\": \"default\", \"template\": \"D\"}, {\"name\": \"tool use\", \"template\": \"T\"}]}"
    ])
    #expect(named["tokenizer.chat_template"] == .string("D"))
    #expect(named["tokenizer.chat_template.tool_use"] == .string("T"))
    #expect(named["tokenizer.chat_templates"] == .array(.string(["tool_use"])))
    #expect(try template([:])["tokenizer.chat_template"] == nil)
  }

  @Test("SentencePiece: padding, added tokens, special ids within range")
  func sentencePiece() throws {
    let folder = try folder([
      "added_tokens.json": "{\"[new]\": 7, \"[far]\": 900}",
      "tokenizer_config.json": """
      {"add_prefix_space": true, "add_bos_token": true, "add_eos_token": false,
       "added_tokens_decoder": {"1": {"content": "<s>", "special": true}, "8": {"content": "\u{2581}x", "special": false}}}
      """,
      "config.json": "{\"bos_token_id\": 1, \"eos_token_id\": 2, \"pad_token_id\": 50}",
    ])
    _ = try folder.write("tokenizer.model", MessageBuilder.model)
    let result = try VocabularyMetadata(folder: folder.url.path, style: .llama, vocabularySize: 10).entries
    #expect(
      result.map(\.key) == [
        "tokenizer.ggml.add_space_prefix", "tokenizer.ggml.model", "tokenizer.ggml.pre",
        "tokenizer.ggml.tokens",
        "tokenizer.ggml.scores", "tokenizer.ggml.token_type", "tokenizer.ggml.bos_token_id",
        "tokenizer.ggml.eos_token_id", "tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_eos_token",
      ])
    #expect(result["tokenizer.ggml.model"] == .string("llama"))
    #expect(
      result["tokenizer.ggml.tokens"]
        == .array(
          .string(["<unk>", "<s>", "</s>", "<0x00>", "[user]", "\u{2581}the", "e", "[new]", " x", "[PAD9]"])))
    #expect(
      result["tokenizer.ggml.scores"]
        == .array(.float32([0, -1000, 0, 0, 0, -3.5, -4, -1000, -1000, -10000])))
    #expect(result["tokenizer.ggml.token_type"] == .array(.int32([2, 3, 3, 6, 1, 1, 1, 4, 4, 5])))
  }

  @Test("Byte pairs with byte fallback become the SentencePiece kind")
  func byteFallback() throws {
    let text = """
      {"added_tokens": [{"id": 0, "content": "<unk>", "special": true}, {"id": 3, "content": "<x>", "special": true}],
       "decoder": {"type": "Sequence"},
       "model": {"type": "BPE", "byte_fallback": true, "vocab": {"<unk>": 0, "<0x0A>": 1, "a": 2}, "merges": []}}
      """
    let result = try entries(
      ["tokenizer.json": text, "tokenizer_config.json": "{\"unk_token\": \"<unk>\"}"], style: .llama)
    #expect(result["tokenizer.ggml.model"] == .string("llama"))
    // Filled up to the rows of the embedding, without which llama.cpp refuses the file.
    #expect(
      result["tokenizer.ggml.tokens"]
        == .array(.string(["<unk>", "<0x0A>", "a", "<x>", "[PAD4]", "[PAD5]", "[PAD6]", "[PAD7]"])))
    #expect(result["tokenizer.ggml.token_type"] == .array(.int32([3, 6, 1, 4, 5, 5, 5, 5])))
  }

  @Test("Names given by hand, sizes by which rules are chosen")
  func rules() throws {
    let unknown = tokenizer().replacingOccurrences(of: "(?i:'s", with: "(?i:'q")
    #expect(tokenizerCode { _ = try entries(["tokenizer.json": unknown]) } == .unknownPreTokenizer)
    #expect(
      try entries(["tokenizer.json": unknown], preOverride: "mine")["tokenizer.ggml.pre"] == .string("mine"))
    #expect(
      try entries(["tokenizer.json": tokenizer()], style: .llama, size: 49152)["tokenizer.ggml.add_bos_token"]
        == .bool(false))
  }

  @Test("Files that cannot be used")
  func refused() throws {
    #expect(tokenizerCode { _ = try entries([:]) } == .noTokenizer)
    #expect(tokenizerCode { _ = try entries(["tokenizer.json": tokenizer()], size: 2) } == .invalidValue)
    #expect(
      tokenizerCode { _ = try entries(["tokenizer.json": tokenizer()], size: 1 << 40) } == .invalidValue)
    #expect(
      tokenizerCode {
        _ = try entries(["tokenizer.json": "{\"model\": {\"type\": \"Unigram\", \"vocab\": []}}"])
      } == .notSupported)
    #expect(
      tokenizerCode {
        _ = try entries([
          "tokenizer.json": tokenizer(), "tokenizer_config.json": "{\"added_tokens_decoder\": {\"x\": {}}}",
        ])
      } == .invalidValue)
  }
}
