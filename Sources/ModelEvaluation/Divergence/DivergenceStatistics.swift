#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// All statistics of a comparison with a base, as llama-perplexity defines them, with intervals over windows.
///
/// The numbers are llama-perplexity's; its errors are not used: they take the tokens of a window as independent, and
/// come out several times too small.
public struct DivergenceStatistics: Sendable {
  /// The divergence at each position, in nats.
  public private(set) var divergences: [Float] = []
  /// The upper bound of the divergence at each position; equal to it for complete bases.
  package private(set) var divergenceBounds: [Float] = []
  /// The change of the actual token's probability at each position.
  public private(set) var probabilityChanges: [Float] = []
  /// The sums of each window.
  private(set) var windows: [DivergenceSums] = []
  /// Windows that make one independent unit; more than one where windows overlap.
  package let windowsPerUnit: Int
  private var total = DivergenceSums()

  /// Starts without positions.
  ///
  /// - Parameter windowsPerUnit: Neighbouring windows that count as one independent unit, at least 1, see
  ///   ``TokenWindows/windowsPerUnit``.
  package init(windowsPerUnit: Int = 1) { self.windowsPerUnit = max(windowsPerUnit, 1) }

  /// Adds the positions of one window.
  package mutating func add(window scores: [PositionScore]) {
    var window = DivergenceSums()
    for score in scores {
      window.add(score)
      total.add(score)
      divergences.append(score.divergence)
      divergenceBounds.append(score.divergenceBound)
      probabilityChanges.append(score.probabilityChange)
    }
    windows.append(window)
  }

  /// The mean divergence of each window, in the order in which they were added; for paired comparisons.
  public var windowDivergences: [Double] { windows.map { $0.divergence / max($0.count, 1) } }

  /// Positions.
  public var count: Int { divergences.count }
  /// Windows.
  public var windowCount: Int { windows.count }
  /// Independent units: windows, or stretches of overlapping ones.
  package var unitCount: Int { (windowCount + windowsPerUnit - 1) / windowsPerUnit }
  /// The sums of each independent unit.
  var units: [DivergenceSums] { windows.grouped(by: windowsPerUnit) }

  private func estimate(_ scale: EstimateScale, _ statistic: (DivergenceSums) -> Double) -> Estimate {
    Jackknife.estimate(units, value: statistic(total), scale: scale, statistic)
  }

  /// The numbers of all windows so far without intervals, for the line of a window.
  package struct Running: Hashable, Sendable {
    /// As the properties of ``DivergenceStatistics``.
    package var perplexity, logRatio, meanDivergence, rootMeanSquareChange, sameTop: Double
  }

  /// The numbers of all windows so far.
  ///
  /// - Complexity: O(1), where each interval takes O(`windowCount`).
  package var running: Running {
    let n = total.count
    return Running(
      perplexity: exp(total.surprise / n), logRatio: (total.surprise - total.baseSurprise) / n,
      meanDivergence: total.divergence / n, rootMeanSquareChange: (total.squaredChange / n).squareRoot(),
      sameTop: total.sameTop / n)
  }

  /// The perplexity of the tested model.
  public var perplexity: Estimate { estimate(.logarithmic) { exp($0.surprise / $0.count) }.atLeast(1) }
  /// The perplexity of the base.
  public var basePerplexity: Estimate {
    estimate(.logarithmic) { exp($0.baseSurprise / $0.count) }.atLeast(1)
  }
  /// The correlation of the negative log-probabilities, from -1 to 1; 1 when there is no variation.
  public var correlation: Double {
    let n = max(total.count, 1)
    let (mean, baseMean) = (total.surprise / n, total.baseSurprise / n)
    let variance = total.squaredSurprise / n - mean * mean
    let baseVariance = total.squaredBaseSurprise / n - baseMean * baseMean
    guard total.count >= 10, variance > 0, baseVariance > 0 else { return 1 }
    return (total.product / n - mean * baseMean) / (variance * baseVariance).squareRoot()
  }
  /// `ln(PPL / base PPL)`.
  public var logRatio: Estimate { estimate(.plain) { ($0.surprise - $0.baseSurprise) / $0.count } }
  /// `PPL / base PPL`.
  public var ratio: Estimate { estimate(.logarithmic) { exp(($0.surprise - $0.baseSurprise) / $0.count) } }
  /// `PPL - base PPL`.
  public var difference: Estimate {
    estimate(.plain) { exp($0.surprise / $0.count) - exp($0.baseSurprise / $0.count) }
  }
  /// The mean divergence; a lower bound for compact bases.
  public var meanDivergence: Estimate { estimate(.logarithmic) { $0.divergence / $0.count } }
  /// The mean of the divergences' upper bounds.
  package var meanDivergenceBound: Double { total.divergenceBound / max(total.count, 1) }
  /// The mean change of the actual token's probability.
  public var meanChange: Estimate { estimate(.plain) { $0.change / $0.count } }
  /// The root of the mean squared change.
  public var rootMeanSquareChange: Estimate {
    estimate(.logarithmic) { ($0.squaredChange / $0.count).squareRoot() }
  }
  /// The share of positions where both models have the same most likely token.
  public var sameTop: Estimate { estimate(.logistic) { $0.sameTop / $0.count } }

  /// The value below which a share of sorted values lies, interpolated between neighbours.
  package static func percentile(_ sorted: [Float], _ share: Float) -> Float {
    guard let first = sorted.first, let last = sorted.last else { return .nan }
    if share <= 0 { return first }
    if share >= 1 { return last }
    let place = share * Float(sorted.count - 1)
    let index = Int(place)
    let rest = place - Float(index)
    return (1 - rest) * sorted[index] + rest * sorted[min(index + 1, sorted.count - 1)]
  }

  /// The middle of sorted values, the mean of the two middle ones for even counts.
  package static func median(_ sorted: [Float]) -> Float {
    guard !sorted.isEmpty else { return .nan }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle] + sorted[middle - 1]) * 0.5
  }
}
