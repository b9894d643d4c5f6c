import FileBytes
import TensorTypes
import TestSupport
import Testing
import TextTokenizers

/// Metadata from a broken or hostile file.
@Suite struct HostileVocabularyTests {
  private func metadata(_ changes: [String: MetadataValue?]) -> [MetadataEntry] {
    var values: [String: MetadataValue] = [
      "tokenizer.ggml.model": .string("gpt2"), "tokenizer.ggml.pre": .string("qwen2"),
      "tokenizer.ggml.tokens": .array(.string(["a", "b", "ab"])),
      "tokenizer.ggml.merges": .array(.string(["a b"])),
    ]
    for (key, value) in changes { values[key] = value }
    return values.map { MetadataEntry($0.key, $0.value) }
  }

  private func code(_ changes: [String: MetadataValue?]) -> TokenizerError.Code? {
    do {
      _ = try Tokenizer(metadata: metadata(changes))
      return nil
    } catch { return error.code }
  }

  @Test func missingKeys() {
    #expect(code([:]) == nil)
    #expect(code(["tokenizer.ggml.model": nil]) == .missing)
    #expect(code(["tokenizer.ggml.tokens": nil]) == .missing)
    #expect(code(["tokenizer.ggml.tokens": .array(.string([]))]) == .missing)
    #expect(code(["tokenizer.ggml.merges": nil]) == .missing)
  }

  @Test func wrongTypes() {
    #expect(code(["tokenizer.ggml.model": .uint32(1)]) == .invalidValue)
    #expect(code(["tokenizer.ggml.pre": .bool(true)]) == .invalidValue)
    #expect(code(["tokenizer.ggml.tokens": .string("a")]) == .invalidValue)
    #expect(code(["tokenizer.ggml.merges": .array(.uint8([1]))]) == .invalidValue)
    #expect(code(["tokenizer.ggml.scores": .array(.float64([1, 2, 3]))]) == .invalidValue)
    #expect(code(["tokenizer.ggml.token_type": .array(.uint8([1, 1, 1]))]) == .invalidValue)
    #expect(code(["tokenizer.ggml.add_bos_token": .uint8(1)]) == .invalidValue)
    #expect(code(["tokenizer.ggml.bos_token_id": .string("a")]) == .invalidValue)
    #expect(code(["tokenizer.chat_template": .uint8(1)]) == .invalidValue)
  }

  @Test func wrongCounts() {
    #expect(code(["tokenizer.ggml.scores": .array(.float32([1, 2]))]) == .invalidValue)
    #expect(code(["tokenizer.ggml.token_type": .array(.int32([1]))]) == .invalidValue)
    #expect(code(["tokenizer.ggml.tokens": .array(.string(["a", "b", "a"]))]) == .invalidValue)
    // Equal to Swift, different as bytes: two tokens.
    #expect(code(["tokenizer.ggml.tokens": .array(.string(["\u{E9}", "e\u{301}"]))]) == nil)
  }

  @Test func oddMergesAreHarmless() throws {
    let tokenizer = try Tokenizer(
      metadata: metadata([
        "tokenizer.ggml.merges": .array(
          .string(["", " ", "a", " a", "a ", "b b", "a b", "a b", "x y z", "ab ab"]))
      ]))
    #expect(tokenizer.encode("ab", addSpecial: false, parseSpecial: false) == [2])
    #expect(tokenizer.encode("abab", addSpecial: false, parseSpecial: false).count <= 4)
  }

  @Test func idsOutOfRangeAreIgnored() throws {
    let tokenizer = try Tokenizer(
      metadata: metadata([
        "tokenizer.ggml.bos_token_id": .uint32(3), "tokenizer.ggml.eos_token_id": .uint32(2),
        "tokenizer.ggml.padding_token_id": .uint32(.max), "tokenizer.ggml.add_bos_token": .bool(true),
      ]))
    #expect(tokenizer.bos == nil)
    #expect(tokenizer.eos == 2)
    #expect(tokenizer.pad == nil)
    #expect(tokenizer.encode("a", addSpecial: true, parseSpecial: false) == [0])
  }

  @Test func emptyAndRawTokens() throws {
    let tokenizer = try Tokenizer(
      metadata: metadata(["tokenizer.ggml.tokens": .array(.rawString([[], [0xFF, 0xFE], [0x61]]))]))
    #expect(tokenizer.vocabularySize == 3)
    #expect(tokenizer.piece(0) == Array("[EMPTY_0]".utf8))
    #expect(tokenizer.encode("a", addSpecial: false, parseSpecial: false) == [2])
  }

  /// Random vocabularies and texts: nothing crashes, ids are in range, both algorithms agree with themselves.
  @Test(arguments: 0..<20) func randomVocabularies(seed: Int) throws {
    var generator = SeededGenerator(seed: UInt64(seed))
    let letters = Array("ab ▁<>Ġé0'\n".unicodeScalars).map { String($0) }
    func word(_ limit: Int) -> String {
      (0..<Int.random(in: 0...limit, using: &generator)).map { _ in
        letters[Int.random(in: 0..<letters.count, using: &generator)]
      }.joined()
    }
    var tokens: [String] = []
    for _ in 0..<60 {
      let text = word(4)
      if !tokens.contains(where: { Array($0.utf8) == Array(text.utf8) }) { tokens.append(text) }
    }
    let types = tokens.map { _ in Int32.random(in: -1...8, using: &generator) }
    let scores = tokens.map { _ in Bool.random(using: &generator) ? Float.nan : Float.random(in: -9...9) }
    let merges = (0..<80).map { _ in word(2) + " " + word(3) }
    for model in ["gpt2", "llama"] {
      let tokenizer = try Tokenizer(
        metadata: metadata([
          "tokenizer.ggml.model": .string(model), "tokenizer.ggml.tokens": .array(.string(tokens)),
          "tokenizer.ggml.token_type": .array(.int32(types)),
          "tokenizer.ggml.scores": .array(.float32(scores)),
          "tokenizer.ggml.merges": .array(.string(merges)),
          "tokenizer.ggml.pre": .string(EncodingTests.rules[seed % EncodingTests.rules.count]),
        ]))
      for _ in 0..<20 {
        var bytes = Array(word(60).utf8)
        if !bytes.isEmpty { bytes[bytes.count / 2] = UInt8.random(in: 0...255, using: &generator) }
        let ids = tokenizer.encode(bytes: bytes, addSpecial: true, parseSpecial: true)
        #expect(ids.allSatisfy { 0..<Int32(tokens.count) ~= $0 })
        _ = tokenizer.decodeBytes(ids, removeSpecial: true, showSpecial: true)
      }
    }
  }
}
