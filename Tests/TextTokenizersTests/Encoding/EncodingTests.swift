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
    "deepseek-llm", "deepseek-coder", "deepseek-v3", "glm4", "falcon", "default",
  ]

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

  @Test(arguments: rules.filter { !["deepseek-r1-qwen", "refact", "olmo", "glm4"].contains($0) })
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

  @Test(arguments: ["sentencepiece", "sentencepiece-noprefix", "sample"]) func vocabulary(name: String) throws
  {
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

  static func metadata(_ name: String) throws -> [MetadataEntry] {
    switch name {
    case "sentencepiece": return try Goldens.sentencePiece()
    case "sentencepiece-noprefix":
      return try Goldens.sentencePiece([
        MetadataEntry("tokenizer.ggml.add_space_prefix", .bool(false)),
        MetadataEntry("tokenizer.ggml.add_eos_token", .bool(true)),
      ])
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

  @Test func veryLongWordsAreNotQuadratic() throws {
    let tokenizer = try Tokenizer(metadata: Goldens.sample())
    let sentencePiece = try Tokenizer(metadata: Goldens.sentencePiece())
    let clock = ContinuousClock()
    for letter in ["a", " ", "é", "\u{0301}"] {
      let text = String(repeating: letter, count: 60_000)
      let time = clock.measure {
        #expect(!tokenizer.encode(text, addSpecial: false, parseSpecial: false).isEmpty)
        #expect(!sentencePiece.encode(text, addSpecial: false, parseSpecial: false).isEmpty)
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
