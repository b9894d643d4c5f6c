import FileBytes
import QuantRecipes
import TensorTypes
import TestSupport
import Testing

@Suite("Deciding types")
struct TypeMixerTests {
  private let facts = MixModelFacts(
    architecture: "qwen3moe", expertCount: 4, headCount: 8, headCountKV: 1, layerCount: 8)
  private let tensors = [
    MixTensor(name: "output.weight", ggmlShape: [256, 8], type: .bf16),
    MixTensor(name: "token_embd.weight", ggmlShape: [256, 8], type: .bf16),
    MixTensor(name: "blk.7.ffn_down_exps.weight", ggmlShape: [1408, 8, 4], type: .bf16),
    MixTensor(name: "blk.3.ffn_down_exps.weight", ggmlShape: [256, 8, 4], type: .bf16),
    MixTensor(name: "blk.0.attn_norm.weight", ggmlShape: [256], type: .f32),
    MixTensor(name: "blk.0.ffn_gate_inp.weight", ggmlShape: [256, 4], type: .f32),
  ]

  private func resolve(
    _ mix: StockMix = .q4_K_M, _ rules: [String] = [], _ change: (inout MixOptions) -> Void = { _ in },
    tensors: [MixTensor]? = nil
  ) throws -> TypeMixer.Resolution {
    var options = MixOptions()
    options.tensorTypeRules = try rules.map { try TensorTypeRule(parsing: $0) }
    change(&options)
    return try TypeMixer.resolve(mix: mix, options: options, facts: facts, tensors: tensors ?? self.tensors)
  }

  @Test("every decision says why")
  func reasons() throws {
    let found = try resolve(.q4_K_M, ["blk\\.3=q5_K"]).decisions
    #expect(found[0] == TypeDecision(type: .q6_K, reason: .mixture("output")))
    #expect(found[1] == TypeDecision(type: .q4_K, reason: .mixDefault))
    #expect(
      found[2]
        == TypeDecision(
          type: .q8_0, reason: .mixture("down projection of a layer that gets more bits"), fallbackFrom: .q6_K
        ))
    #expect(found[3] == TypeDecision(type: .q5_K, reason: .rule(0)))
    #expect(found[4] == TypeDecision(type: .f32, reason: .notQuantizable(.vector)))
    #expect(
      found[5] == TypeDecision(type: .f32, reason: .notQuantizable(.marked("ffn_gate_inp.weight"))))
  }

  @Test("options decide at once and are not subject to the shape")
  func optionReasons() throws {
    let found = try resolve(
      .q4_K_M, [],
      {
        $0.outputTensorType = .q5_1
        $0.tokenEmbeddingType = .q3_K
      }
    ).decisions
    #expect(found[0] == TypeDecision(type: .q5_1, reason: .outputOption))
    #expect(found[1] == TypeDecision(type: .q3_K, reason: .tokenEmbeddingOption))
    let tied = try resolve(.q4_K_M, [], { $0.outputTensorType = .q5_1 }, tensors: Array(tensors.dropFirst()))
      .decisions
    #expect(tied[0] == TypeDecision(type: .q5_1, reason: .outputOption))
    let left = try resolve(.q4_K_M, [], { $0.leaveOutputTensor = true }).decisions
    #expect(left[0] == TypeDecision(type: .bf16, reason: .notQuantizable(.outputLeft)))
  }

  @Test("rules that match nothing are named together, with the nearest tensors")
  func unmatched() throws {
    let error = try #require(throws: RecipeError.self) {
      _ = try resolve(.q4_K_M, ["output=q8_0", "ffn_dwn_exps=q8_0", "attention=q5_K"])
    }
    #expect(error.code == .ruleMatchesNothing)
    #expect(error.fault.subject == "ffn_dwn_exps=q8_0, attention=q5_K")
    #expect(error.fault.remedy.contains("nearest to ffn_dwn_exps: blk.7.ffn_down_exps.weight"))
    #expect(error.fault.remedy.contains("nearest to attention: blk.0.attn_norm.weight"))
    #expect(error.faultClass == .rejected)
  }

  @Test("rules are refused where llama-quantize ignores them", arguments: [StockMix.f32, .f16, .bf16, .copy])
  func ignored(mix: StockMix) throws {
    let error = try #require(throws: RecipeError.self) {
      _ = try resolve(mix, ["output=q8_0", "token=q8_0"])
    }
    #expect(error.code == .ruleHasNoEffect)
    #expect(error.fault.subject.contains("output=q8_0"))
    #expect(error.fault.subject.contains("token=q8_0"))
  }

  @Test("a rule for what an option decides is refused")
  func optionWins() throws {
    let error = try #require(throws: RecipeError.self) {
      _ = try resolve(.q4_K_M, ["^output=q8_0"], { $0.outputTensorType = .q5_1 })
    }
    #expect(error.code == .ruleHasNoEffect)
  }

  @Test("rules that do less than they seem to are noted")
  func notes() throws {
    let found = try resolve(.q4_K_M, ["norm=q8_0", "down=q8_0", "exps=q5_K", "output=q8_0", "output=q8_0"])
    #expect(
      found.notes == [
        .ruleMatchesOnlyKept(rule: 0, tensors: ["blk.0.attn_norm.weight"]),
        .ruleShadowed(rule: 2, by: [1]),
        .ruleShadowed(rule: 4, by: [3]),
      ])
    #expect(try resolve(.q4_K_M, ["down=q8_0"]).notes.isEmpty)
  }

  @Test("a rule that repeats the default type counts as a decision")
  func sameType() throws {
    let found = try resolve(.q4_K_M, ["output=q4_K"])
    #expect(found.decisions[0] == TypeDecision(type: .q4_K, reason: .rule(0)))
    #expect(found.notes.isEmpty)
  }

  @Test("quantized sources need permission")
  func requantize() throws {
    var sources = tensors
    sources[0].type = .q8_0
    sources[3].type = .q5_0
    let error = try #require(throws: RecipeError.self) { _ = try resolve(tensors: sources) }
    #expect(error.code == .requantizationNotAllowed)
    #expect(
      error.fault.subject == "output.weight (q8_0 to q6_K), blk.3.ffn_down_exps.weight (q5_0 to q6_K)")
    #expect(throws: Never.self) {
      _ = try resolve(.q4_K_M, [], { $0.allowRequantize = true }, tensors: sources)
    }
    // Equal types are copied.
    #expect(throws: Never.self) {
      _ = try resolve(.q4_K_M, ["output=q8_0", "blk.3=q5_0"], tensors: sources)
    }
    #expect(try resolve(.copy, tensors: sources).decisions.map(\.type) == sources.map(\.type))
  }

  @Test("sources that are no numbers to quantize are refused")
  func notConvertible() throws {
    var sources = tensors
    sources[1].type = .i32
    let error = try #require(throws: RecipeError.self) { _ = try resolve(tensors: sources) }
    #expect(error.code == .sourceNotConvertible)
    #expect(error.fault.subject == "token_embd.weight")
  }

  @Test("wide blocks without a substitute are refused")
  func noFallback() throws {
    let error = try #require(throws: RecipeError.self) { _ = try resolve(.q4_K_M, ["blk.7=q8_K"]) }
    #expect(error.code == .noFallback)
    #expect(error.fault.subject == "blk.7.ffn_down_exps.weight")
  }

  @Test(
    "substitutes for rows that are not whole blocks",
    arguments: [
      (TensorType.q4_K, TensorType.q5_0), (.q5_K, .q5_1), (.q6_K, .q8_0), (.q3_K, .q4_0), (.q2_K, .q4_0),
      (.iq4_xs, .iq4_nl), (.iq3_s, .iq4_nl), (.tq1_0, .q4_0), (.q8_0, .q8_0), (.mxfp4, .mxfp4),
      (.bf16, .bf16),
    ])
  func fallback(wanted: TensorType, substitute: TensorType) throws {
    func type(rowLength: Int) throws -> TypeDecision {
      let tensor = MixTensor(name: "blk.0.x.weight", ggmlShape: [rowLength, 2], type: .f32)
      return try resolve(.q4_K_M, ["x=\(wanted.name)"], tensors: [tensor]).decisions[0]
    }
    #expect(try type(rowLength: 512).type == wanted)
    let narrow = try type(rowLength: 1408)
    #expect(narrow.type == substitute)
    #expect(narrow.fallbackFrom == (substitute == wanted ? nil : wanted))
    #expect(try type(rowLength: 100).type == (wanted == .bf16 ? .bf16 : .f16))
  }

  @Test(
    "layers outside the model and names without a layer are refused in expert models",
    arguments: [
      "blk.8.ffn_down.weight", "ffn_down.weight", "blk.-1.ffn_up.weight", "mtp.ffn_gate.weight",
      "blk.99999999999999999999.ffn_up.weight",
    ])
  func badLayer(name: String) throws {
    let tensor = MixTensor(name: name, ggmlShape: [256, 2], type: .f32)
    let error = try #require(throws: RecipeError.self) { _ = try resolve(tensors: [tensor]) }
    #expect(error.code == .badLayer)
    // Nobody asks for the layer when the mixture is not used.
    #expect(throws: Never.self) { _ = try resolve(.q4_K_M, [], { $0.pure = true }, tensors: [tensor]) }
  }

  @Test("shapes", arguments: [[], [1, 2, 3, 4, 5], [0, 4], [4, -1]])
  func badShape(shape: [Int]) throws {
    let tensor = MixTensor(name: "x.weight", ggmlShape: shape, type: .f32)
    #expect(try #require(throws: RecipeError.self) { _ = try resolve(tensors: [tensor]) }.code == .badShape)
  }

  @Test("the coarsest types need importance data, embeddings and output aside")
  func importance() throws {
    let found = try resolve(.q2_K_S, ["blk.3=iq2_xs"]).decisions
    #expect(found.map(\.type) == [.q6_K, .q2_K, .q4_0, .iq2_xs, .f32, .f32])
    #expect(found.map(\.importanceRequired) == [false, false, false, true, false, false])
    let plain = try resolve(.q2_K_S, ["blk.3=q2_K"]).decisions
    #expect(plain[3].importanceRequired)
    #expect(try !resolve(.q2_K, ["blk.3=q2_K"]).decisions[3].importanceRequired)
  }

  @Test("the order of processing: no layer first, then layers by number, then bytes")
  func order() {
    let names = ["blk.10.a", "output.weight", "blk.9.b", "blk.9.a", "Z", "blk.x", "blk.9.a"]
    #expect(
      TypeMixer.processingOrder(names).map { names[$0] } == [
        "Z", "blk.x", "output.weight", "blk.9.a", "blk.9.a", "blk.9.b", "blk.10.a",
      ])
    #expect(TypeMixer.processingOrder(names)[3...4] == [3, 6])
  }

  @Test("with split files kept, value projections are counted in file order")
  func givenOrder() throws {
    let values = (0..<8).map { MixTensor(name: "blk.\($0).attn_v.weight", ggmlShape: [256, 2], type: .f32) }
    let backwards = Array(values.reversed())
    let sorted = try resolve(.q4_K_S, tensors: backwards).decisions.map(\.type)
    #expect(sorted == [.q4_K, .q4_K, .q4_K, .q4_K, .q5_K, .q5_K, .q5_K, .q5_K])
    let given = try resolve(.q4_K_S, [], { $0.keepsGivenOrder = true }, tensors: backwards).decisions.map(
      \.type)
    #expect(given == [.q5_K, .q5_K, .q5_K, .q5_K, .q4_K, .q4_K, .q4_K, .q4_K])
  }
}
