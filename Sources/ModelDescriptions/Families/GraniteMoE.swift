internal import FileBytes
internal import TextTokenizers

extension ModelFamily {
  /// Granite with experts, with or without a shared one: factors on embeddings, scores, branches and logits.
  static let granitemoe = ModelFamily(
    name: "granitemoe",
    architectures: ["GraniteMoeForCausalLM", "GraniteMoeSharedForCausalLM"],
    modelTypes: ["granitemoe", "granitemoeshared"],
    ggufArchitecture: "granitemoe",
    vocabularyStyle: .llama,
    defaults: [
      "max_position_embeddings": .integer(2048), "rms_norm_eps": .number(1e-6),
      "embedding_multiplier": .number(1), "attention_multiplier": .number(1),
      "residual_multiplier": .number(1),
      "logits_scaling": .number(1), "num_local_experts": .integer(8), "num_experts_per_tok": .integer(2),
    ],
    keyNames: ["shared_expert_intermediate_size": "shared_intermediate_size"],
    traits: Traits(
      inputBias: .key("attention_bias"), outputBias: .key("attention_bias"), takesOutputBias: true,
      isMixture: true,
      sharedExpert: .sized(isAssumed: false),
      assumedRouter: Router(scoring: .chosenSoftmax, normalizesTopK: true),
      expertWidthIsFeedForwardSize: true, turnsWholeHeads: true),
    parts: { $0.attention.rotaryPairing = .adjacent },
    configured: { config, model in
      model.attention.scoreScale = try config.optionalFactor("attention_multiplier") ?? 1
      model.ends.embeddingScale = try config.optionalFactor("embedding_multiplier") ?? 1
      model.residual.factor = try config.optionalFactor("residual_multiplier") ?? 1
      model.ends.logitDivisor = try config.optionalFactor("logits_scaling") ?? 1
    },
    ownKeys: [
      .vocabularySize, .rotaryDimensions, .optional(.attentionScale, \.attention.scoreScale),
      .factor(.embeddingScale, \.ends.embeddingScale), .factor(.residualScale, \.residual.factor),
      .value(.logitScale, \.ends.logitDivisor), .sharedExpertWidth,
    ],
    blocks: { model in
      CommonTensors.trunk(
        model, names: ["mlp": "block_sparse_moe", "mlp.gate": "block_sparse_moe.router.layer"]
      ).map { joined($0, model) }
    })

  /// A block in which the experts are stacks, and the gate and up projections of all of them and of the shared one are
  /// one tensor, gates first.
  private static func joined(_ block: BlockRules, _ model: HyperParameters) -> BlockRules {
    guard let stack = block.experts, let experts = model.experts else { return block }
    let (count, width, hidden) = (experts.count, experts.width, model.hiddenSize)
    func output(_ role: ExpertRule.Role, _ position: Int, of parts: Int) -> RuleOutput {
      let matrix = stack.matrix(role)
      return RuleOutput(
        stack.output(role), stack.slot(role), ggmlShape: matrix.reversed() + [count],
        runs: (0..<count).map { .init(($0 * parts + position) * matrix[0], matrix[0]) })
    }
    var block = block
    block.experts = nil
    block.rules.removeAll { [.sharedGate, .sharedUp, .sharedDown].contains($0.outputs[0].slot) }
    block.rules += [
      TensorRule(
        stack.prefix + "input_linear.weight", shapes: [[count, 2 * width, hidden]],
        outputs: [output(.gate, 0, of: 2), output(.up, 1, of: 2)]),
      TensorRule(
        stack.prefix + "output_linear.weight", shapes: [[count, hidden, width]],
        outputs: [output(.down, 0, of: 1)]),
    ]
    guard let shared = experts.sharedWidth else { return block }
    let source = stack.prefix.replacing("block_sparse_moe.", with: "shared_mlp.")
    block.rules += [
      TensorRule(
        source + "input_linear.weight", shapes: [[2 * shared, hidden]],
        outputs: [
          RuleOutput(
            stack.target + "ffn_gate_shexp.weight", .sharedGate, ggmlShape: [hidden, shared],
            runs: [.init(0, shared)]),
          RuleOutput(
            stack.target + "ffn_up_shexp.weight", .sharedUp, ggmlShape: [hidden, shared],
            runs: [.init(shared, shared)]),
        ]),
      TensorRule(
        source + "output_linear.weight", stack.target + "ffn_down_shexp.weight", [hidden, shared], .sharedDown
      ),
    ]
    return block
  }
}
