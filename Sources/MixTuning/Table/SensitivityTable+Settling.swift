extension SensitivityTable {
  /// The table with divergences that a solver cannot be misled by.
  ///
  /// Below what can be measured, divergences are as often too low as too high, and a solver that looks for low ones finds the
  /// errors. So:
  ///
  /// - No divergence is below 0.
  /// - Where a larger candidate was found to lose more than a smaller one of its group, by no more than twice the standard error
  ///   of the difference (the root of the sum of both squares, which neglects that both saw the same windows), neither is
  ///   believed to be better: both get their mean, and with them those between; the rule of pooling adjacent violators, by size.
  /// - A larger candidate that loses more beyond that keeps its divergence, and no solver takes it.
  ///
  /// What was found stays in ``Candidate/rawDivergence``.
  package func settled() -> SensitivityTable {
    var result = self
    for index in rows.indices { result.rows[index].settle() }
    return result
  }
}

extension SensitivityTable.Row {
  /// Candidates that were given one divergence.
  private struct Pool {
    var members: [Int]
    var sum: Double
    /// The sum of the squares of standard errors.
    var variance: Double
    var mean: Double { sum / Double(members.count) }
    /// The variance of the mean.
    var meanVariance: Double { variance / Double(members.count * members.count) }
  }

  fileprivate mutating func settle() {
    var pools: [Pool] = []
    for (index, candidate) in candidates.enumerated() {
      let error = candidate.standardError ?? 0
      pools.append(
        Pool(members: [index], sum: max(0, candidate.rawDivergence), variance: error * error))
      while pools.count > 1 {
        let (low, high) = (pools[pools.count - 2], pools[pools.count - 1])
        let excess = high.mean - low.mean
        guard excess > 0, excess <= 2 * (low.meanVariance + high.meanVariance).squareRoot() else { break }
        pools.removeLast()
        pools[pools.count - 1] = Pool(
          members: low.members + high.members, sum: low.sum + high.sum,
          variance: low.variance + high.variance)
      }
    }
    for pool in pools {
      for member in pool.members { candidates[member].divergence = pool.mean }
    }
  }
}
