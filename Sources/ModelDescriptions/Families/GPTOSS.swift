internal import FileBytes
internal import TensorTypes
internal import TextTokenizers

extension ModelFamily {
  /// gpt-oss: windows in every other layer, sinks, biases everywhere, gates that are cut off, experts as MXFP4.
  static let gpt_oss = ModelFamily(
    name: "gpt_oss",
    architectures: ["GptOssForCausalLM"],
    modelTypes: ["gpt_oss"],
    ggufArchitecture: "gpt-oss",
    vocabularyStyle: .bytePairs,
    defaults: [
      "head_dim": .integer(64), "num_key_value_heads": .integer(8), "rms_norm_eps": .number(1e-5),
      "max_position_embeddings": .integer(131072), "rope_theta": .number(150_000),
      "sliding_window": .integer(128), "intermediate_size": .integer(2880),
      "num_local_experts": .integer(128),
      "num_experts_per_tok": .integer(4),
    ],
    keyNames: ["moe_intermediate_size": "intermediate_size"],
    traits: Traits(
      inputBias: .always, outputBias: .always, takesOutputBias: true, window: .listed(period: 2),
      isMixture: true, needsExpertWidth: true,
      assumedRouter: {
        var router = Router(scoring: .chosenSoftmax, normalizesTopK: true)
        router.hasBias = true
        return router
      }(), turnsWholeHeads: true, needsOutputHead: true, activation: .clampedSwiGLU(.init()),
      roundsYarnLimits: false),
    parts: { model in
      model.attention.hasOutputBias = true
      model.attention.hasSinks = true
      model.experts?.hasBias = true
      // What a configuration calls silu is a part of this function.
      if model.activation == .silu { model.activation = .clampedSwiGLU(.init()) }
    },
    configured: { config, model in
      let assumed = Activation.ClampedSwiGLU()
      for (key, value) in [("swiglu_limit", assumed.limit), ("swiglu_alpha", assumed.slope)] {
        if let stated = try config.optionalNumber(key), stated != value {
          throw config.invalid(key, expected: "\(value), as a GGUF cannot say another number")
        }
      }
      if config["attention_bias"]?.flag == false {
        throw config.invalid("attention_bias", expected: "true, as llama.cpp expects it of gpt-oss")
      }
    },
    ownKeys: [.windows(period: 2, pattern: .unlessUsual), .expertWidth],
    blocks: { model in
      CommonTensors.trunk(
        model, secondNorm: "post_attention_norm", names: ["mlp.gate": "mlp.router"]
      ) { _, experts in
        experts.mayBeTransposed = true
        experts.alternatesGateAndUp = true
      }.map { withExpertBiases($0, model) }
    })

  /// A block with the biases of its experts, those of gates and ups by turns.
  private static func withExpertBiases(_ block: BlockRules, _ model: HyperParameters) -> BlockRules {
    guard let stack = block.experts, let experts = model.experts else { return block }
    let (count, width) = (experts.count, experts.width)
    func output(_ name: String, _ slot: TensorSlot, _ position: Int) -> RuleOutput {
      RuleOutput(
        stack.target + name, slot, ggmlShape: [width, count],
        runs: (0..<count).map {
          .init(0, 1, order: .columns(firstElement: $0 * 2 * width + position, stride: 2))
        })
    }
    var block = block
    block.rules += [
      TensorRule(
        stack.prefix + "experts.gate_up_proj_bias", shapes: [[count, 2 * width]],
        outputs: [
          output("ffn_gate_exps.bias", .expertGateBias, 0), output("ffn_up_exps.bias", .expertUpBias, 1),
        ]),
      TensorRule(
        stack.prefix + "experts.down_proj_bias", stack.target + "ffn_down_exps.bias",
        [count, model.hiddenSize],
        .expertDownBias),
    ]
    return block
  }
}
