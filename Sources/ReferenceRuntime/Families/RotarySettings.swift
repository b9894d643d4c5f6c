/// How rotary embeddings turn.
package struct RotarySettings: Hashable, Sendable {
  /// Which dimensions of a head form a pair.
  package enum Pairing: Hashable, Sendable {
    /// j and j + dimensions / 2.
    case halves
    /// 2j and 2j + 1.
    case adjacent
  }

  /// How angles are stretched for long contexts.
  package enum Scaling: Hashable, Sendable {
    case none
    /// All angles divided by `factor`.
    case linear(factor: Double)
    /// A blend by wavelength (arXiv:2309.00071).
    case yarn(
      factor: Double, originalContextLength: Double, betaFast: Double, betaSlow: Double,
      attentionFactor: Double?, roundsLimits: Bool = true)
    /// Each pair's angle divided by a factor of its own.
    case perPair(factors: [Float])
    /// All pairs of a head at their full speed, divided by `factor`; those after the first `turningPairs` stand still.
    case proportional(turningPairs: Int, factor: Double)
  }

  /// A number of tokens from which on angles depend on how much text follows, which no cache of keys allows.
  package struct LengthLimit: Hashable, Sendable {
    /// The most tokens.
    package var tokenCount: Int
    /// The name of the scaling.
    package var scaling: String
  }

  /// Where a file's own factors for pairs are.
  package enum FactorTensors: Hashable, Sendable {
    /// Nowhere: what a file has is for another embedding of the model.
    case none
    /// `rope_freqs.weight`, if there.
    case one
    /// `rope_factors_short.weight`, or `rope_factors_long.weight` in sessions for more tokens than this.
    case byContext(originalContextLength: Int)
  }

  /// Rotated dimensions per head, the first ones; even.
  package var dimensions: Int
  /// The base of the angles' geometric progression.
  package var base: Double
  /// Which dimensions form a pair.
  package var pairing: Pairing
  /// The stretching.
  package var scaling: Scaling
  /// What cosines and sines are multiplied by beside what the scaling says.
  package var magnitude = 1.0
  /// How many tokens can be evaluated; `nil` for any number.
  package var lengthLimit: LengthLimit?
  /// Where the file's factors are.
  package var factorTensors = FactorTensors.one

  /// Creates settings.
  package init(dimensions: Int, base: Double, pairing: Pairing, scaling: Scaling) {
    self.dimensions = dimensions
    self.base = base
    self.pairing = pairing
    self.scaling = scaling
  }
}
