internal import FileBytes
internal import TensorTypes

extension LatentAttention {
  /// Reads the attention of a GGUF in which keys and values are split.
  ///
  /// - Parameters:
  ///   - reader: The keys.
  ///   - metadata: All entries.
  ///   - file: The name that errors give.
  /// - Throws: ``DescriptionError`` with `invalidMetadata`, `notSupported` for the older form with both in one tensor.
  init(_ reader: MetadataReader, metadata: [MetadataEntry], file: String) throws {
    guard reader.value("attention.key_length_mla") != nil else {
      var error = reader.fault("attention.key_length_mla", expected: "a whole number")
      error.code = .notSupported
      error.fault.remedy =
        "files from before May 2025 keep keys and values in one tensor (attn_kv_b); convert the checkpoint anew"
      throw error
    }
    let rotary = try reader.integer("rope.dimension_count")
    let (whole, latent) = (
      try reader.integer("attention.key_length_mla"), try reader.integer("attention.kv_lora_rank")
    )
    guard whole > rotary, rotary % 2 == 0 else {
      throw reader.fault(
        "rope.dimension_count", expected: "an even number below attention.key_length_mla (\(whole))")
    }
    // The length of values has no meaning beside that of latent vectors.
    for (key, expected) in [("attention.head_count_kv", 1), ("attention.key_length", latent + rotary)] {
      guard let found = try reader.optionalInteger(key), found != expected else { continue }
      throw reader.fault(key, expected: "\(expected) for latent vectors of \(latent) and \(rotary) that turn")
    }
    let rank = try reader.optionalInteger("attention.q_lora_rank") ?? 0
    self.init(
      headCount: try reader.integer("attention.head_count"), queryRank: rank > 0 ? rank : nil,
      latentWidth: latent, keyDim: whole - rotary, rotaryDim: rotary,
      valueDim: try reader.integer("attention.value_length_mla"))
    rope = try RopeParameters(metadata: metadata, architecture: reader.architecture, file: file)
    rope.sections = nil
    if case .yarn(var yarn) = rope.scaling {
      yarn.betaFast = try reader.optionalFloat("rope.scaling.yarn_beta_fast").map(Double.init)
      yarn.betaSlow = try reader.optionalFloat("rope.scaling.yarn_beta_slow").map(Double.init)
      // Stored as a tenth of the configuration's number.
      let weight = try reader.optionalFloat("rope.scaling.yarn_log_multiplier") ?? 0
      if weight != 0 {
        let all = decimal(10 * Double(weight))
        yarn.scoreWeight = all
        yarn.attentionFactor = Self.assumedRotaryFactor(
          yarn, scoreWeight: all, architecture: reader.architecture)
      }
      rope.scaling = .yarn(yarn)
    }
    let growth = decimal(Double(try reader.optionalFloat("attention.temperature_scale") ?? 0))
    if growth != 0 {
      let length = try reader.optionalInteger("attention.temperature_length") ?? 0
      guard length > 0 else {
        throw reader.fault("attention.temperature_length", expected: "a whole number above 0")
      }
      queryGrowth = QueryGrowth(weight: growth, length: length)
    }
  }

  /// What cosines and sines are multiplied by in a GGUF, which has the weight for scores alone.
  ///
  /// llama.cpp takes the weight for the angles to be that of the scores in `deepseek2`, 1 in other architectures.
  static func assumedRotaryFactor(
    _ yarn: RopeParameters.YarnParameters, scoreWeight: Double, architecture: String
  ) -> Double {
    let one = architecture == "deepseek2" ? scoreWeight : 1
    return RopeParameters.YarnParameters.attentionFactor(stretch: yarn.factor, weight: one)
      / RopeParameters.YarnParameters.attentionFactor(stretch: yarn.factor, weight: scoreWeight)
  }
}
