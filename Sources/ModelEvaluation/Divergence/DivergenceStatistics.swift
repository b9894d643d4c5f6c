#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// A number with one standard error.
public struct Estimate: Hashable, Sendable, Codable {
  /// The number.
  public var value: Double
  /// One standard error.
  public var uncertainty: Double

  /// Creates an estimate.
  public init(_ value: Double, _ uncertainty: Double) {
    self.value = value
    self.uncertainty = uncertainty
  }

  /// The interval that covers the true value in 95 of 100 runs, errors taken as normal.
  public var interval95: ClosedRange<Double> {
    let reach = 1.959964 * max(uncertainty, 0)
    return (value - reach)...(value + reach)
  }
}

/// All statistics of a comparison with a base, as llama-perplexity defines them.
public struct DivergenceStatistics: Sendable {
  /// The divergence at each position, in nats.
  public private(set) var divergences: [Float] = []
  /// The upper bound of the divergence at each position; equal to it for complete bases.
  public private(set) var divergenceBounds: [Float] = []
  /// The change of the actual token's probability at each position.
  public private(set) var probabilityChanges: [Float] = []
  /// The number of positions up to the end of each window.
  private(set) var windowEnds: [Int] = []
  private var logRatios: [Double] = []

  private var surprise = Moments()
  private var baseSurprise = Moments()
  private var product = 0.0
  private var divergence = Moments()
  private var change = Moments()
  private var squaredChange = Moments()
  private var bound = 0.0
  private var sameTopCount = 0

  private struct Moments: Sendable {
    var sum = 0.0
    var squares = 0.0

    mutating func add(_ value: Double) {
      sum += value
      squares += value * value
    }

    /// Mean and standard error; the error of ten values or fewer is given as 0.
    func estimate(_ count: Int) -> Estimate {
      guard count > 0 else { return Estimate(0, 0) }
      let mean = sum / Double(count)
      let variance = squares / Double(count) - mean * mean
      return Estimate(mean, count > 10 ? (max(variance, 0) / Double(count - 1)).squareRoot() : 0)
    }
  }

  /// Starts without positions.
  public init() {}

  /// Adds the positions of one window.
  public mutating func add(window scores: [PositionScore]) {
    for score in scores {
      let (own, base) = (Double(score.surprise), Double(score.baseSurprise))
      surprise.add(own)
      baseSurprise.add(base)
      product += own * base
      divergence.add(Double(score.divergence))
      bound += Double(score.divergenceBound)
      let delta = Double(score.probabilityChange)
      change.add(delta)
      squaredChange.add(delta * delta)
      if score.isSameTop { sameTopCount += 1 }
      divergences.append(score.divergence)
      divergenceBounds.append(score.divergenceBound)
      probabilityChanges.append(score.probabilityChange)
      logRatios.append(own - base)
    }
    windowEnds.append(divergences.count)
  }

  /// The mean divergence of each window, in the order in which they were added; for paired comparisons.
  public var windowDivergences: [Double] {
    var start = 0
    return windowEnds.map { end in
      defer { start = end }
      return divergences[start..<end].reduce(0.0) { $0 + Double($1) } / Double(max(end - start, 1))
    }
  }

  /// Positions.
  public var count: Int { divergences.count }
  /// Windows.
  public var windowCount: Int { windowEnds.count }

  private var logPerplexity: Estimate { surprise.estimate(count) }
  private var logBasePerplexity: Estimate { baseSurprise.estimate(count) }
  private var covariance: Double {
    guard count >= 10 else { return 0 }
    let n = Double(count)
    return (product / n - surprise.sum * baseSurprise.sum / (n * n)) / (n - 1)
  }

  /// The perplexity of the tested model.
  public var perplexity: Estimate { Self.exponential(logPerplexity) }
  /// The perplexity of the base.
  public var basePerplexity: Estimate { Self.exponential(logBasePerplexity) }
  /// The correlation of the negative log-probabilities, from -1 to 1; 1 when there is no variation.
  public var correlation: Double {
    let scale = logPerplexity.uncertainty * logBasePerplexity.uncertainty
    return scale > 0 ? covariance / scale : 1
  }
  /// `ln(PPL / base PPL)`, with the error of paired differences.
  public var logRatio: Estimate {
    let (own, base) = (logPerplexity, logBasePerplexity)
    let variance =
      own.uncertainty * own.uncertainty + base.uncertainty * base.uncertainty - 2 * covariance
    return Estimate(own.value - base.value, max(variance, 0).squareRoot())
  }
  /// `PPL / base PPL`.
  public var ratio: Estimate { Self.exponential(logRatio) }
  /// `PPL - base PPL`.
  public var difference: Estimate {
    let (own, base) = (perplexity, basePerplexity)
    let variance =
      own.uncertainty * own.uncertainty + base.uncertainty * base.uncertainty
      - 2 * own.value * base.value * covariance
    return Estimate(own.value - base.value, max(variance, 0).squareRoot())
  }
  /// The mean divergence; a lower bound for compact bases.
  public var meanDivergence: Estimate { divergence.estimate(count) }
  /// The mean of the divergences' upper bounds.
  public var meanDivergenceBound: Double { count > 0 ? bound / Double(count) : 0 }
  /// The mean change of the actual token's probability.
  public var meanChange: Estimate { change.estimate(count) }
  /// The root of the mean squared change.
  public var rootMeanSquareChange: Estimate {
    let square = squaredChange.estimate(count)
    let root = square.value.squareRoot()
    return Estimate(root, root > 0 ? 0.5 / root * square.uncertainty : 0)
  }
  /// The share of positions where both models have the same most likely token.
  public var sameTop: Estimate {
    guard count > 0 else { return Estimate(0, 0) }
    let share = Double(sameTopCount) / Double(count)
    return Estimate(share, count > 1 ? (share * (1 - share) / Double(count - 1)).squareRoot() : 0)
  }

  private static func exponential(_ estimate: Estimate) -> Estimate {
    let value = exp(estimate.value)
    return Estimate(value, value * estimate.uncertainty)
  }

  /// The value below which a share of sorted values lies, interpolated between neighbours.
  public static func percentile(_ sorted: [Float], _ share: Float) -> Float {
    guard let first = sorted.first, let last = sorted.last else { return .nan }
    if share <= 0 { return first }
    if share >= 1 { return last }
    let place = share * Float(sorted.count - 1)
    let index = Int(place)
    let rest = place - Float(index)
    return (1 - rest) * sorted[index] + rest * sorted[min(index + 1, sorted.count - 1)]
  }

  /// The middle of sorted values, the mean of the two middle ones for even counts.
  public static func median(_ sorted: [Float]) -> Float {
    guard !sorted.isEmpty else { return .nan }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle] + sorted[middle - 1]) * 0.5
  }

  /// The log ratio with an error that allows for likeness of tokens within a window.
  ///
  /// The larger of the paired error and the error of window means; the latter only from eight windows on, below
  /// which it says little.
  public var cautiousLogRatio: Estimate {
    let plain = logRatio
    guard windowCount >= 8 else { return plain }
    var start = 0
    var squares = 0.0
    for end in windowEnds {
      let mean = logRatios[start..<end].reduce(0, +) / Double(max(end - start, 1))
      squares += (mean - plain.value) * (mean - plain.value)
      start = end
    }
    let n = Double(windowCount)
    return Estimate(plain.value, max(plain.uncertainty, (squares / (n * (n - 1))).squareRoot()))
  }
}
