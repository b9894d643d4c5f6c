internal import FileBytes

extension LatentAttention {
  /// Reads the attention of a checkpoint.
  ///
  /// - Parameter config: The configuration with the family's defaults.
  /// - Throws: ``DescriptionError`` with `invalidConfig` for impossible values, `notSupported` for variants that a
  ///   GGUF cannot carry.
  init(_ config: ModelConfig) throws {
    let width = 1...(1 << 16)
    let rank = try config.optionalInteger("q_lora_rank", in: width)
    self.init(
      headCount: try config.integer("num_attention_heads", in: width), queryRank: rank,
      latentWidth: try config.integer("kv_lora_rank", in: width),
      keyDim: try config.integer("qk_nope_head_dim", in: width),
      rotaryDim: try config.integer("qk_rope_head_dim", in: width),
      valueDim: try config.integer("v_head_dim", in: width))
    guard rotaryDim % 2 == 0 else {
      throw config.invalid("qk_rope_head_dim", expected: "an even number")
    }
    func refuse(_ key: String, expected: String, _ reason: String) -> DescriptionError {
      DescriptionError(
        .notSupported,
        Fault(
          file: config.file, subject: key, expected: expected, found: config[key]?.summary ?? "no such key",
          remedy: reason))
    }
    guard try !config.flag("attention_bias") else {
      throw refuse("attention_bias", expected: "false", "a GGUF has no place for biases of latent attention")
    }
    if config["rope_interleave"] != nil, try !config.flag("rope_interleave") {
      throw refuse(
        "rope_interleave", expected: "true", "a GGUF of this architecture turns adjacent dimensions")
    }
    rope = try RopeParameters(config)
    // The width that turns is a key of its own here.
    rope.partialFactor = nil
    if case .yarn(var yarn) = rope.scaling, let weight = yarn.scoreWeight {
      yarn.scoreWeight = decimal(weight)
      rope.scaling = .yarn(yarn)
    }
    let table = config["rope_parameters"] ?? config["rope_scaling"]
    if let weight = table?["llama_4_scaling_beta"]?.double, weight != 0, weight.isFinite {
      guard case .yarn(let yarn) = rope.scaling else {
        throw config.invalid(
          "rope_parameters", expected: "yarn with llama_4_scaling_beta, whose length is that of yarn")
      }
      queryGrowth = QueryGrowth(weight: decimal(weight), length: yarn.originalContextLength)
    }
  }
}
