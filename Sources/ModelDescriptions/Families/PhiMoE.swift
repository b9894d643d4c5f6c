internal import FileBytes
internal import TextTokenizers

extension ModelFamily {
  /// Phi-3.5-MoE: norms that take the mean away, biases up to the logits, a sparse mixer, longrope.
  static let phimoe = ModelFamily(
    name: "phimoe",
    architectures: ["PhiMoEForCausalLM", "PhimoeForCausalLM"],
    modelTypes: ["phimoe"],
    ggufArchitecture: "phimoe",
    vocabularyStyle: .phi,
    defaults: [
      "max_position_embeddings": .integer(131_072), "rms_norm_eps": .number(1e-5), "rope_theta": .number(1e6),
      "num_key_value_heads": .integer(8), "intermediate_size": .integer(6400),
      "num_local_experts": .integer(16), "num_experts_per_tok": .integer(2),
    ],
    traits: Traits(
      inputBias: .key("attention_bias"), outputBias: .always, takesOutputBias: true, window: .always,
      isMixture: true,
      assumedRouter: Router(scoring: .sparseMixer(jitter: PhiMoE.jitter), normalizesTopK: false),
      expertWidthIsFeedForwardSize: true, turnsWholeHeads: true, hasLongFactors: true, needsOutputHead: true),
    parts: { model in
      model.norm = .meanAndVariance
      model.attention.hasOutputBias = true
      model.ends.hasOutputBias = true
    },
    configured: { try PhiMoE.configure(&$1, $0) },
    differences: [
      ConfigurationLoss(
        "architectures",
        "in every GGUF of phimoe, llama.cpp norms without taking the mean away, chooses the two experts at once, and "
          + "has their weights sum to 1", isOfLlamaCppAlone: true)
    ],
    ownKeys: [PhiMoE.rotation, .rotaryDimensions, PhiMoE.window],
    keyOrder: KeyOrder(
      beforeGeneral: MetadataKey.reals(.rotaryMagnitude),
      beforeFileType: MetadataKey.counts(
        .contextLength, .originalContextLength, .hiddenSize, .feedForwardSize, .blockCount, .headCount,
        .keyValueHeadCount) + MetadataKey.reals(.normEpsilon) + MetadataKey.counts(.rotaryDimensions)
        + MetadataKey.reals(.rotaryBase),
      afterFileType: MetadataKey.counts(.window, .expertUsedCount, .expertCount)),
    made: { PhiMoE.made($0) },
    blocks: { model in
      CommonTensors.trunk(model, names: ["mlp": "block_sparse_moe"]) { _, experts in
        experts.names = [.gate: "w1", .down: "w2", .up: "w3"]
        experts.order = [.gate, .down, .up]
      }
    })
}

/// What is special of Phi-3.5-MoE.
private enum PhiMoE {
  /// How near experts are that share in the weight of a chosen one; a GGUF cannot say another number.
  static let jitter = 0.01

  /// Takes over what a configuration says in keys of its own.
  static func configure(_ model: inout HyperParameters, _ config: ModelConfig) throws {
    model.attention.hasOutputBias = try config.flag("attention_bias")
    model.ends.hasOutputBias = try config.flag("lm_head_bias")
    guard model.experts?.usedCount == 2 else {
      throw config.invalid("num_experts_per_tok", expected: "2, the experts that a sparse mixer chooses")
    }
    if let stated = try config.optionalNumber("router_jitter_noise"), stated != jitter {
      throw config.invalid(
        "router_jitter_noise", expected: "\(jitter), as a GGUF cannot say another number")
    }
    switch model.attention.rope.scaling {
    case .none: break
    case .longRope(var long):
      let pairs = model.attention.headDim / 2
      for (name, factors) in [("short_factor", long.shortFactors), ("long_factor", long.longFactors)]
      where factors?.count != pairs {
        throw fault(name, config, expected: "\(pairs) numbers, one for each pair of a head's dimensions")
      }
      // They stand in place of what follows from the lengths of contexts, and files have them in 32 bits.
      long.attentionFactor = Double(try magnitude("short_mscale", config))
      guard try magnitude("long_mscale", config) == Float(long.attentionFactor) else {
        throw fault("long_mscale", config, expected: "that of short_mscale, as a GGUF has one for all texts")
      }
      model.attention.rope.scaling = .longRope(long)
    default:
      throw fault("type", config, expected: "longrope, the one that models of this family have")
    }
  }

  /// What cosines and sines are multiplied by.
  private static func magnitude(_ name: String, _ config: ModelConfig) throws -> Float {
    guard let number = table(config).values?[name]?.double, case let stored = Float(number), stored > 0,
      stored.isFinite
    else { throw fault(name, config, expected: "a number above 0") }
    return stored
  }

  /// The table of rotary parameters that counts.
  private static func table(_ config: ModelConfig) -> (key: String, values: JSONValue?) {
    let keys = ["rope_scaling", "rope_parameters"]
    let key = keys.first { config[$0]?.members?.isEmpty == false } ?? keys[0]
    return (key, config[key])
  }

  private static func fault(_ name: String, _ config: ModelConfig, expected: String) -> DescriptionError {
    let (key, values) = table(config)
    return DescriptionError(
      .invalidConfig,
      Fault(
        file: config.file, subject: key + "." + name, expected: expected,
        found: values?[name]?.summary ?? "no such key"))
  }

  /// The context before it was extended, and what cosines and sines are multiplied by.
  ///
  /// Files do not name the kind of scaling: their factors are for texts up to that context, and for longer ones.
  static let rotation = ModelFamily.OwnKey(
    write: { source, keys in
      guard case .longRope(let long) = source.model.rope.scaling else { return }
      keys.add(.originalContextLength, long.originalContextLength)
      keys.add(.rotaryMagnitude, long.attentionFactor)
    },
    read: { keys, model in
      let stated = try keys.stated(.originalContextLength) ?? 0
      guard let original = stated > 0 ? stated : model.contextLength else {
        throw keys.fault(.originalContextLength, expected: "a whole number above 0")
      }
      var long = RopeParameters.LongRopeParameters(
        originalContextLength: original, attentionFactor: model.attention.rope.magnitude)
      switch model.attention.rope.scaling {
      case .none: break
      case .linear(let factor): long.factor = factor
      case .longRope(let found): long.factor = found.factor
      default: return
      }
      model.attention.rope.scaling = .longRope(long)
      model.attention.rope.magnitude = 1
    })

  /// The size of windows, 0 without one, which llama.cpp does not read.
  static let window = ModelFamily.OwnKey { source, keys in
    keys.add(.window, source.model.windows.lazy.compactMap(\.self).first ?? 0)
  }

  /// The factors of rotary pairs, and zeros in the place of biases that llama.cpp's loader wants in any case.
  static func made(_ model: HyperParameters) -> [ModelFamily.MadeTensor] {
    var made: [ModelFamily.MadeTensor] = []
    if case .longRope(let long) = model.rope.scaling, let factors = long.longFactors,
      let shorter = long.shortFactors
    {
      made = [
        .init(name: CommonTensors.longFactors, slot: .rotaryFactorsLong, values: factors.map { Float($0) }),
        .init(name: CommonTensors.shortFactors, slot: .rotaryFactorsShort, values: shorter.map { Float($0) }),
      ]
    }
    if !model.ends.hasOutputBias {
      made.append(
        .init(
          name: "output.bias", slot: .outputBias, values: [Float](repeating: 0, count: model.vocabularySize)))
    }
    if !model.attention.hasOutputBias {
      made += (0..<model.layerCount).map { layer in
        .init(
          name: CommonTensors.target(layer) + "attn_output.bias", slot: .attentionOutputBias, block: layer,
          values: [Float](repeating: 0, count: model.hiddenSize))
      }
    }
    return made
  }
}
