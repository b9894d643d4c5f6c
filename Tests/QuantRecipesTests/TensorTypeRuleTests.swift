import Foundation
import FileBytes
import QuantRecipes
import TensorTypes
import Testing

@Suite("Tensor type rules")
struct TensorTypeRuleTests {
  /// The names behind the digits of the recording, see `scripts/conformance-patterns.cpp`.
  private static let names = [
    "output.weight", "token_embd.weight", "blk.0.attn_q.weight", "blk.1.attn_v.weight",
    "blk.12.ffn_down_exps.weight", "blk.3.ffn_gate_inp.weight", "blk.20.ssm_out.weight",
    "v.blk.1.attn_k.bias",
    "a]b}c.weight", "[x&y-z].weight", "aab",
  ]

  /// Patterns that the C++ library accepts and Pouch refuses, because it would read them differently.
  private static let refused: Set<String> = [
    "a++b", "a**", "a{2}+b", "[]a]", "[^]", "[[.a.]]ab", "[[=a=]]ab", "\\ca",
  ]

  @Test("patterns find what std::regex finds, or are refused")
  func patterns() throws {
    let url = try #require(Bundle.module.url(forResource: "Golden/patterns", withExtension: "tsv"))
    let lines = try String(contentsOf: url, encoding: .utf8).split(separator: "\n")
    #expect(lines.count == 74)
    for line in lines {
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      let pattern = fields[0]
      if fields[1] == "error" {
        let error = #expect(throws: RecipeError.self, "\(pattern)") {
          _ = try TensorTypeRule(pattern: pattern, type: .q8_0)
        }
        #expect(error?.code == .badPattern || error?.code == .patternNotSupported, "\(pattern)")
      } else if Self.refused.contains(pattern) {
        let error = #expect(throws: RecipeError.self, "\(pattern)") {
          _ = try TensorTypeRule(pattern: pattern, type: .q8_0)
        }
        #expect(error?.code == .patternNotSupported, "\(pattern)")
      } else {
        let rule = try TensorTypeRule(pattern: pattern, type: .q8_0)
        let found = Self.names.map { rule.matches($0) ? "1" : "0" }.joined()
        #expect(found == fields[1], "\(pattern)")
      }
    }
  }

  @Test("PATTERN=TYPE")
  func parsing() throws {
    let rule = try TensorTypeRule(parsing: "Attn_V=Q6_k")
    #expect(rule.pattern == "Attn_V")
    #expect(rule.type == .q6_K)
    #expect(rule.matches("blk.0.attn_v.weight"))
    #expect(!rule.matches("blk.0.attn_k.weight"))
    #expect(try TensorTypeRule(parsing: "a=bf16") == TensorTypeRule(pattern: "a", type: .bf16))
  }

  @Test(
    "malformed rules",
    arguments: [
      ("", RecipeError.Code.malformedRule), ("attn", .malformedRule), ("=q8_0", .malformedRule),
      ("attn=", .malformedRule), ("attn=q9_0", .unknownType), ("a=b=q8_0", .unknownType),
      ("(=q8_0", .badPattern),
    ])
  func malformed(text: String, code: RecipeError.Code) throws {
    let error = try #require(throws: RecipeError.self) { _ = try TensorTypeRule(parsing: text) }
    #expect(error.code == code)
    #expect(error.faultClass == .usage)
  }

  @Test("an unknown type comes with the nearest one")
  func suggestion() throws {
    let error = try #require(throws: RecipeError.self) { _ = try TensorTypeRule.tensorType(named: "q4k") }
    #expect(error.code == .unknownType)
    #expect(error.fault.remedy == "did you mean q4_K?")
  }

  @Test("rule files are divided by white space")
  func file() throws {
    let rules = try TensorTypeRule.parseFile(
      "attn_v=q8_0 ffn_down=q6_K\r\n\n\ttoken=f16\n", file: "rules.txt")
    #expect(rules.map(\.pattern) == ["attn_v", "ffn_down", "token"])
    #expect(rules.map(\.type) == [.q8_0, .q6_K, .f16])
    #expect(try TensorTypeRule.parseFile(" \n", file: "rules.txt").isEmpty)
    let error = try #require(throws: RecipeError.self) {
      _ = try TensorTypeRule.parseFile("attn_v=q8_0 oops", file: "rules.txt")
    }
    #expect(error.code == .malformedRule)
    #expect(error.fault.file == "rules.txt")
  }
}
