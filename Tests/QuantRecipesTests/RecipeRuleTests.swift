import FileBytes
import Foundation
import ModelDescriptions
import QuantRecipes
import TensorTypes
import TestSupport
import Testing

@Suite("What rules of recipes catch")
struct RecipeRuleTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Four layers, the second and the last with full attention, and a layer of next-token prediction.
  private let facts = MixModelFacts(
    architecture: "qwen35moe", expertCount: 16, headCount: 4, headCountKV: 2, layerCount: 5,
    nextTokenLayerCount: 1)

  private var tensors: [MixTensor] {
    var names = ["token_embd.weight", "output.weight", "output_norm.weight"]
    for layer in 0..<5 {
      let full = layer % 2 == 1 || layer == 4
      let attention =
        full
        ? ["attn_q", "attn_k", "attn_v", "attn_output"]
        : ["attn_qkv", "attn_gate", "ssm_alpha", "ssm_beta", "ssm_out"]
      let others = [
        "attn_norm", "ffn_gate_inp", "ffn_gate_exps", "ffn_up_exps", "ffn_down_exps", "ffn_gate_shexp",
        "ffn_up_shexp", "ffn_down_shexp",
      ]
      names += (attention + others).map { "blk.\(layer).\($0).weight" }
    }
    names.append("blk.4.nextn.eh_proj.weight")
    let purposes = TensorPurposes(names: names)
    return names.map { name in
      MixTensor(
        name: name,
        ggmlShape: name.contains("norm") ? [256] : name.contains("exps") ? [256, 256, 16] : [256, 256],
        type: .bf16, purpose: purposes[name])
    }
  }

  private func load(_ rules: String, base: String = "base: q4_k_s") throws -> Recipe {
    let text = "name: mine\ndescription: d\n\(base)\nrules:\n\(rules)\n"
    let path = try folder.write("mine.yaml", Array(text.utf8))
    return try RecipeLibrary.recipe(path)
  }

  private func resolve(
    _ rules: String, tensors: [MixTensor]? = nil, facts: MixModelFacts? = nil,
    _ change: (inout MixOptions) -> Void = { _ in }
  ) throws -> TypeMixer.Resolution {
    var options = MixOptions()
    options.recipe = try load(rules)
    change(&options)
    return try TypeMixer.resolve(
      mix: .q4_K_S, options: options, facts: facts ?? self.facts, tensors: tensors ?? self.tensors)
  }

  /// The names that the first rule decides about.
  private func caught(_ rule: String, tensors: [MixTensor]? = nil) throws -> [String] {
    let all = tensors ?? self.tensors
    let found = try resolve("  - {\(rule), type: q8_0, why: w}", tensors: all).decisions
    return zip(all, found).filter { $0.1.reason == .recipe(0) }.map(\.0.name)
  }

  private func names(_ layers: [Int], _ stems: String...) -> [String] {
    layers.flatMap { layer in stems.map { "blk.\(layer).\($0).weight" } }
  }

  @Test("roles")
  func roles() throws {
    #expect(try caught("role: attention.v") == names([1, 3, 4], "attn_v"))
    #expect(try caught("role: attention.qkv, optional: true").isEmpty)
    #expect(try caught("role: linear-attention.in") == names([0, 2], "attn_qkv"))
    #expect(
      try caught("role: linear-attention.gates") == names([0, 2], "attn_gate", "ssm_alpha", "ssm_beta"))
    #expect(try caught("role: linear-attention.out") == names([0, 2], "ssm_out"))
    // Short convolutions are linear attention to recipes.
    let short = [TensorSlot.shortConvolutionInput, .shortConvolutionOutput].map { slot in
      MixTensor(
        name: "blk.0.shortconv.\(slot == .shortConvolutionInput ? "in" : "out")_proj.weight",
        ggmlShape: [256, 256], type: .bf16, purpose: TensorPurpose(slot, block: 0))
    }
    #expect(try caught("role: linear-attention.in", tensors: short) == ["blk.0.shortconv.in_proj.weight"])
    #expect(try caught("role: linear-attention.out", tensors: short) == ["blk.0.shortconv.out_proj.weight"])
    #expect(try caught("role: routed-experts.down") == names([0, 1, 2, 3, 4], "ffn_down_exps"))
    #expect(
      try caught("role: shared-experts")
        == names([0, 1, 2, 3, 4], "ffn_gate_shexp", "ffn_up_shexp", "ffn_down_shexp"))
    #expect(try caught("role: [embedding, output]") == ["token_embd.weight", "output.weight"])
    #expect(try caught("role: next-token-prediction") == ["blk.4.nextn.eh_proj.weight"])
    #expect(try caught("role: any").count == tensors.count - 11)
  }

  @Test("a tied embedding is the output, too")
  func tied() throws {
    let tied = tensors.filter { $0.name != "output.weight" }
    #expect(try caught("role: output", tensors: tied) == ["token_embd.weight"])
    let found = try resolve("  - {role: output, type: q8_0, why: w}", tensors: tied) {
      $0.outputTensorType = .q5_K
    }
    #expect(found.decisions[0] == TypeDecision(type: .q5_K, reason: .outputOption))
  }

  @Test("patterns, categories and stacks")
  func others() throws {
    #expect(try caught("pattern: 'blk\\.[02]\\.ssm_'") == names([0, 2], "ssm_alpha", "ssm_beta", "ssm_out"))
    #expect(
      try caught("category: values")
        == names([0], "attn_qkv") + names([1], "attn_v") + names([2], "attn_qkv") + names([3, 4], "attn_v"))
    #expect(try caught("category: down, stacked: true") == names([0, 1, 2, 3, 4], "ffn_down_exps"))
    #expect(try caught("category: down, stacked: false") == names([0, 1, 2, 3, 4], "ffn_down_shexp"))
  }

  @Test(
    "layers, counted from both ends of the model's own",
    arguments: [
      ("1", [1]), ("0..2", [0, 1, 2]), ("-1", [3]), ("-2..-1", [2, 3]), ("1..-1", [1, 2, 3]),
      ("[0, -1]", [0, 3]), ("4", [4]), ("next-token", [4]), ("last-eighth", [3]), ("more-bits", [2, 3]),
      ("2..99", [2, 3, 4]),
    ])
  func layers(text: String, expected: [Int]) throws {
    #expect(try caught("role: routed-experts.up, layers: \(text)") == names(expected, "ffn_up_exps"))
  }

  @Test("values are numbered as they come, feed-forward tensors by layer")
  func nth() throws {
    // Five values: attn_qkv of layers 0 and 2 among them.
    #expect(try caught("category: values, nth: 1..2") == names([1], "attn_v") + names([2], "attn_qkv"))
    #expect(try caught("category: up, nth: -1") == names([4], "ffn_up_exps", "ffn_up_shexp"))
    // A rule of the command line takes its tensors out of the count, as in llama-quantize.
    let found = try resolve("  - {category: values, nth: 0, type: q8_0, why: w}") {
      $0.tensorTypeRules = [(try? TensorTypeRule(parsing: "blk.0.attn_qkv=q6_K"))].compactMap(\.self)
    }
    let decided = zip(tensors, found.decisions).filter { $0.1.reason == .recipe(0) }.map(\.0.name)
    #expect(decided == ["blk.1.attn_v.weight"])
  }

  @Test("conditions")
  func conditions() throws {
    func holds(_ when: String) throws -> Bool {
      try !caught("role: output, when: {\(when)}").isEmpty
    }
    #expect(try holds("experts: 16") && holds("experts: 8..") && holds("experts: 2..16"))
    #expect(try !holds("experts: 8") && !holds("experts: ..15"))
    #expect(try holds("queries-per-value: 2") && !holds("queries-per-value: 4.."))
    #expect(try holds("architecture: [llama, qwen35moe]") && !holds("architecture: llama"))
    #expect(try holds("imatrix: false") && !holds("imatrix: true") && !holds("size-class: 70b"))
  }

  @Test("the first rule decides; the base's rules follow, then its default")
  func order() throws {
    let found = try resolve(
      """
        - {role: routed-experts.down, layers: 0, type: q6_K, why: w}
        - {role: routed-experts, type: q3_K, why: w}
      """
    ).decisions
    let types = Dictionary(uniqueKeysWithValues: zip(tensors.map(\.name), found.map(\.type)))
    #expect(types["blk.0.ffn_down_exps.weight"] == .q6_K)
    #expect(types["blk.1.ffn_down_exps.weight"] == .q3_K)
    #expect(types["output.weight"] == .q6_K)
    #expect(types["blk.0.attn_qkv.weight"] == .q5_K)
    #expect(types["token_embd.weight"] == .q4_K)
    #expect(types["blk.0.ffn_gate_inp.weight"] == .bf16)
  }

  @Test("a rule that catches nothing stops the run, with file, line and the nearest names")
  func nothing() throws {
    let error = try #require(throws: RecipeError.self) {
      _ = try resolve(
        "  - {role: output, type: q8_0, why: w}\n  - {pattern: ffn_dwn_exps, type: q8_0, why: w}")
    }
    #expect(error.code == .ruleMatchesNothing)
    #expect(error.fault.file == folder.path("mine.yaml") + ":6")
    #expect(error.fault.remedy.contains("blk.0.ffn_down_exps.weight"))
    let layer = try #require(throws: RecipeError.self) {
      _ = try resolve("  - {role: attention, layers: 40..50, type: q8_0, why: w}")
    }
    #expect(layer.code == .ruleMatchesNothing && layer.faultClass == .rejected)
    // Optional rules and rules of a base may catch nothing.
    #expect(
      try resolve("  - {pattern: nothing, type: q8_0, why: w, optional: true}").notes.isEmpty)
    _ = try folder.write(
      "top.yaml",
      Array(
        "name: top\ndescription: d\nbase: mine.yaml\nrules:\n  - {role: output, type: q5_K, why: w}\n".utf8))
    _ = try load("  - {pattern: nothing, type: q8_0, why: w}")
    var options = MixOptions()
    let top = try RecipeLibrary.recipe(folder.path("top.yaml"))
    options.recipe = top
    let found = try TypeMixer.resolve(mix: .q4_K_S, options: options, facts: facts, tensors: tensors)
    #expect(found.decisions[1] == TypeDecision(type: .q5_K, reason: .recipe(0)))
    #expect(top.origins.map(\.name) == ["top", "mine", "q4_k_s"])
    #expect(top.base?.name == "mine" && top.base?.ownRules.count == 1)
    #expect(top.base?.base?.name == "q4_k_s" && top.base?.base?.base == nil)
  }

  @Test("rules that decide nothing are noted")
  func notes() throws {
    let found = try resolve(
      """
        - {role: router, type: q8_0, why: w}
        - {role: shared-experts, type: q8_0, why: w}
        - {role: shared-experts.down, type: q6_K, why: w}
        - {role: output, type: q6_K, why: w}
      """
    ) { $0.outputTensorType = .q8_0 }
    #expect(
      found.notes == [
        .recipeRuleMatchesOnlyKept(rule: 0, tensors: names([0, 1, 2, 3, 4], "ffn_gate_inp")),
        .recipeRuleShadowed(rule: 2, by: [1]), .recipeRuleShadowed(rule: 3, by: []),
      ])
  }

  @Test("rows that do not fit fall back")
  func fallback() throws {
    let odd = tensors.map { tensor in
      tensor.name.contains("ffn_down_exps")
        ? MixTensor(name: tensor.name, ggmlShape: [96, 256, 16], type: .bf16) : tensor
    }
    let found = try resolve("  - {role: routed-experts.down, type: q6_K, why: w}", tensors: odd).decisions
    let down = try #require(odd.firstIndex { $0.name == "blk.0.ffn_down_exps.weight" })
    #expect(found[down] == TypeDecision(type: .q8_0, reason: .recipe(0), fallbackFrom: .q6_K))
  }

  @Test("a recipe from nothing")
  func own() throws {
    let recipe = try load(
      "  - {role: output, type: q6_K, why: w}", base: "default: q5_0\nimatrix: none")
    #expect(recipe.defaultType == .q5_0 && recipe.stockMix == .q5_0 && recipe.importanceUse == .none)
    #expect(recipe.base == nil && recipe.ownRules.count == 1)
    let copied = try load("  - {role: output, type: q6_K, why: w}", base: "base: q2_k_s")
    #expect(copied.importanceUse == .expected && copied.stockMix == .q2_K_S)
  }
}
