#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// What a comparison with a base says, in words.
public struct Verdict: Hashable, Sendable {
  /// Whether the perplexities differ by more than chance explains.
  public enum Kind: String, Hashable, Sendable {
    /// The 95 % interval of the ratio holds 1.
    case notDistinguishable
    case worse
    case better
    /// Fewer than 100 positions.
    case tooFewTokens
    /// One window, which has nothing to be compared with.
    case tooFewWindows
  }

  /// The kind.
  public let kind: Kind
  /// `PPL / base PPL - 1`, in percent.
  public let percent: Estimate
  /// One sentence.
  public let text: String

  /// Judges statistics, by the interval of ``DivergenceStatistics/ratio``.
  public init(_ statistics: DivergenceStatistics) {
    let ratio = statistics.logRatio
    let interval = ratio.interval95
    percent = Estimate(
      100 * expm1(ratio.value),
      interval.map { (100 * expm1($0.lowerBound))...(100 * expm1($0.upperBound)) })
    func number(_ value: Double) -> String {
      let rounded = (abs(value) * 1000).rounded() / 1000
      return (value < 0 ? "-" : "+") + "\(rounded) %"
    }
    let range = percent.interval95.map { "\(number($0.lowerBound)) to \(number($0.upperBound))" } ?? ""
    if statistics.count < 100 {
      kind = .tooFewTokens
      text = "too few tokens for a verdict: \(statistics.count), at least 100 are needed"
    } else if statistics.unitCount < 2 {
      kind = .tooFewWindows
      text = "no verdict: " + statistics.intervalText
    } else if let interval, interval.lowerBound > 0 {
      kind = .worse
      text = "perplexity is worse than the base's at 95 %: higher by \(range)"
    } else if let interval, interval.upperBound < 0 {
      kind = .better
      text = "perplexity is lower than the base's at 95 %, by \(range); the text may suit the change"
    } else {
      kind = .notDistinguishable
      text =
        interval == nil
        ? "perplexity is not distinguishable from the base's: it is the same in every window"
        : "perplexity is not distinguishable from the base's at 95 %: it differs by \(range)"
    }
  }
}

extension DivergenceStatistics {
  /// What the intervals are over, in words.
  package var intervalText: String { IntervalUnits(count: unitCount, windowsPerUnit: windowsPerUnit).text }
}
