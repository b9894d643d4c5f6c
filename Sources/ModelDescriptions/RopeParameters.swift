/// Rotary position embedding as a configuration describes it, old and new spellings brought together.
package struct RopeParameters: Hashable, Sendable {
  /// How angles are stretched for long contexts.
  package enum Scaling: Hashable, Sendable {
    case none
    /// All angles divided by `factor`.
    case linear(factor: Double)
    /// Blend by wavelength (arXiv:2309.00071).
    case yarn(YarnParameters)
    /// Blend by wavelength as in Llama 3.1.
    case llama3(Llama3Parameters)
    /// No stretching up to the model's context length; beyond it the base grows with the text.
    case dynamic(factor: Double)
    /// A factor for each pair, others beyond the original context (arXiv:2402.13753).
    case longRope(LongRopeParameters)
    /// The first `partialFactor` of a head's pairs turn, at the speeds that they have when all do, divided by `factor`.
    case proportional(factor: Double)
    /// A kind that is not known, by name.
    case unknown(String)
  }

  /// The parameters of yarn.
  package struct YarnParameters: Hashable, Sendable {
    /// How much longer the context became.
    package var factor: Double
    /// The context length before it was extended, in tokens.
    package var originalContextLength: Int
    /// Optional refinements, `nil` when the configuration leaves them to the default.
    package var extrapolationFactor, attentionFactor, betaFast, betaSlow: Double?
    /// Whether the configuration says `attentionFactor` itself, not the numbers that it follows from.
    package var statesAttentionFactor = false
    /// The weight on the logarithm in the temperature that latent attention's scores are multiplied by twice
    /// (`mscale_all_dim`); `nil` when they are not.
    package var scoreWeight: Double?
    /// Whether the limits between the kinds of pairs are whole numbers.
    package var roundsLimits = true

    /// What cosines and sines are multiplied by when nothing is configured.
    package var defaultAttentionFactor: Double { Self.attentionFactor(stretch: factor) }

    /// The paper's temperature for a stretching, with a weight on its logarithm.
    static func attentionFactor(stretch: Double, weight: Double = 1) -> Double {
      stretch <= 1 ? 1 : 0.1 * weight * logarithm(stretch) + 1
    }
  }

  /// The parameters of longrope.
  package struct LongRopeParameters: Hashable, Sendable {
    /// What all angles are divided by beside the factors; 1 for checkpoints.
    package var factor = 1.0
    /// What each pair's angle is divided by up to the original context; `nil` when tensors of the file say it.
    package var shortFactors: [Double]?
    /// The same for longer texts.
    package var longFactors: [Double]?
    /// The context length before it was extended, in tokens.
    package var originalContextLength: Int
    /// What cosines and sines are multiplied by.
    package var attentionFactor = 1.0
  }

  /// The parameters of the Llama 3.1 scaling.
  package struct Llama3Parameters: Hashable, Sendable {
    /// How much longer the context became.
    package var factor: Double
    /// Wavelengths above `originalContextLength / lowFrequencyFactor` are divided by `factor`.
    package var lowFrequencyFactor: Double
    /// Wavelengths below `originalContextLength / highFrequencyFactor` are kept.
    package var highFrequencyFactor: Double
    /// The context length before it was extended, in tokens.
    package var originalContextLength: Double
  }

  /// The base of the angles' geometric progression.
  package var theta: Double
  /// The share of each head's dimensions that is rotated; `nil` when the configuration does not say.
  package var partialFactor: Double?
  /// The stretching.
  package var scaling: Scaling
  /// How many pairs use the position in time, height and width; `nil` when the configuration does not say.
  package var sections: [Int]?
  /// What cosines and sines are multiplied by beside what the scaling says; files alone have it.
  package var magnitude = 1.0
  /// Whether a file's own factors for pairs, if it has any, are for this embedding; of two in a model one may be
  /// without.
  package var takesFactors = true

  /// Creates parameters.
  package init(theta: Double, partialFactor: Double? = nil, scaling: Scaling = .none, sections: [Int]? = nil)
  {
    self.theta = theta
    self.partialFactor = partialFactor
    self.scaling = scaling
    self.sections = sections
  }

  /// What each pair's angle is divided by under the Llama 3.1 scaling, `dimensions / 2` values; `nil` without it.
  ///
  /// Every operation is rounded to f32, in the order in which llama.cpp's converter does them.
  package func llama3Factors(dimensions: Int) -> [Float]? {
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
