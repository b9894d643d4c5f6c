import FileBytes
import Foundation
import TensorTypes
import TestSupport
import Testing
import TextTokenizers

/// JSON as Python writes and reads it.
@Suite("JSON of checkpoints")
struct PythonJSONTests {
  private func parse(_ text: String) throws -> JSONValue {
    try JSONValue(parsing: Array(text.utf8), file: "config.json")
  }

  @Test("numbers that are none")
  func constants() throws {
    let value = try parse(#"{"a": NaN, "b": [Infinity, -Infinity], "c": 1e400}"#)
    #expect(value["a"]?.double?.isNaN == true && value["a"]?.integer == nil)
    #expect(value["b"]?.elements?.map(\.double) == [.infinity, -.infinity])
    #expect(value["c"]?.double == .infinity)
    #expect(value["a"]?.summary == "NaN" && value["b"]?.elements?[1].summary == "-Infinity")
  }

  @Test("of two equal keys the last one counts")
  func lastKey() throws {
    #expect(try parse(#"{"a": 1, "b": 2, "a": {"c": 3, "c": 4}}"#)["a"]?["c"] == .integer(4))
    #expect(try parse(#"{"a": 1, "\u0061": null}"#).hasKey("a"))
    #expect(try parse(#"{"a": 1, "\u0061": null}"#)["a"] == nil)
  }

  @Test("whole numbers are whole however they are written")
  func wholeNumbers() throws {
    #expect(try parse("[1, 1.0, 1e3, -0, -0.0]").elements == [1, 1, 1000, 0, 0].map { .integer($0) })
    #expect(try parse("[1.5, 1e300, 9223372036854775808]").elements?.map(\.integer) == [nil, nil, nil])
  }

  @Test("a vocabulary with an entry twice keeps the last, compared byte for byte")
  func vocabulary() throws {
    func vocabulary(_ text: String) throws -> [String] {
      try TokenizerFile(parsing: Array(text.utf8), file: "f").vocabulary.map { "\($0.text)=\($0.id)" }
    }
    #expect(try vocabulary(#"{"model":{"vocab":{"a":0,"b":1,"a":2}}}"#) == ["b=1", "a=2"])
    #expect(try vocabulary(#"{"model":{"vocab":{"a":0,"\u0061":1,"a":2}}}"#) == ["a=2"])
    #expect(try vocabulary(#"{"model":{"vocab":{"\u00e9":0,"e\u0301":1}}}"#).count == 2)
    #expect(try vocabulary(#"{"model":{"vocab":{"a":0}},"model":{"vocab":{"b":1}}}"#) == ["b=1"])
    #expect(try vocabulary(#"{"model":{"vocab":{"a":0},"vocab":{"b":1}}}"#) == ["b=1"])
    let file = try TokenizerFile(
      parsing: Array(
        #"{"model":{"merges":["a b"],"merges":["c d"]},"added_tokens":[{"id":1,"content":"x"}],"added_tokens":[]}"#
          .utf8), file: "f")
    #expect(file.merges == ["c d"] && file.addedTokens.isEmpty)
  }

  @Test("numbers that no one needs may be anything in tokenizer files, too")
  func tokenizerConstants() throws {
    let text = #"{"truncation": {"max_length": Infinity}, "model": {"vocab": {"a": 0}, "dropout": NaN}}"#
    #expect(try TokenizerFile(parsing: Array(text.utf8), file: "f").vocabulary.count == 1)
    let needed = #"{"model": {"vocab": {"a": NaN}}}"#
    #expect(jsonCode { _ = try TokenizerFile(parsing: Array(needed.utf8), file: "f") } == .badNumber)
  }
}

@Suite("Entries without a row")
struct RowlessTokenTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    _ = try folder.write("tokenizer.model", MessageBuilder.model)
  }

  private func metadata(rows: Int?) throws -> VocabularyMetadata {
    try VocabularyMetadata(folder: folder.url.path, style: .llama, vocabularySize: rows)
  }

  @Test("all rows there: nothing to say, padded or not", arguments: [7, 9, nil])
  func complete(rows: Int?) throws {
    #expect(try metadata(rows: rows).notes.isEmpty)
  }

  @Test("pieces past the last row are named")
  func pieces() throws {
    let short = try metadata(rows: 5)
    #expect(short.tokenCount == 5)
    #expect(short.notes.count == 1)
    #expect(short.notes[0].contains("2 entries") && short.notes[0].contains("5 “\u{2581}the”, 6 “e”"))
  }

  @Test("added tokens past the last row are named once, with those that have a role")
  func added() throws {
    _ = try folder.write("added_tokens.json", Array(#"{"<pad>": 7, "<a>": 8}"#.utf8))
    let config =
      #"{"added_tokens_decoder": {"7": {"content": "<pad>", "special": true}}, "pad_token": "<pad>"}"#
    _ = try folder.write("tokenizer_config.json", Array(config.utf8))
    _ = try folder.write("config.json", Array(#"{"pad_token_id": 7}"#.utf8))
    let notes = try metadata(rows: 7).notes
    #expect(notes.count == 2)
    #expect(notes.first?.contains("2 entries") == true && notes.first?.contains("7 “<pad>”, 8 “<a>”") == true)
    #expect(notes.last?.contains("pad (7)") == true)
    #expect(try metadata(rows: 9).notes.isEmpty)
  }

  @Test("many are counted, the first few named")
  func many() throws {
    let tokens = (7..<40).map { "\"<t\($0)>\": \($0)" }.joined(separator: ", ")
    _ = try folder.write("added_tokens.json", Array("{\(tokens)}".utf8))
    let note = try #require(try metadata(rows: 7).notes.first)
    #expect(note.contains("33 entries") && note.contains("11 “<t11>” and 28 more"))
  }

  @Test("byte pairs with byte fallback are fitted to the rows")
  func byteFallback() throws {
    let folder = try TemporaryFolder()
    let text = #"""
      {"model": {"type": "BPE", "byte_fallback": true, "vocab": {"a": 0, "b": 1}, "merges": []},
       "decoder": {"type": "Sequence"}, "added_tokens": [{"id": 2, "content": "<pad>", "special": true}]}
      """#
    _ = try folder.write("tokenizer.json", Array(text.utf8))
    let made = try VocabularyMetadata(folder: folder.url.path, style: .llama, vocabularySize: 2)
    #expect(made.tokenCount == 2 && made.notes.first?.contains("2 “<pad>”") == true)
    let whole = try VocabularyMetadata(folder: folder.url.path, style: .llama, vocabularySize: 3)
    #expect(whole.tokenCount == 3 && whole.notes.isEmpty)
    let padded = try VocabularyMetadata(folder: folder.url.path, style: .llama, vocabularySize: 5)
    #expect(padded.tokenCount == 5 && padded.notes.isEmpty)
    #expect(
      padded.entries.first { $0.key == "tokenizer.ggml.tokens" }?.value
        == .array(.string(["a", "b", "<pad>", "[PAD3]", "[PAD4]"])))
  }
}
