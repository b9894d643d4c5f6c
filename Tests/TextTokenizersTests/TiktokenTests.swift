import FileBytes
import Foundation
import TensorTypes
import TestSupport
import Testing
import TextTokenizers

@Suite("tiktoken.model")
struct TiktokenTests {
  /// A folder with these tokens in order of rank.
  private func folder(_ tokens: [String], config: String = "{}", vocabularySize: Int) throws
    -> TemporaryFolder
  {
    let temporary = try TemporaryFolder()
    let lines = tokens.enumerated().map { "\(Data($1.utf8).base64EncodedString()) \($0)" }
    for (name, text) in [
      ("tiktoken.model", lines.joined(separator: "\n") + "\n"), ("tokenizer_config.json", config),
      ("config.json", #"{"vocab_size": \#(vocabularySize)}"#),
    ] {
      try text.write(to: temporary.url.appendingPathComponent(name), atomically: true, encoding: .utf8)
    }
    return temporary
  }

  private func entries(_ folder: TemporaryFolder, size: Int) throws -> [String: MetadataValue] {
    let metadata = try VocabularyMetadata(
      folder: folder.url.path, style: .bytePairs, vocabularySize: size)
    return Dictionary(uniqueKeysWithValues: metadata.entries.map { ($0.key, $0.value) })
  }

  @Test("Merges follow from ranks: lowest first, below the token's own, two parts left")
  func merges() throws {
    let folder = try folder(["a", "b", "c", "bc", "ab", "abc", "abcab"], vocabularySize: 8)
    let values = try entries(folder, size: 8)
    #expect(values["tokenizer.ggml.merges"] == .array(.string(["b c", "a b", "a bc", "abc ab"])))
    #expect(values["tokenizer.ggml.pre"]?.text == "kimi-k2")
    #expect(values["tokenizer.ggml.model"]?.text == "gpt2")
  }

  @Test("Tokens that joining never makes have no merge, bytes take their letters")
  func letters() throws {
    // "xyz" is a token, but no pair of its bytes is one.
    let folder = try folder([" ", "x", "y", "z", "xyz", " x", "\u{e9}"], vocabularySize: 7)
    let values = try entries(folder, size: 7)
    #expect(values["tokenizer.ggml.merges"] == .array(.string(["\u{120} x", "\u{c3} \u{a9}"])))
    #expect(
      values["tokenizer.ggml.tokens"]
        == .array(.string(["\u{120}", "x", "y", "z", "xyz", "\u{120}x", "\u{c3}\u{a9}"])))
  }

  @Test("Special tokens follow the ranks, named ones by their names, up to the rows of the embedding")
  func special() throws {
    let config = """
      {"added_tokens_decoder": {"2": {"content": "[BOS]", "special": true}, "3": {"content": "[EOS]", "special": false}},
       "bos_token": "[BOS]", "eos_token": "[EOS]"}
      """
    let folder = try folder(["a", "b"], config: config, vocabularySize: 6)
    let values = try entries(folder, size: 6)
    #expect(
      values["tokenizer.ggml.tokens"]
        == .array(
          .string(["a", "b", "[BOS]", "[EOS]", "<|reserved_token_4|>", "<|reserved_token_5|>"])))
    #expect(values["tokenizer.ggml.bos_token_id"] == .uint32(2))
    #expect(values["tokenizer.ggml.eos_token_id"] == .uint32(3))
    // Fewer special tokens than rows: the rest is filled up.
    let wide = try entries(try self.folder(["a"], vocabularySize: 262), size: 262)
    guard case .array(.string(let tokens))? = wide["tokenizer.ggml.tokens"] else {
      Issue.record("no tokens")
      return
    }
    #expect(tokens.count == 262 && tokens[258] == "<|reserved_token_258|>" && tokens[259] == "[PAD259]")
  }

  @Test(
    "Lines that are no token are refused with their number",
    arguments: ["YQ== 1\n", "YQ==\n", "!!!! 0\n", "YQ== 0\nYQ== 1\n", " 0\n", "YQ== zero\n"])
  func damaged(_ text: String) throws {
    let folder = try folder([], vocabularySize: 4)
    try text.write(
      to: folder.url.appendingPathComponent("tiktoken.model"), atomically: true, encoding: .utf8)
    #expect(throws: TokenizerError.self) { try entries(folder, size: 4) }
  }
}
