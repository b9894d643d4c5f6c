internal import FileBytes

extension RopeParameters {
  /// Reads `rope_scaling` or `rope_parameters`, with `rope_theta` and the like at the top level for what they lack.
  ///
  /// The rules are those of transformers: a value in the table counts before one at the top level, and a table
  /// that is empty counts as none. Where two tables or two kinds of layers contradict each other, nothing is chosen.
  ///
  /// - Parameters:
  ///   - config: The configuration.
  ///   - kind: The kind of layers, such as `full_attention`, in families whose kinds may differ; `nil` for all layers.
  /// - Throws: ``DescriptionError`` with `invalidConfig`, or `notSupported` for layers that turn differently.
  package init(_ config: ModelConfig, of kind: String? = nil) throws {
    let old = try Self.table("rope_scaling", config)
    let new = try Self.table("rope_parameters", config)
    guard let old, let new else {
      let key = old == nil ? "rope_parameters" : "rope_scaling"
      self = try Self.resolve(old ?? new ?? .object([:]), key: key, config, of: kind)
      return
    }
    self = try Self.resolve(old, key: "rope_scaling", config, of: kind)
    guard try Self.resolve(new, key: "rope_parameters", config, of: kind) == self else {
      throw DescriptionError(
        .invalidConfig,
        Fault(
          file: config.file, subject: "rope_scaling, rope_parameters",
          expected: "one of them, or two that mean the same", found: "two that differ",
          remedy:
            "transformers reads rope_scaling, llama.cpp's converter rope_parameters; remove what does not count"
        )
      )
    }
  }

  /// A table that says something.
  private static func table(_ key: String, _ config: ModelConfig) throws -> JSONValue? {
    guard let value = config[key] else { return nil }
    guard let members = value.members else { throw config.invalid(key, expected: "an object") }
    return members.isEmpty ? nil : value
  }

  /// One table, which may hold a table for each kind of layer.
  private static func resolve(
    _ table: JSONValue, key: String, _ config: ModelConfig, of kind: String?
  ) throws -> Self {
    if let kind, let nested = table[kind], nested.members != nil {
      return try RopeParameters(table: nested, key: key + "." + kind, config)
    }
    let kinds = ["full_attention", "sliding_attention"].filter { table[$0]?.members != nil }
    guard let first = kinds.first, let nested = table[first] else {
      return try RopeParameters(table: table, key: key, config)
    }
    let result = try RopeParameters(table: nested, key: key + "." + first, config)
    for kind in kinds.dropFirst() {
      guard let other = table[kind],
        try RopeParameters(table: other, key: key + "." + kind, config) == result
      else {
        throw DescriptionError(
          .notSupported,
          Fault(
            file: config.file, subject: key, expected: "one rotary embedding for all layers",
            found: "different ones for \(kinds.joined(separator: " and "))",
            remedy: "neither transformers nor llama.cpp has this for the families that are supported"))
      }
    }
    return result
  }

  private init(table: JSONValue, key: String, _ config: ModelConfig) throws {
    let reader = RopeTableReader(table: table, key: key, config: config)
    let theta = try reader.number("rope_theta") ?? config.optionalNumber("rope_theta") ?? 10000
    guard theta >= 1, Float(theta).isFinite else {
      guard reader.table["rope_theta"] != nil else {
        throw config.invalid("rope_theta", expected: "a number of at least 1")
      }
      throw reader.fault("rope_theta", "a number of at least 1")
    }
    let part = try reader.number("partial_rotary_factor") ?? config.optionalNumber("partial_rotary_factor")
    if let part, part <= 0 || part > 1 {
      throw reader.fault("partial_rotary_factor", "a number above 0 and at most 1")
    }
    self.init(
      theta: theta, partialFactor: part, scaling: try reader.scaling(), sections: try reader.sections())
  }
}

/// Typed access to one table of rotary parameters.
private struct RopeTableReader {
  let table: JSONValue
  let key: String
  let config: ModelConfig

  func fault(_ name: String, _ expected: String) -> DescriptionError {
    DescriptionError(
      .invalidConfig,
      Fault(
        file: config.file, subject: key + "." + name, expected: expected,
        found: table[name]?.summary ?? "no such key"))
  }

  func number(_ name: String) throws -> Double? {
    guard let value = table[name] else { return nil }
    guard let number = value.double, number.isFinite else { throw fault(name, "a number") }
    return number
  }

  /// A number that has an effect when it is not 0.
  private func nonZero(_ name: String) throws -> Double? {
    guard let value = try number(name), value != 0 else { return nil }
    return value
  }

  func sections() throws -> [Int]? {
    guard let list = table["mrope_section"] else { return nil }
    guard let numbers = list.elements?.map(\.integer),
      numbers.allSatisfy({ $0.map { $0 >= 0 && $0 < 1 << 20 } == true })
    else { throw fault("mrope_section", "a list of whole numbers") }
    return numbers.compactMap(\.self)
  }

  /// How much longer the context became.
  private func factor() throws -> Double {
    guard let factor = try number("factor"), factor > 0 else { throw fault("factor", "a number above 0") }
    return factor
  }

  /// A length at the top level counts before one in the table.
  private func originalContextLength() throws -> Double {
    let name = "original_max_position_embeddings"
    let length =
      try config.optionalNumber(name) ?? number(name) ?? Double(config.integer("max_position_embeddings"))
    guard length >= 1, length < 1e12 else { throw fault(name, "a whole number above 0") }
    return length
  }

  private func wholeContextLength() throws -> Int {
    guard let length = Int(exactly: try originalContextLength()) else {
      throw fault("original_max_position_embeddings", "a whole number above 0")
    }
    return length
  }

  func scaling() throws -> RopeParameters.Scaling {
    let name = table["rope_type"] ?? table["type"] ?? .string("default")
    guard let type = name.text else { throw fault("rope_type", "a name") }
    switch type.lowercased() {
    case "default", "mrope": return .none
    case "linear": return .linear(factor: try factor())
    case "dynamic": return .dynamic(factor: try factor())
    case "yarn": return .yarn(try yarn())
    case "longrope", "su": return .longRope(try longRope())
    case "proportional":
      guard try number("factor") != nil else { return .proportional(factor: 1) }
      return .proportional(factor: try factor())
    case "llama3":
      return .llama3(
        RopeParameters.Llama3Parameters(
          factor: try number("factor") ?? 8, lowFrequencyFactor: try number("low_freq_factor") ?? 1,
          highFrequencyFactor: try number("high_freq_factor") ?? 4,
          originalContextLength: try originalContextLength()))
    default: return .unknown(type)
    }
  }

  private func yarn() throws -> RopeParameters.YarnParameters {
    var yarn = RopeParameters.YarnParameters(
      factor: try factor(), originalContextLength: try wholeContextLength(),
      extrapolationFactor: try number("extrapolation_factor"),
      attentionFactor: try number("attention_factor") ?? number("attn_factor"),
      betaFast: try nonZero("beta_fast"), betaSlow: try nonZero("beta_slow"))
    if let value = table["truncate"] {
      guard let flag = value.flag else { throw fault("truncate", "true or false") }
      yarn.roundsLimits = flag
    }
    yarn.statesAttentionFactor = yarn.attentionFactor != nil
    yarn.scoreWeight = try nonZero("mscale_all_dim")
    if yarn.attentionFactor == nil, let one = try nonZero("mscale"), let all = try nonZero("mscale_all_dim") {
      yarn.attentionFactor =
        RopeParameters.YarnParameters.attentionFactor(stretch: yarn.factor, weight: one)
        / RopeParameters.YarnParameters.attentionFactor(stretch: yarn.factor, weight: all)
    }
    return yarn
  }

  private func longRope() throws -> RopeParameters.LongRopeParameters {
    let original = try wholeContextLength()
    let factor =
      try number("factor") ?? Double(config.integer("max_position_embeddings", in: 1...(1 << 31)))
      / Double(original)
    var attention = factor <= 1 ? 1 : (1 + logarithm(factor) / logarithm(Double(original))).squareRoot()
    if let configured = try number("attention_factor") { attention = configured }
    guard attention.isFinite else {
      throw fault("original_max_position_embeddings", "a whole number above 1")
    }
    return RopeParameters.LongRopeParameters(
      shortFactors: try factors("short_factor"), longFactors: try factors("long_factor"),
      originalContextLength: original, attentionFactor: attention)
  }

  private func factors(_ name: String) throws -> [Double] {
    guard let elements = table[name]?.elements, case let numbers = elements.compactMap(\.double),
      numbers.count == elements.count, numbers.allSatisfy({ $0.isFinite && $0 > 0 })
    else { throw fault(name, "a list of numbers above 0") }
    return numbers
  }
}
