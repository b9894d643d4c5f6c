import Foundation
import FileBytes
import TensorTypes
import Testing
import TextTokenizers

/// Token ids equal to llama.cpp's for some hundred unusual strings.
@Suite struct EncodingTests {
  static let rules = [
    "qwen2", "qwen35", "deepseek-r1-qwen", "llama-bpe", "smollm", "refact", "gpt-2", "olmo", "tekken",
    "gpt-4o",
    "deepseek-llm", "deepseek-coder", "deepseek-v3", "glm4", "falcon", "default", "minimax-m2", "lfm2",
    "hunyuan",
    "kimi-k2", "bailingmoe2", "exaone-moe",
  ]
  /// Those that split as another does.
  static let same = ["deepseek-r1-qwen", "refact", "olmo", "glm4", "minimax-m2", "lfm2", "hunyuan"]

  @Test(arguments: rules) func bytePairs(rule: String) throws {
    let file = try Goldens.json("bytepairs-ids")
    let strings = try Goldens.strings()
    let bit = try #require((file["rules"] as? [String])?.firstIndex(of: rule))
    let cases = try #require(file["cases"] as? [[Any]])
    let tokenizer = try Tokenizer(metadata: Goldens.bytePairs(rule))
    var compared = 0
    for entry in cases {
      let index = try #require(entry[0] as? Int)
      let flags = try #require(entry[1] as? Int)
      let results = try #require(entry[2] as? [[Any]])
      let result = try #require(results.first { (($0[0] as? Int) ?? 0) >> bit & 1 == 1 })
      let golden = try #require(result[1] as? [Any])
      let ids = tokenizer.encode(
        bytes: strings[index], addSpecial: flags & 1 != 0, parseSpecial: flags & 2 != 0)
      #expect(
        Goldens.matches(golden, ids),
        "\(rule), flags \(flags): \(Goldens.difference(strings[index], golden, ids))")
      compared += 1
    }
    #expect(compared > 450)
    let roles = try #require((file["roles"] as? [String: Any])?[rule] as? [String: Any])
    try expectRoles(tokenizer, roles)
  }

  @Test(arguments: rules.filter { !same.contains($0) })
  func placesWhereCharactersMeet(rule: String) throws {
    let golden = try #require(try Goldens.json("pairs-ids")[rule] as? [String])
    let strings = try Goldens.strings()
    let tokenizer = try Tokenizer(metadata: Goldens.pairs(rule))
    #expect(golden.count == strings.count)
    for (string, want) in zip(strings, golden) {
      let ids = tokenizer.encode(bytes: string, addSpecial: false, parseSpecial: false)
      #expect(
        Goldens.hash(ids) == want,
        "\(rule): \(String(decoding: string, as: UTF8.self).debugDescription), ids \(ids)")
    }
  }

  @Test(arguments: ["sentencepiece", "sentencepiece-noprefix", "sample", "gemma"])
  func vocabulary(name: String) throws {
    let file = try Goldens.json(name + "-ids")
    let strings = try Goldens.strings()
    let tokenizer = try Tokenizer(metadata: Self.metadata(name))
    let cases = try #require(file["cases"] as? [[Any]])
    for entry in cases {
      let index = try #require(entry[0] as? Int)
      let flags = try #require(entry[1] as? Int)
      let golden = try #require(entry[2] as? [Any])
      let ids = tokenizer.encode(
        bytes: strings[index], addSpecial: flags & 1 != 0, parseSpecial: flags & 2 != 0)
      #expect(
        Goldens.matches(golden, ids),
        "\(name), flags \(flags): \(Goldens.difference(strings[index], golden, ids))")
    }
    try expectRoles(tokenizer, try #require(file["roles"] as? [String: Any]))
  }

  @Test func gemmaTexts() throws {
    let file = try Goldens.json("gemma-ids")
    let texts = try #require(file["texts"] as? [String]).map(Goldens.bytes)
    let cases = try #require(file["textCases"] as? [[Any]])
    let tokenizer = try Tokenizer(metadata: Goldens.gemma())
    for entry in cases {
      let index = try #require(entry[0] as? Int)
      let flags = try #require(entry[1] as? Int)
      let golden = try #require(entry[2] as? [Any])
      let ids = tokenizer.encode(
        bytes: texts[index], addSpecial: flags & 1 != 0, parseSpecial: flags & 2 != 0)
      #expect(
        Goldens.matches(golden, ids), "flags \(flags): \(Goldens.difference(texts[index], golden, ids))")
    }
    #expect(cases.count > 300)
    // BOS is added whatever the file says.
    let silent = try Goldens.gemma().map { entry in
      entry.key == "tokenizer.ggml.add_bos_token" ? MetadataEntry(entry.key, .bool(false)) : entry
    }
    #expect(try Tokenizer(metadata: silent).addBOS)
  }

  /// The tokens that end a turn, and those that are shown, of published sets of special tokens.
  @Test func endsOfTurns() throws {
    let sets = try Goldens.json("ends")
    for (name, value) in sets {
      let set = try #require(value as? [String: Any])
      let special = try #require(set["special"] as? [String])
      let tokens = Goldens.byteAlphabet + special
      let types = tokens.indices.map { $0 < 256 ? Int32(1) : 3 }
      let tokenizer = try Tokenizer(metadata: [
        MetadataEntry("tokenizer.ggml.model", .string("gpt2")),
        MetadataEntry("tokenizer.ggml.pre", .string("qwen2")),
        MetadataEntry("tokenizer.ggml.tokens", .array(.string(tokens))),
        MetadataEntry("tokenizer.ggml.token_type", .array(.int32(types))),
        MetadataEntry("tokenizer.ggml.merges", .array(.string(["a b"]))),
        MetadataEntry("tokenizer.ggml.eos_token_id", .uint32(256)),
      ])
      let ends = try #require(set["ends"] as? [NSNumber]).map(\.int32Value)
      #expect(tokenizer.endOfGeneration.sorted() == ends.sorted(), "\(name)")
      let texts = special.indices.map { tokenizer.decode([Int32(256 + $0)]) }
      #expect(texts == set["texts"] as? [String], "\(name)")
    }
    #expect(sets.count > 10)
  }

  /// The merges of Kimi's files may be missing, those of others not.
  @Test func missingMerges() throws {
    func without(_ rule: String) throws -> [MetadataEntry] {
      try Goldens.bytePairs(rule).filter { $0.key != "tokenizer.ggml.merges" }
    }
    let kimi = try Tokenizer(metadata: without("kimi-k2"))
    let ids = kimi.encode("abc", addSpecial: false, parseSpecial: false)
    #expect(ids == ["a", "b", "c"].compactMap { kimi.tokenID($0) } && ids.count == 3)
    let error = #expect(throws: TokenizerError.self) { try Tokenizer(metadata: without("qwen2")) }
    #expect(error?.code == .missing)
  }

  static func metadata(_ name: String) throws -> [MetadataEntry] {
    switch name {
    case "sentencepiece": return try Goldens.sentencePiece()
    case "sentencepiece-noprefix":
      return try Goldens.sentencePiece([
        MetadataEntry("tokenizer.ggml.add_space_prefix", .bool(false)),
        MetadataEntry("tokenizer.ggml.add_eos_token", .bool(true)),
      ])
    case "gemma": return try Goldens.gemma()
    default: return try Goldens.sample()
    }
  }

  private func expectRoles(_ tokenizer: Tokenizer, _ roles: [String: Any]) throws {
    #expect(tokenizer.bos ?? -1 == (roles["bos"] as? NSNumber)?.int32Value)
    #expect(tokenizer.eos ?? -1 == (roles["eos"] as? NSNumber)?.int32Value)
    #expect(tokenizer.pad ?? -1 == (roles["pad"] as? NSNumber)?.int32Value)
    #expect(tokenizer.addBOS == roles["addBOS"] as? Bool)
    #expect(tokenizer.addEOS == roles["addEOS"] as? Bool)
    let ends = try #require(roles["ends"] as? [NSNumber])
    #expect(tokenizer.endOfGeneration.sorted() == ends.map(\.int32Value).sorted())
  }

  /// The word cache, the heap and the part-wise encoding must not show: a long text equals its words.
  @Test func longTextsEqualTheirParts() throws {
    let tokenizer = try Tokenizer(metadata: Goldens.sample())
    let line = "<path d=\"M1,2 L3.5,4\"/> the quick brown fox; \(String(repeating: "ab", count: 40))\n"
    let once = tokenizer.encode(line, addSpecial: false, parseSpecial: true)
    let text = String(repeating: line, count: 200)
    let many = tokenizer.encode(text, addSpecial: false, parseSpecial: true)
    #expect(many == Array(repeating: once, count: 200).flatMap(\.self))
  }

  @Test func longTextsOfCharactersEqualTheirParts() throws {
    let tokenizer = try Tokenizer(metadata: Goldens.gemma())
    let line = "<path d=\"M1,2 L3.5,4\"/> the quick brown fox; \(String(repeating: "ab", count: 40))\n"
    let once = tokenizer.encode(line, addSpecial: false, parseSpecial: true)
    let many = tokenizer.encode(String(repeating: line, count: 200), addSpecial: false, parseSpecial: true)
    #expect(many == Array(repeating: once, count: 200).flatMap(\.self))
  }

  @Test func veryLongWordsAreNotQuadratic() throws {
    let tokenizer = try Tokenizer(metadata: Goldens.sample())
    let sentencePiece = try Tokenizer(metadata: Goldens.sentencePiece())
    let gemma = try Tokenizer(metadata: Goldens.gemma())
    let clock = ContinuousClock()
    for letter in ["a", " ", "é", "\u{0301}"] {
      let text = String(repeating: letter, count: 60_000)
      let time = clock.measure {
        #expect(!tokenizer.encode(text, addSpecial: false, parseSpecial: false).isEmpty)
        #expect(!sentencePiece.encode(text, addSpecial: false, parseSpecial: false).isEmpty)
        #expect(!gemma.encode(text, addSpecial: false, parseSpecial: false).isEmpty)
      }
      // Quadratic work would take hours in a debug build.
      #expect(time < .seconds(60))
    }
  }

  @Test func unknownRuleAndModelAreSaid() throws {
    var error = #expect(throws: TokenizerError.self) { try Tokenizer(metadata: Goldens.pairs("bloom")) }
    #expect(error?.code == .unknownPreTokenizer)
    #expect(error?.fault.found == "\"bloom\"")
    error = #expect(throws: TokenizerError.self) {
      try Tokenizer(metadata: [MetadataEntry("tokenizer.ggml.model", .string("t5"))])
    }
    #expect(error?.code == .notSupported)
    #expect(error?.fault.subject == "tokenizer.ggml.model")
  }
}
