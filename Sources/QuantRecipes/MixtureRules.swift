internal import TensorTypes

/// The rules of the stock mixes, with the counters that they depend on.
///
/// Facts from llama.cpp's quantizer, as of 2026: which tensors of a mix get a type other than its
/// default. Tensors must be asked about in processing order, because value projections (and, in dense
/// models, down projections) are counted as they come.
struct MixtureRules {
  /// What is being made.
  let mix: StockMix
  let options: MixOptions
  let facts: MixModelFacts
  /// The model has no output tensor of its own.
  let isTied: Bool
  /// Value-like tensors in the model, whether quantizable or not.
  let valueCount: Int

  private var valueIndex = 0
  private var downIndex = 0
  private var gateIndex = 0
  private var upIndex = 0

  init(mix: StockMix, options: MixOptions, facts: MixModelFacts, names: [String]) {
    self.mix = mix
    self.options = options
    self.facts = facts
    let categories = names.map { TensorCategory(name: $0) }
    isTied = !categories.contains(.output)
    valueCount = categories.count { $0 == .attentionValue }
  }

  /// The type for a tensor, before its shape is looked at; `nil` means the default type.
  ///
  /// - Throws: ``RecipeError`` with `badLayer`.
  mutating func choose(
    _ tensor: MixTensor, _ category: TensorCategory, defaultType: TensorType
  ) throws -> (type: TensorType, why: String)? {
    if facts.architecture == "glm5-next", defaultType.isQuantized,
      tensor.name.containsBytes("attn_q_a") || tensor.name.containsBytes("attn_q_b")
        || tensor.name.containsBytes("nextn.eh_proj")
    {
      return (.q8_0, "sensitive projection of glm5-next")
    }
    if category == .output || (isTied && category == .tokenEmbedding) {
      return output(tensor, defaultType)
    }
    if mix == .mxfp4_MOE { return expertsOnly(tensor, category) }
    switch category {
    case .output, .tokenEmbedding, .attentionQuery, .other: return nil
    case .attentionValue: return value(defaultType)
    case .attentionKey: return facts.expertCount == 8 ? (.q8_0, "keys of an 8-expert model") : nil
    case .down:
      defer { downIndex += 1 }
      return down(layer: try layer(of: tensor, running: downIndex))
    case .attentionOutput: return attentionOutput()
    case .gate:
      defer { gateIndex += 1 }
      _ = try layer(of: tensor, running: gateIndex)
      return nil
    case .up:
      defer { upIndex += 1 }
      _ = try layer(of: tensor, running: upIndex)
      return nil
    }
  }

  private func output(_ tensor: MixTensor, _ defaultType: TensorType) -> (type: TensorType, why: String)? {
    let what = tensor.name == "output.weight" ? "output" : "embedding that is also the output"
    if let type = options.outputTensorType { return (type, what) }
    if mix == .mxfp4_MOE { return (.q8_0, what) }
    if facts.architecture == "falcon" || tensor.ggmlShape[0] % defaultType.blockLength != 0 {
      return (.q8_0, what)
    }
    return defaultType == .q8_0 ? nil : (.q6_K, what)
  }

  private func expertsOnly(_ tensor: MixTensor, _ category: TensorCategory) -> (
    type: TensorType, why: String
  )? {
    let isStack = tensor.ggmlShape.count > 2 && tensor.ggmlShape[2] > 1
    // Latent attention of this architecture has stacked projections, too.
    let isExpert = facts.architecture != "bailingmoe3" || [.up, .gate, .down].contains(category)
    return isStack && isExpert ? nil : (.q8_0, "not an expert")
  }

  private mutating func value(_ defaultType: TensorType) -> (type: TensorType, why: String)? {
    defer { valueIndex += 1 }
    let grouped = facts.queryGroupSize >= 4
    var choice: (type: TensorType, why: String)?
    switch mix {
    case .q2_K:
      choice = grouped ? (.q4_K, "values with 4 or more queries each") : (.q3_K, "values")
    case .q2_K_S where grouped: choice = (.q4_K, "values with 4 or more queries each")
    case .q3_K_M: choice = valueIndex < 2 ? (.q5_K, "one of the first 2 values") : (.q4_K, "values")
    case .q3_K_L: choice = (.q5_K, "values")
    case .iq4_NL where grouped, .iq4_XS where grouped: choice = (.q5_K, "values with 4 or more queries each")
    case .q4_K_M where deservesMoreBits(valueIndex, of: valueCount),
      .q5_K_M where deservesMoreBits(valueIndex, of: valueCount):
      choice = (.q6_K, "values of a layer that gets more bits")
    case .q4_K_S where valueIndex < 4: choice = (.q5_K, "one of the first 4 values")
    default: break
    }
    let soFar = choice?.type ?? defaultType
    if facts.is70BClass, soFar == .q3_K || soFar == .q4_K { choice = (.q5_K, "values of a 70B model") }
    if facts.expertCount == 8 { choice = (.q8_0, "values of an 8-expert model") }
    return choice
  }

  private func down(layer i: Int) -> (type: TensorType, why: String)? {
    let n = facts.layerCount
    let isFalcon = facts.architecture == "falcon"
    let moreBits = deservesMoreBits(i, of: n)
    let firstEighth = i < n / 8
    switch mix {
    case .q2_K: return (.q3_K, "down projections")
    case .q2_K_S where firstEighth: return (.q4_K, "down projection in the first eighth")
    case .q3_K_M:
      if i < n / 16 { return (.q5_K, "down projection in the first sixteenth") }
      return isFalcon && !moreBits ? nil : (.q4_K, "down projections")
    case .q3_K_L: return (isFalcon ? .q4_K : .q5_K, "down projections")
    case .q4_K_M where isFalcon:
      if i < n / 16 { return (.q6_K, "down projection in the first sixteenth") }
      return moreBits ? (.q5_K, "down projection of a layer that gets more bits") : nil
    case .q4_K_M where moreBits, .q5_K_M where moreBits:
      return (.q6_K, "down projection of a layer that gets more bits")
    case .iq4_NL where firstEighth && !options.importanceSupplied,
      .iq4_XS where firstEighth && !options.importanceSupplied:
      return (.q5_K, "down projection in the first eighth, without importance data")
    case .q4_K_S where firstEighth && !isFalcon: return (.q5_K, "down projection in the first eighth")
    case .q4_0 where firstEighth && options.importanceSupplied:
      return (.q4_1, "down projection in the first eighth, with importance data")
    case .q5_0 where firstEighth && options.importanceSupplied:
      return (.q5_1, "down projection in the first eighth, with importance data")
    default: return nil
    }
  }

  private func attentionOutput() -> (type: TensorType, why: String)? {
    if facts.architecture == "falcon" { return mix == .q3_K_L ? (.q4_K, "attention output") : nil }
    if facts.expertCount == 8 {
      switch mix {
      case .q2_K, .q3_K_S, .q3_K_M, .q4_K_S, .q4_K_M, .iq4_NL, .iq4_XS:
        return (.q5_K, "attention output of an 8-expert model")
      default: return nil
      }
    }
    switch mix {
    case .q2_K: return (.q3_K, "attention output")
    case .q3_K_M: return (.q4_K, "attention output")
    case .q3_K_L: return (.q5_K, "attention output")
    default: return nil
    }
  }

  /// True for the first and last eighth and every third layer between.
  private func deservesMoreBits(_ i: Int, of n: Int) -> Bool {
    i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2
  }

  /// The layer of a feed-forward tensor: read from the name in expert models, counted in dense ones.
  private func layer(of tensor: MixTensor, running: Int) throws -> Int {
    try facts.feedForwardPlace(of: tensor, running: running)
  }
}
