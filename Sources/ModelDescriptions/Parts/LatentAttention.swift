/// Softmax attention whose keys and values are made of one short vector per token (multi-head latent attention,
/// arXiv:2405.04434).
///
/// A token leaves a latent vector of `latentWidth` values and one rotary key of `rotaryDim` values that all heads
/// share. A GGUF has the projection from the latent vector split into the part for keys, transposed for each head, and
/// the part for values, so that queries are brought to the latent space and keys and values are never made.
package struct LatentAttention: Hashable, Sendable {
  /// What later positions' queries are multiplied by besides: `1 + weight * ln(1 + floor(position / length))`.
  package struct QueryGrowth: Hashable, Sendable {
    /// The weight of the logarithm.
    package var weight: Double
    /// The positions that share a factor.
    package var length: Int

    /// Creates a growth.
    package init(weight: Double, length: Int) {
      self.weight = weight
      self.length = length
    }

    /// The factor at a position, 0 for the first.
    package func factor(at position: Int) -> Double {
      1 + weight * logarithm(1 + Double(position / length))
    }
  }

  /// Query heads; there is one key for all of them.
  package var headCount: Int
  /// The width of the vector that queries are made of; `nil` when they come from the stream at once.
  package var queryRank: Int?
  /// The width of the latent vector that keys and values are made of.
  package var latentWidth: Int
  /// Dimensions of a head's query and key that do not turn.
  package var keyDim: Int
  /// Dimensions of a head's query, and of the shared key, that turn.
  package var rotaryDim: Int
  /// Dimensions of a head's value.
  package var valueDim: Int
  /// The epsilon of the norms over the vectors of `queryRank` and `latentWidth`.
  package var latentNormEpsilon = 1e-6
  /// The rotary embedding; its pairs are adjacent dimensions.
  package var rope = RopeParameters(theta: 10000)
  /// The growth of queries with their position; `nil` in most models.
  package var queryGrowth: QueryGrowth?

  /// Creates a latent attention.
  package init(
    headCount: Int, queryRank: Int?, latentWidth: Int, keyDim: Int, rotaryDim: Int, valueDim: Int
  ) {
    self.headCount = headCount
    self.queryRank = queryRank
    self.latentWidth = latentWidth
    self.keyDim = keyDim
    self.rotaryDim = rotaryDim
    self.valueDim = valueDim
  }

  /// The heads of the attention that this stands for, with keys and values of their own.
  var plainHeads: Attention {
    Attention(headCount: headCount, keyValueHeadCount: headCount, headDim: keyDim + rotaryDim)
  }
  /// The width of all query heads together.
  package var queryWidth: Int { headCount * (keyDim + rotaryDim) }
  /// The width of all heads' values together.
  package var valueWidth: Int { headCount * valueDim }
  /// The values that a token leaves: the latent vector, then the shared rotary key.
  package var cachedWidth: Int { latentWidth + rotaryDim }
  /// What scores are multiplied by: one over the root of a head's width, and under yarn the square of its temperature.
  package var scoreScale: Double {
    let plain = 1 / Double(keyDim + rotaryDim).squareRoot()
    guard case .yarn(let yarn) = rope.scaling, let weight = yarn.scoreWeight else { return plain }
    let temperature = RopeParameters.YarnParameters.attentionFactor(stretch: yarn.factor, weight: weight)
    return plain * temperature * temperature
  }
}
