internal import FileBytes

extension TypedKey where Value == Int {
  static var queryRank: Self { .optional("attention.q_lora_rank", as: "none", in: 0...(1 << 16)) }
  package static var latentWidth: Self { .required("attention.kv_lora_rank", in: 1...(1 << 16)) }
  package static var wholeKeyLength: Self { .required("attention.key_length_mla", in: 1...(1 << 16)) }
  static var wholeValueLength: Self { .required("attention.value_length_mla", in: 1...(1 << 16)) }
  static var growthLength: Self {
    .optional("attention.temperature_length", else: 0, in: 0...Int(UInt32.max))
  }
}

extension TypedKey where Value == Double {
  /// A tenth of the configuration's number.
  static var scoreWeight: Self { .optional("rope.scaling.yarn_log_multiplier", else: 0) }
  static var growthWeight: Self { .optional("attention.temperature_scale", else: 0) }
}

extension LatentAttention {
  /// The keys of attention over latent vectors, in the form with keys and values split.
  static var keys: [MetadataKey] {
    MetadataKey.counts(.queryRank, .latentWidth, .wholeKeyLength, .wholeValueLength, .growthLength)
      + MetadataKey.reals(.scoreWeight, .growthWeight)
  }

  /// Reads the attention of a GGUF in which keys and values are split.
  ///
  /// - Parameter keys: The keys.
  /// - Throws: ``DescriptionError`` with `invalidMetadata`, `notSupported` for the older form with both in one tensor.
  init(_ keys: KeyReader) throws {
    guard keys.raw(.wholeKeyLength) != nil else {
      var error = keys.fault(.wholeKeyLength, expected: "a whole number")
      error.code = .notSupported
      error.fault.remedy =
        "files from before May 2025 keep keys and values in one tensor (attn_kv_b); convert the checkpoint anew"
      throw error
    }
    let rotary = try keys.value(.rotaryDimensions)
    let (whole, latent) = (try keys.value(.wholeKeyLength), try keys.value(.latentWidth))
    guard rotary % 2 == 0 else { throw keys.fault(.rotaryDimensions, expected: "an even number") }
    // The length of values has no meaning beside that of latent vectors.
    if let groups = try keys.stated(.keyValueHeadCount), groups != 1 {
      throw keys.fault(
        .keyValueHeadCount, expected: "1 for latent vectors of \(latent) and \(rotary) that turn")
    }
    let rank = try keys.stated(.queryRank) ?? 0
    self.init(
      headCount: try keys.value(.headCount), queryRank: rank > 0 ? rank : nil,
      latentWidth: latent, keyDim: whole - rotary, rotaryDim: rotary,
      valueDim: try keys.value(.wholeValueLength))
    rope = try RopeParameters(keys)
    rope.sections = nil
    if case .yarn(var yarn) = rope.scaling {
      yarn.betaFast = try keys.stated(.betaFast)
      yarn.betaSlow = try keys.stated(.betaSlow)
      let weight = try keys.value(.scoreWeight)
      if weight != 0 {
        let all = decimal(10 * weight)
        yarn.scoreWeight = all
        yarn.attentionFactor = Self.assumedRotaryFactor(
          yarn, scoreWeight: all, architecture: keys.architecture)
      }
      rope.scaling = .yarn(yarn)
    }
    let growth = decimal(try keys.value(.growthWeight))
    if growth != 0 {
      let length = try keys.value(.growthLength)
      guard length > 0 else { throw keys.fault(.growthLength, expected: "a whole number above 0") }
      queryGrowth = QueryGrowth(weight: growth, length: length)
    }
  }

  /// Writes the widths.
  ///
  /// - Parameters:
  ///   - keys: The writer.
  ///   - layerCount: The layers of the trunk.
  ///   - hasLengths: Whether those of ``writeLengths(_:)`` are written already.
  func writeWidths(_ keys: inout KeyWriter, layerCount: Int, hasLengths: Bool) {
    // Without the key llama.cpp takes models of 26 and 27 layers alone for ones without a rank.
    keys.add(.queryRank, queryRank ?? ([26, 27].contains(layerCount) ? nil : 0))
    keys.add(.latentWidth, latentWidth)
    if !hasLengths { writeLengths(&keys) }
    keys.add(.wholeKeyLength, keyDim + rotaryDim)
    keys.add(.wholeValueLength, valueDim)
  }

  /// Writes the lengths of what a token leaves.
  func writeLengths(_ keys: inout KeyWriter) {
    keys.add(.keyLength, cachedWidth)
    keys.add(.valueLength, latentWidth)
  }

  /// Writes what is special of the rotary embedding, and the growth of queries.
  func writeRotation(_ keys: inout KeyWriter) {
    keys.add(.rotaryDimensions, rotaryDim)
    if case .yarn(let yarn) = rope.scaling {
      keys.add(.scoreWeight, yarn.scoreWeight.map { 0.1 * $0 })
    }
    keys.add(.growthWeight, queryGrowth?.weight)
    keys.add(.growthLength, queryGrowth?.length)
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
