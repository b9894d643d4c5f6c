internal import FileBytes
internal import TextTokenizers

/// Rotary position embedding as a configuration describes it, old and new spellings brought together.
public struct RopeParameters: Hashable, Sendable {
  /// How angles are stretched for long contexts.
  public enum Scaling: Hashable, Sendable {
    case none
    /// All angles divided by `factor`.
    case linear(factor: Double)
    /// Blend by wavelength (arXiv:2309.00071).
    case yarn(YarnParameters)
    /// Blend by wavelength as in Llama 3.1.
    case llama3(Llama3Parameters)
    /// A kind that changes nothing at conversion (`dynamic`) or is not known, by name.
    case other(String)
  }

  /// The parameters of yarn.
  public struct YarnParameters: Hashable, Sendable {
    /// How much longer the context became.
    public var factor: Double
    /// The context length before it was extended, in tokens.
    public var originalContextLength: Int
    /// Optional refinements, `nil` when the configuration leaves them to the default.
    public var extrapolationFactor, attentionFactor, betaFast, betaSlow: Double?
  }

  /// The parameters of the Llama 3.1 scaling.
  public struct Llama3Parameters: Hashable, Sendable {
    /// How much longer the context became.
    public var factor: Double
    /// Wavelengths above `originalContextLength / lowFrequencyFactor` are divided by `factor`.
    public var lowFrequencyFactor: Double
    /// Wavelengths below `originalContextLength / highFrequencyFactor` are kept.
    public var highFrequencyFactor: Double
    /// The context length before it was extended, in tokens.
    public var originalContextLength: Double
  }

  /// The base of the angles' geometric progression.
  public var theta: Double
  /// The share of each head's dimensions that is rotated; `nil` when the configuration does not say.
  public var partialFactor: Double?
  /// The stretching.
  public var scaling: Scaling
  /// How many pairs use the position in time, height and width; `nil` when the configuration does not say.
  public var sections: [Int]?

  /// Creates parameters.
  public init(theta: Double, partialFactor: Double? = nil, scaling: Scaling = .none, sections: [Int]? = nil) {
    self.theta = theta
    self.partialFactor = partialFactor
    self.scaling = scaling
    self.sections = sections
  }

  /// Reads `rope_parameters`, or else `rope_scaling` with `rope_theta` and the like at the top level.
  ///
  /// - Throws: ``DescriptionError`` with `invalidConfig`.
  public init(_ config: ModelConfig) throws {
    let source = config["rope_parameters"] ?? config["rope_scaling"] ?? .object([:])
    let table = source["full_attention"] ?? source
    func fault(_ key: String, _ expected: String) -> DescriptionError {
      DescriptionError(
        .invalidConfig,
        Fault(
          file: config.file, subject: "rope_parameters.\(key)", expected: expected,
          found: table[key]?.summary ?? "no such key"))
    }
    func number(_ key: String) throws -> Double? {
      guard let value = table[key] else { return nil }
      guard let number = value.double, number.isFinite else { throw fault(key, "a number") }
      return number
    }
    let theta = try number("rope_theta") ?? config.optionalNumber("rope_theta") ?? 10000
    guard theta > 0 else { throw fault("rope_theta", "a number above 0") }
    self.theta = theta
    partialFactor = try number("partial_rotary_factor") ?? config.optionalNumber("partial_rotary_factor")
    if let factor = partialFactor, factor <= 0 || factor > 1 {
      throw fault("partial_rotary_factor", "a number above 0 and at most 1")
    }
    sections = nil
    if let list = table["mrope_section"] {
      guard let numbers = list.elements?.map(\.integer),
        numbers.allSatisfy({ $0.map { $0 >= 0 && $0 < 1 << 20 } == true })
      else { throw fault("mrope_section", "a list of whole numbers") }
      sections = numbers.compactMap(\.self)
    }

    func originalContextLength() throws -> Double {
      if let length = try config.optionalNumber("original_max_position_embeddings") { return length }
      if let length = try number("original_max_position_embeddings") { return length }
      return Double(try config.integer("max_position_embeddings"))
    }
    func factor() throws -> Double {
      guard let factor = try number("factor") else { throw fault("factor", "a number") }
      return factor
    }
    let type = (table["rope_type"] ?? table["type"])?.text ?? "default"
    switch type.lowercased() {
    case "default", "mrope": scaling = .none
    case "linear": scaling = .linear(factor: try factor())
    case "yarn":
      guard let length = Int(exactly: try originalContextLength()), length > 0 else {
        throw fault("original_max_position_embeddings", "a whole number above 0")
      }
      scaling = .yarn(
        YarnParameters(
          factor: try factor(), originalContextLength: length,
          extrapolationFactor: try number("extrapolation_factor"),
          attentionFactor: try number("attention_factor") ?? number("attn_factor"),
          betaFast: try number("beta_fast"), betaSlow: try number("beta_slow")))
    case "llama3":
      scaling = .llama3(
        Llama3Parameters(
          factor: try number("factor") ?? 8, lowFrequencyFactor: try number("low_freq_factor") ?? 1,
          highFrequencyFactor: try number("high_freq_factor") ?? 4,
          originalContextLength: try originalContextLength()))
    default: scaling = .other(type)
    }
  }

  /// What each pair's angle is divided by under the Llama 3.1 scaling, `dimensions / 2` values; `nil` without it.
  ///
  /// Every operation is rounded to f32, in the order in which llama.cpp's converter does them.
  public func llama3Factors(dimensions: Int) -> [Float]? {
    guard case .llama3(let p) = scaling else { return nil }
    let context = Float(p.originalContextLength)
    let low = Float(p.originalContextLength / p.lowFrequencyFactor)
    let high = Float(p.originalContextLength / p.highFrequencyFactor)
    return (0..<(dimensions / 2)).map { pair in
      let frequency = 1 / powered(theta, Float(2 * pair) / Float(dimensions))
      // Not 2 * Float.pi, which is rounded down.
      let wavelength = (1 / frequency) * Float(2 * Double.pi)
      if wavelength < high { return 1 }
      if wavelength > low { return Float(p.factor) }
      let smooth =
        ((1 / wavelength) * context - Float(p.lowFrequencyFactor))
        / Float(p.highFrequencyFactor - p.lowFrequencyFactor)
      return 1 / ((1 - smooth) / Float(p.factor) + smooth)
    }
  }
}
