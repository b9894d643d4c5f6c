import FileBytes
import TestSupport
import Testing
import TextTokenizers

@Suite("Splitting rules")
struct PreTokenizerTests {
  private static let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"

  private func split(_ regex: String) -> JSONValue {
    .object([
      "type": .string("Split"), "behavior": .string("Isolated"), "invert": .bool(false),
      "pattern": .object(["Regex": .string(regex)]),
    ])
  }

  private func sequence(_ parts: [JSONValue]) -> JSONValue {
    .object(["type": .string("Sequence"), "pretokenizers": .array(parts)])
  }

  private let bytesOnly: JSONValue = .object(["type": .string("ByteLevel"), "use_regex": .bool(false)])

  private func name(_ value: JSONValue, added: [String] = []) throws -> String {
    let list = added.enumerated().map { "{\"id\": \($0), \"content\": \"\($1)\"}" }.joined(separator: ",")
    let file = try TokenizerFile(parsing: Array("{\"added_tokens\": [\(list)]}".utf8), file: "f")
    return try PreTokenizer(value).name(in: file, file: "tokenizer.json")
  }

  private let qwen2 =
    contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  private let qwen35 =
    contractions
    + #"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  private let llama3 =
    contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

  @Test("Known rules, told apart by one class or by the tokens beside them")
  func known() throws {
    #expect(try name(sequence([split(qwen2), bytesOnly])) == "qwen2")
    #expect(try name(sequence([split(qwen35), bytesOnly])) == "qwen35")
    #expect(try name(sequence([split(llama3), bytesOnly])) == "llama-bpe")
    #expect(try name(sequence([split(llama3), bytesOnly]), added: ["[gMASK]"]) == "glm4")
    #expect(
      try name(sequence([split(qwen2), bytesOnly]), added: ["<｜begin▁of▁sentence｜>"]) == "deepseek-r1-qwen")
    #expect(try name(.object(["type": .string("ByteLevel")])) == "gpt-2")
    #expect(
      try name(
        sequence([
          .object(["type": .string("Digits"), "individual_digits": .bool(true)]),
          .object(["type": .string("ByteLevel"), "use_regex": .bool(true)]),
        ])) == "smollm")
  }

  @Test("The rules of Ling, EXAONE and Kimi, and those that tokens tell")
  func families() throws {
    let ling =
      #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"#
    let exaone =
      Self.contractions
      + #"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"#
    let upper = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"#
    let lower = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"#
    let head = #"[^\r\n\p{L}\p{N}]?"#
    let kimi =
      #"[\p{Han}]+|"# + head + upper + "*" + lower + "+" + Self.contractions + "?|" + head + upper + "+"
      + lower + "*"
      + Self.contractions + #"?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    #expect(try name(sequence([split(ling), bytesOnly])) == "bailingmoe2")
    #expect(try name(sequence([split(exaone), bytesOnly])) == "exaone-moe")
    #expect(try name(sequence([split(kimi), bytesOnly])) == "kimi-k2")
    #expect(try name(sequence([split(llama3), bytesOnly]), added: ["<|startoftext|>"]) == "lfm2")
    #expect(try name(sequence([split(qwen2), bytesOnly]), added: ["<|startoftext|>"]) == "hunyuan")
  }

  @Test("An unknown rule is named in the error, with the remedy")
  func unknown() throws {
    do {
      _ = try name(sequence([split(#"\w+|\W+"#), bytesOnly]))
      Issue.record("no error")
    } catch let error as TokenizerError {
      #expect(error.code == .unknownPreTokenizer)
      #expect(error.fault.found.contains(#"\w+|\W+"#))
      #expect(error.fault.remedy.contains("the splitting rule qwen2"))
      #expect(error.fault.expected.contains("qwen35"))
    }
    #expect(tokenizerCode { _ = try name(.null) } == .unknownPreTokenizer)
    #expect(tokenizerCode { _ = try name(.object(["type": .string("Metaspace")])) } == .unknownPreTokenizer)
    let inverted: JSONValue = .object([
      "type": .string("Split"), "behavior": .string("Isolated"), "invert": .bool(true),
      "pattern": .object(["Regex": .string(qwen2)]),
    ])
    #expect(tokenizerCode { _ = try name(inverted) } == .unknownPreTokenizer)
  }
}
