internal import FileBytes
internal import TensorTypes
internal import TextTokenizers

extension TypedKey where Value == Int {
  /// How many of the last layers use keys and values of earlier ones.
  fileprivate static var sharedCacheLayers: Self {
    .optional("attention.shared_kv_layers", else: 0, in: 0...Int(UInt32.max))
  }
  /// The width of embeddings of each layer's own.
  fileprivate static var layerEmbeddingWidth: Self {
    .required("embedding_length_per_layer_input", in: 0...(1 << 24))
  }
}

extension ModelFamily.OwnKey {
  /// llama.cpp reads the width of experts of models without them, too.
  fileprivate static var unusedExpertWidth: Self {
    Self(table: MetadataKey.counts(.expertWidth.absent(.assumes("0"))), write: { _, _ in })
  }
}

extension ModelFamily {
  /// Gemma 4 without experts: windows in five of six layers, whose heads are other ones; norms after branches.
  static let gemma4 = gemma4(hasExperts: false)
  /// Gemma 4 with experts beside the dense network of each layer.
  static let gemma4_moe = gemma4(hasExperts: true)

  private static func gemma4(hasExperts: Bool) -> ModelFamily {
    ModelFamily(
      name: hasExperts ? "gemma4_moe" : "gemma4",
      architectures: ["Gemma4ForConditionalGeneration", "Gemma4ForCausalLM"]
        + (hasExperts ? [] : ["Gemma4UnifiedForConditionalGeneration"]),
      modelTypes: ["gemma4", "gemma4_text"] + (hasExperts ? [] : ["gemma4_unified", "gemma4_unified_text"]),
      ggufArchitecture: "gemma4",
      vocabularyStyle: .gemma,
      condition: ("enable_moe_block", hasExperts),
      defaults: [
        "max_position_embeddings": .integer(131072), "rms_norm_eps": .number(1e-6), "head_dim": .integer(256),
        "num_key_value_heads": .integer(4), "intermediate_size": .integer(9216),
        "sliding_window": .integer(512),
        "hidden_activation": .string("gelu_pytorch_tanh"), "tie_word_embeddings": .bool(true),
        "global_head_dim": .integer(512),
      ],
      keyNames: ["hidden_act": "hidden_activation", "num_experts_per_tok": "top_k_experts"],
      traits: Traits(
        queryKeyNorm: .always, window: .listed(period: 6), hasOwnWindowHeads: true, isMixture: hasExperts,
        assumedRouter: {
          var router = Router(normalizesTopK: true)
          (router.hasOwnInput, router.hasExpertScales) = (true, true)
          return router
        }(), joinsExpertGateAndUp: true, assumedLogitCap: 30, activation: .tanhGELU),
      parts: { model in
        model.residual.normsOutputs = true
        model.residual.hasOutputScale = true
        model.ends.embeddingScale = Double(model.hiddenSize).squareRoot()
        model.hasDenseBesideExperts = model.experts != nil
        model.attention = normed(model.attention)
        model.slidingAttention = model.slidingAttention.map(normed)
        model.attention.hasValueProjection = false
      },
      configured: configure,
      ownKeys: [
        .optional(.logitCap, \.ends.logitCap),
        .windows(
          period: 6, pattern: .always,
          between: [
            .none(.sharedCacheLayers, of: "layers that use keys and values of others (Gemma 4 E2B and E4B)"),
            .none(.layerEmbeddingWidth, of: "embeddings of each layer's own (Gemma 4 E2B and E4B)"),
          ]),
        .windowHeads, hasExperts ? .expertWidth : .unusedExpertWidth, .rotaryDimensions,
        .windowRotaryDimensions,
      ],
      made: { model in
        // Pairs that do not turn are divided by so much that they stand still.
        let pairs = model.attention.headDim / 2
        let turned = Int(Double(model.attention.headDim) * (model.attention.rope.partialFactor ?? 1) / 2)
        return [
          MadeTensor(
            name: CommonTensors.rotaryFactors, slot: .rotaryFactors,
            values: (0..<pairs).map { $0 < turned ? 1 : 1e30 })
        ]
      },
      blocks: { model in
        CommonTensors.trunk(
          model,
          names: ["post_attention_layernorm": "pre_feedforward_layernorm", "mlp.gate": "router.proj"]
        ) { block, experts in
          experts.prefix = block.source
          experts.joinsGateAndUp = true
        }.map { withOwnTensors($0, model) }
      })
  }

  /// Scores are not divided, and values are normed.
  private static func normed(_ attention: Attention) -> Attention {
    var attention = attention
    attention.normsValues = true
    attention.scoreScale = 1
    return attention
  }

  @Sendable private static func configure(_ config: ModelConfig, _ model: inout HyperParameters) throws {
    for (key, found) in [
      ("num_kv_shared_layers", try config.optionalInteger("num_kv_shared_layers") ?? 0),
      ("hidden_size_per_layer_input", try config.optionalInteger("hidden_size_per_layer_input") ?? 0),
    ] where found != 0 {
      throw DescriptionError(
        .notSupported,
        Fault(
          file: config.file, subject: key, expected: "0", found: "\(found)",
          remedy: "of Gemma 4, the models 26B-A4B and 31B can be converted, not E2B and E4B"))
    }
    guard try config.flag("attention_k_eq_v") else {
      throw config.invalid("attention_k_eq_v", expected: "true, as in the models that are known here")
    }
    guard config["use_bidirectional_attention"]?.text != "all" else {
      throw config.invalid("use_bidirectional_attention", expected: "vision or null")
    }
    let cap = try config.optionalNumber("final_logit_softcapping")
    model.ends.logitCap = cap == 0 ? nil : cap
    // transformers gives the last layer no window whatever the list says.
    model.windows[model.layerCount - 1] = nil
    var sliding = model.attention
    sliding.hasValueProjection = true
    sliding.rope = try RopeParameters(config, of: "sliding_attention")
    sliding.rope.takesFactors = false
    guard sliding.rope.scaling == .none, case .proportional(factor: 1) = model.attention.rope.scaling else {
      throw config.invalid(
        "rope_parameters", expected: "proportional for full_attention, default for sliding_attention")
    }
    model.slidingAttention = sliding
    let headDim = try numberOfFullLayers("head_dim", config, model)
    model.attention.headDim = try headDim ?? config.integer("global_head_dim", in: 2...(1 << 16))
    model.attention.rotaryDimensions = model.attention.headDim
    model.attention.keyValueHeadCount =
      try numberOfFullLayers("num_key_value_heads", config, model)
      ?? config.optionalInteger("num_global_key_value_heads", in: 1...(1 << 16)) ?? sliding.keyValueHeadCount
    guard model.attention.headCount % model.attention.keyValueHeadCount == 0 else {
      throw config.invalid(
        "num_global_key_value_heads", expected: "a divisor of num_attention_heads (\(sliding.headCount))")
    }
  }

  /// What `per_layer_config` says of the layers without a window; `nil` where it is silent.
  private static func numberOfFullLayers(
    _ key: String, _ config: ModelConfig, _ model: HyperParameters
  ) throws -> Int? {
    guard let layers = config["per_layer_config"]?.members else { return nil }
    let numbers = Set(
      model.windows.indices.filter { model.windows[$0] == nil }.map { layers["\($0)"]?[key]?.integer })
    guard numbers.count <= 1, case let number = numbers.first ?? nil, number ?? 1 > 0 else {
      throw config.invalid("per_layer_config", expected: "one \(key) for all full_attention layers")
    }
    return number
  }

  /// A block with the norms after its branches, its factor and what is beside experts.
  private static func withOwnTensors(_ block: BlockRules, _ model: HyperParameters) -> BlockRules {
    guard let index = block.block else { return block }
    let (source, target, hidden) = ("model.layers.\(index).", CommonTensors.target(index), model.hiddenSize)
    func norm(_ name: String, _ output: String, _ slot: TensorSlot) -> TensorRule {
      TensorRule(source + name + ".weight", target + output + ".weight", [hidden], slot)
    }
    var block = block
    block.rules += [
      norm("post_attention_layernorm", "post_attention_norm", .mixerOutputNorm),
      norm("post_feedforward_layernorm", "post_ffw_norm", .feedForwardOutputNorm),
      TensorRule(source + "layer_scalar", target + "layer_output_scale.weight", [1], .layerScale),
    ]
    guard let experts = model.experts else { return block }
    block.rules += [
      norm("post_feedforward_layernorm_1", "post_ffw_norm_1", .denseOutputNorm),
      norm("pre_feedforward_layernorm_2", "pre_ffw_norm_2", .expertInputNorm),
      norm("post_feedforward_layernorm_2", "post_ffw_norm_2", .expertOutputNorm),
      TensorRule(source + "router.scale", target + "ffn_gate_inp.scale", [hidden], .routerInputScale),
      TensorRule(
        source + "router.per_expert_scale", target + "ffn_down_exps.scale", [experts.count], .expertScales),
    ]
    return block
  }
}
