/// The sums over some positions that the statistics of a comparison are made of.
struct DivergenceSums: UnitSums {
  /// Positions.
  var count = 0.0
  var surprise = 0.0
  var baseSurprise = 0.0
  var squaredSurprise = 0.0
  var squaredBaseSurprise = 0.0
  var product = 0.0
  var divergence = 0.0
  var divergenceBound = 0.0
  var change = 0.0
  var squaredChange = 0.0
  /// Positions where both models have the same most likely token.
  var sameTop = 0.0
  var weight: Double { count }

  init() {}

  /// Adds one position.
  mutating func add(_ score: PositionScore) {
    let (own, base) = (Double(score.surprise), Double(score.baseSurprise))
    let delta = Double(score.probabilityChange)
    count += 1
    surprise += own
    baseSurprise += base
    squaredSurprise += own * own
    squaredBaseSurprise += base * base
    product += own * base
    divergence += Double(score.divergence)
    divergenceBound += Double(score.divergenceBound)
    change += delta
    squaredChange += delta * delta
    if score.isSameTop { sameTop += 1 }
  }

  mutating func add(_ other: DivergenceSums) {
    count += other.count
    surprise += other.surprise
    baseSurprise += other.baseSurprise
    squaredSurprise += other.squaredSurprise
    squaredBaseSurprise += other.squaredBaseSurprise
    product += other.product
    divergence += other.divergence
    divergenceBound += other.divergenceBound
    change += other.change
    squaredChange += other.squaredChange
    sameTop += other.sameTop
  }
}
