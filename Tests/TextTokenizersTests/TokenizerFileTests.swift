import FileBytes
import Foundation
import TestSupport
import Testing
import TextTokenizers

/// The code of the error that `body` throws, if it is a tokenizer error.
func tokenizerCode(_ body: () throws -> Void) -> TokenizerError.Code? {
  do {
    try body()
    return nil
  } catch {
    return (error as? TokenizerError)?.code
  }
}

/// The kind of JSON that `body` refuses, if it does.
func jsonCode(_ body: () throws -> Void) -> JSONError.Code? {
  do {
    try body()
    return nil
  } catch {
    return (error as? JSONError)?.code
  }
}

@Suite("tokenizer.json")
struct TokenizerFileTests {
  private func parse(_ text: String) throws -> TokenizerFile {
    try TokenizerFile(parsing: Array(text.utf8), file: "tokenizer.json")
  }

  @Test("Tokens that are canonically equal in Unicode stay apart")
  func canonicalEquivalence() throws {
    // é composed, e with a combining accent, the Kelvin sign, K, and Å thrice.
    let texts = ["\u{E9}", "e\u{301}", "\u{212A}", "K", "\u{C5}", "A\u{30A}", "\u{212B}"]
    #expect(Set(texts).count == 3)
    let members = texts.enumerated().map { "\"\($1)\": \($0)" }.joined(separator: ", ")
    let file = try parse(
      "{\"model\": {\"type\": \"BPE\", \"vocab\": {\(members)}, \"merges\": [\"e \u{301}\"]}}")
    #expect(file.vocabulary.map(\.id) == Array(0..<7))
    #expect(file.vocabulary.map { Array($0.text.utf8) } == texts.map { Array($0.utf8) })
    #expect(Array(try #require(file.merges.first).utf8) == Array("e \u{301}".utf8))
  }

  @Test("Added tokens are found by their exact scalars")
  func addedTokens() throws {
    let file = try parse(
      """
      {"added_tokens": [{"id": 1, "content": "e\\u0301", "special": true, "lstrip": false},
                        {"id": 2, "content": "\\u00e9"}, {"content": "<x>", "id": 3, "special": false}]}
      """)
    #expect(file.addedTokenID("\u{E9}") == 2)
    #expect(file.addedTokenID("e\u{301}") == 1)
    #expect(file.addedTokenID("y") == nil)
    #expect(file.addedTokens.map(\.special) == [true, false, false])
  }

  @Test("Escapes, surrogate pairs and both forms of merges")
  func escapes() throws {
    let file = try parse(
      """
      {"model": {"vocab": {"\\u0041\\n\\t\\r\\b\\f\\/\\\\\\"": 0, "\\ud83d\\ude00": 1}, "ignore_merges": true,
       "merges": ["a b", ["c", "d e"]], "byte_fallback": false, "type": "BPE"}, "version": "1.0",
       "decoder": null, "normalizer": {"type": "NFC"}}
      """)
    #expect(file.vocabulary.map(\.text) == ["A\n\t\r\u{8}\u{C}/\\\"", "😀"])
    #expect(file.merges == ["a b", "c d\u{120}e"])
    #expect(file.ignoreMerges == true && file.byteFallback == false && file.modelType == "BPE")
    #expect(file.normalizer["type"]?.text == "NFC")
  }

  @Test(
    "Broken documents",
    arguments: [
      "", "{", "[]", "{\"model\": }", "{\"model\": {\"vocab\": {\"a\": -1}}}",
      "{\"model\": {\"vocab\": {\"a\": 1.5}}}",
      "{\"model\": {\"vocab\": {\"a\" 1}}}", "{\"model\": {\"vocab\": {\"a\": 1,}}}",
      "{\"model\": {\"vocab\": {\"a\": 99999999999999999999}}}", "{\"model\": {\"vocab\": {\"\\ud800\": 1}}}",
      "{\"model\": {\"vocab\": {\"\\ud800\\u0041\": 1}}}", "{\"model\": {\"vocab\": {\"\\u12\": 1}}}",
      "{\"model\": {\"vocab\": {\"\\x\": 1}}}", "{\"model\": {\"vocab\": {\"a\nb\": 1}}}",
      "{\"model\": {\"merges\": [[\"a\"]]}}", "{\"added_tokens\": [{\"content\": \"a\"}]}", "{} x",
      "{\"a\": ]}",
      "{\"a\": [1}", "{\"pre_tokenizer\": {\"type\": }}", "{\"a\": tru!}", "{\"a\": \"", "{\"a\": \"\\",
    ])
  func broken(_ text: String) {
    #expect(throws: JSONError.self, "\(text)") { try parse(text) }
  }

  @Test("Bytes that are no UTF-8, and nesting without end")
  func hostile() {
    var bytes = Array("{\"model\": {\"vocab\": {\"a\": 1}}}".utf8)
    bytes[22] = 0xFF
    #expect(jsonCode { _ = try TokenizerFile(parsing: bytes, file: "f") } == .notUTF8)
    let deep = "{\"x\": " + String(repeating: "[", count: 1_000_000)
    #expect(jsonCode { _ = try parse(deep) } == .nestingTooDeep)
  }

  @Test("Every cut of a valid document is refused without a crash")
  func cuts() throws {
    let text =
      "{\"model\":{\"vocab\":{\"a\":0,\"\\u00e9\":1},\"merges\":[[\"a\",\"b\"]]},\"decoder\":{\"type\":\"x\"}}"
    _ = try parse(text)
    for length in 0..<text.utf8.count {
      #expect(
        jsonCode { _ = try TokenizerFile(parsing: Array(text.utf8.prefix(length)), file: "f") } != nil)
    }
  }

  @Test("Random damage never crashes")
  func damage() {
    var generator = SeededGenerator(seed: 7)
    let text = Array(
      "{\"model\":{\"vocab\":{\"a\":0,\"\\u00e9\":1},\"merges\":[[\"a\",\"b\"],\"c d\"]}}".utf8)
    var refused = 0
    for _ in 0..<2000 {
      var bytes = text
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(
          in: 0...255, using: &generator)
      }
      if (try? TokenizerFile(parsing: bytes, file: "f")) == nil { refused += 1 }
    }
    #expect(refused > 1000)
  }

  @Test("Small documents keep numbers, flags and absent values apart")
  func values() throws {
    let value = try JSONValue(
      parsing: Array(
        "{\"a\": 1, \"b\": 1.5, \"c\": true, \"d\": null, \"e\": [1e7], \"f\": 1.0, \"g\": 0}".utf8),
      file: "f")
    #expect(value["a"] == .integer(1))
    #expect(value["b"] == .number(1.5))
    #expect(value["c"] == .bool(true))
    #expect(value["d"] == nil && value.hasKey("d") && !value.hasKey("z"))
    #expect(value["e"]?.elements?.first?.double == 1e7)
    #expect(value["f"]?.double == 1 && value["g"]?.flag == nil && value["c"]?.integer == nil)
    #expect(jsonCode { _ = try JSONValue(parsing: Array("{\"a\": 1".utf8), file: "f") } == .malformed)
  }
}
