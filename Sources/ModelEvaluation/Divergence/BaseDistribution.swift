#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// How far a tested model is from the base at one position.
package struct PositionScore: Hashable, Sendable {
  /// `-ln q` of the actual next token under the tested model.
  package var surprise: Float
  /// `-ln p` of the same token under the base.
  package var baseSurprise: Float
  /// The KL divergence of the tested model from the base, in nats; a lower bound for compact bases.
  package var divergence: Float
  /// An upper bound of the divergence; equal to it when the base is complete.
  package var divergenceBound: Float
  /// Whether both give the same token the largest probability.
  package var isSameTop: Bool

  /// Creates a score.
  package init(
    surprise: Float, baseSurprise: Float, divergence: Float, divergenceBound: Float, isSameTop: Bool
  ) {
    self.surprise = surprise
    self.baseSurprise = baseSurprise
    self.divergence = divergence
    self.divergenceBound = divergenceBound
    self.isSameTop = isSameTop
  }

  /// The change of the actual token's probability.
  package var probabilityChange: Float { exp(-surprise) - exp(-baseSurprise) }
}

/// The probabilities of the base model at one position.
package enum BaseDistribution {
  /// A row of logits.
  case logits(UnsafeBufferPointer<Float>)
  /// Log-probabilities as 16-bit codes, see ``CodedRecord``.
  case codes(CodedRecord)
  /// The largest probabilities and sums over the rest.
  case compact(CompactRecord)

  /// Compares a row of the tested model's logits with the base.
  ///
  /// - Throws: ``EvaluationError`` with `nonFinite`.
  package func score(_ row: UnsafeBufferPointer<Float>, target: Int) throws -> PositionScore {
    switch self {
    case .logits(let base): try Self.score(base, row, target)
    case .codes(let record): try record.score(row, target: target)
    case .compact(let record): try record.score(row, target: target)
    }
  }

  /// `sum of p_i (ln p_i - ln q_i)` over the whole vocabulary.
  private static func score(
    _ base: UnsafeBufferPointer<Float>, _ row: UnsafeBufferPointer<Float>, _ target: Int
  ) throws -> PositionScore {
    let p = try LogitSummary(base)
    let q = try LogitSummary(row)
    var sum = 0.0
    let (pOffset, qOffset) = (p.maximum + Float(p.logSum), q.maximum + Float(q.logSum))
    for index in base.indices {
      let logP = base[index] - pOffset
      let probability = expf(logP)
      if probability > 0 { sum += Double(probability * (logP - (row[index] - qOffset))) }
    }
    let divergence = Float(sum)
    return PositionScore(
      surprise: -q.logProbability(row[target]), baseSurprise: -p.logProbability(base[target]),
      divergence: divergence, divergenceBound: divergence, isSameTop: p.top == q.top)
  }
}
