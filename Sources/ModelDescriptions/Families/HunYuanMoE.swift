internal import FileBytes
internal import TextTokenizers

extension ModelFamily {
  /// HunYuan-A13B: norms of queries and keys after the rotary embedding, a shared expert without a gate.
  static let hunyuan_v1_moe = ModelFamily(
    name: "hunyuan_v1_moe",
    architectures: ["HunYuanMoEV1ForCausalLM"],
    modelTypes: ["hunyuan_v1_moe", "hunyuan"],
    ggufArchitecture: "hunyuan-moe",
    vocabularyStyle: .hunyuan,
    defaults: [
      "max_position_embeddings": .integer(2048), "rms_norm_eps": .number(1e-5), "moe_topk": .integer(1),
    ],
    keyNames: ["num_experts_per_tok": "moe_topk"],
    listedKeys: ["moe_topk", "moe_intermediate_size", "num_shared_expert", "num_experts"],
    traits: Traits(
      queryKeyNorm: .always, inputBias: .key("attention_bias"), outputBias: .key("attention_bias"),
      isMixture: true, sharedExpert: .sized(isAssumed: true), expertWidthIsFeedForwardSize: true,
      turnsWholeHeads: true),
    parts: { model in
      model.attention.normsAfterRotation = true
      model.experts?.router.sumGuard = .added(0)
    },
    configured: { config, model in
      let width = model.experts?.width
      model.experts?.sharedWidth = width
      try HunYuan.check(config, layerCount: model.layerCount)
      guard case .dynamic = model.attention.rope.scaling else { return }
      let alpha = try HunYuan.alpha(config)
      guard model.attention.headDim > 2 else {
        throw config.invalid("head_dim", expected: "more than 2, for a base stretched by alpha")
      }
      let dimensions = Double(model.attention.headDim)
      model.attention.rope.theta *= exponential(dimensions / (dimensions - 2) * logarithm(alpha))
      model.attention.rope.scaling = .none
      // What the factor stretches the context to; configurations say the length before or after it.
      if model.contextLength == 32768 { model.contextLength = 262144 }
    },
    ownKeys: [
      .sharedExpertWidth, .expertWidthBesides, .expertUsedCount, .sharedExpertCountBesides, HunYuan.rotation,
    ],
    blocks: { model in
      CommonTensors.trunk(
        model,
        names: [
          "self_attn.q_norm": "self_attn.query_layernorm", "self_attn.k_norm": "self_attn.key_layernorm",
          "mlp.gate": "mlp.gate.wg", "mlp.shared_experts": "mlp.shared_mlp",
        ])
    })
}

/// What is special of HunYuan's configurations.
private enum HunYuan {
  /// Lists with one number for each layer must agree with what transformers and llama.cpp take for all layers.
  static func check(_ config: ModelConfig, layerCount: Int) throws {
    for key in ["moe_topk", "moe_intermediate_size", "num_shared_expert", "num_experts"] {
      guard let list = config[key]?.elements, list.count != layerCount else { continue }
      throw config.invalid(key, expected: "one number, or one for each of num_hidden_layers (\(layerCount))")
    }
    if let width = try config.optionalInteger("moe_intermediate_size"),
      width != (try config.integer("intermediate_size"))
    {
      throw config.invalid(
        "moe_intermediate_size",
        expected: "intermediate_size, which transformers and llama.cpp take for the width of experts")
    }
    if let shared = try config.optionalInteger("num_shared_expert"), shared != 1 {
      throw config.invalid("num_shared_expert", expected: "1")
    }
  }

  /// What the base of the angles is stretched by; without it nothing is.
  static func alpha(_ config: ModelConfig) throws -> Double {
    guard let alpha = statedAlpha(config), alpha.isFinite, alpha > 0 else {
      throw config.invalid("rope_scaling", expected: "a number above 0 as alpha")
    }
    return alpha
  }

  private static func statedAlpha(_ config: ModelConfig) -> Double? {
    (config["rope_scaling"] ?? config["rope_parameters"])?["alpha"]?.double
  }

  /// That a base stretched by a factor needs no more scaling.
  static let rotation = ModelFamily.OwnKey { source, keys in
    guard statedAlpha(source.config) != nil else { return }
    keys.add(.rotaryScaling, "none")
    keys.add(.rotaryFactor, 1)
    keys.add(.originalContextLength, source.model.contextLength)
  }
}
