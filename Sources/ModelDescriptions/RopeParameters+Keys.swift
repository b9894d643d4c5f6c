internal import TensorTypes

extension TypedKey where Value == Int {
  package static var rotaryDimensions: Self {
    .optional("rope.dimension_count", as: "attention.key_length", in: MetadataKey.dimension)
  }
  static var windowRotaryDimensions: Self {
    .optional("rope.dimension_count_swa", as: "rope.dimension_count")
  }
  static var originalContextLength: Self {
    .optional("rope.scaling.original_context_length", as: "context_length")
  }
}

extension TypedKey where Value == Double {
  static var rotaryBase: Self {
    Self.optional("rope.freq_base", else: 10000, in: .numbers(from: 1, to: .infinity, isOpen: false))
      .absent(.assumesWrongly("10000, which is right for few models"), 10000)
  }
  static var rotaryFactor: Self { .optional("rope.scaling.factor", else: 1, in: .notNegative) }
  /// The factor's name in old files.
  static var linearFactor: Self { .optional("rope.scale_linear", else: 1, in: .notNegative) }
  static var rotaryMagnitude: Self { .optional("rope.scaling.attn_factor", else: 1) }
  static var rotaryAlpha: Self { .optional("rope.scaling.alpha", else: 0) }
  static var extrapolationFactor: Self { .optional("rope.scaling.yarn_ext_factor", else: 1) }
  static var attentionFactor: Self { .optional("rope.scaling.yarn_attn_factor", else: 1) }
  static var betaFast: Self { .optional("rope.scaling.yarn_beta_fast", else: 32) }
  static var betaSlow: Self { .optional("rope.scaling.yarn_beta_slow", else: 1) }
}

extension TypedKey where Value == Bool {
  static var isFinetuned: Self { .optional("rope.scaling.finetuned", else: false) }
}

extension TypedKey where Value == String {
  static var rotaryScaling: Self {
    .optional("rope.scaling.type", else: "linear", in: .texts(["none", "linear", "yarn", "longrope"]))
  }
}

extension TypedKey where Value == [Int] {
  package static var rotarySections: Self { .required("rope.dimension_sections", form: .fixedList(4)) }
}

extension RopeParameters {
  /// The keys of the rotary embedding.
  static func keys(of traits: ModelFamily.Traits) -> [MetadataKey] {
    var keys =
      MetadataKey.counts(.rotaryDimensions, .windowRotaryDimensions, .originalContextLength)
      + MetadataKey.reals(
        .rotaryBase, .rotaryFactor, .linearFactor, .rotaryMagnitude, .rotaryAlpha, .extrapolationFactor,
        .attentionFactor, .betaFast, .betaSlow)
      + MetadataKey.flags(.isFinetuned) + [TypedKey<String>.rotaryScaling.key]
    let sections = TypedKey<[Int]>.rotarySections
    if traits.maySaySections {
      keys.append(sections.absent(.assumes("none")).key)
    } else if traits.defaultSections != nil {
      keys.append(sections.key)
    }
    return keys
  }

  /// Reads the rotary embedding of a GGUF as llama.cpp's loader does for the families that are known here.
  ///
  /// A factor without a type is linear scaling, a type of `none` makes the factor meaningless, and a factor of 0 is
  /// one that is absent. Of yarn's parameters the factor, the original context and `rope.scaling.attn_factor` are
  /// read; `rope.scaling.yarn_…` is not, whatever it says. The share of dimensions that turn is not among the values.
  ///
  /// - Parameter keys: The keys.
  /// - Throws: ``DescriptionError`` with `invalidMetadata`, also for a type that llama.cpp does not know.
  package init(_ keys: KeyReader) throws {
    self.init(theta: try keys.value(.rotaryBase))
    sections = keys.raw(.rotarySections)?.integers
    magnitude = try keys.value(.rotaryMagnitude)
    let stated = try keys.stated(.rotaryFactor) ?? keys.value(.linearFactor)
    let factor = stated == 0 ? 1 : stated
    let original = try keys.stated(.originalContextLength) ?? 0
    func originalLength() throws -> Int {
      guard let length = try original == 0 ? keys.stated(.contextLength) : original else {
        throw keys.fault(.originalContextLength, expected: "a whole number")
      }
      return length
    }
    switch try keys.value(.rotaryScaling) {
    case "linear": scaling = factor == 1 ? .none : .linear(factor: factor)
    case "yarn":
      scaling = .yarn(YarnParameters(factor: factor, originalContextLength: try originalLength()))
    case "longrope":
      scaling = .longRope(LongRopeParameters(factor: factor, originalContextLength: try originalLength()))
    default: break
    }
  }

  /// Writes the scaling, the base and the sections as llama.cpp's converter does.
  ///
  /// - Parameters:
  ///   - keys: The writer.
  ///   - defaultSections: Sections to write after the base where the configuration has none.
  func write(_ keys: inout KeyWriter, defaultSections: [Int]?) {
    func writeLinear(_ factor: Double) {
      keys.add(.rotaryScaling, "linear")
      keys.add(.rotaryFactor, factor)
    }
    switch scaling {
    case .linear(let factor): writeLinear(factor)
    case .proportional(let factor): if factor != 1, partialFactor ?? 1 == 1 { writeLinear(factor) }
    case .yarn(let yarn):
      keys.add(.rotaryScaling, "yarn")
      keys.add(.rotaryFactor, yarn.factor)
      keys.add(.originalContextLength, yarn.originalContextLength)
      keys.add(.extrapolationFactor, yarn.extrapolationFactor)
      keys.add(.attentionFactor, yarn.statesAttentionFactor ? yarn.attentionFactor : nil)
      keys.add(.betaFast, yarn.betaFast)
      keys.add(.betaSlow, yarn.betaSlow)
    case .longRope: keys.add(.rotaryScaling, "longrope")
    case .none, .llama3, .dynamic, .unknown: break
    }
    Self.write(sections, &keys)
    keys.add(.rotaryBase, theta)
    if sections == nil { Self.write(defaultSections, &keys) }
  }

  /// Writes four sections, filled up with zeros.
  static func write(_ sections: [Int]?, _ keys: inout KeyWriter) {
    keys.add(.rotarySections, sections.map { Array(($0 + [0, 0, 0, 0]).prefix(4)) })
  }
}
