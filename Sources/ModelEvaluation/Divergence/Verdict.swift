#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// What a comparison with a base says, in words.
public struct Verdict: Hashable, Sendable {
  /// Whether the perplexities differ by more than chance explains.
  public enum Kind: String, Hashable, Sendable {
    /// The 95 % interval of the log ratio holds 0.
    case notDistinguishable
    case worse
    case better
    /// Fewer than 100 positions.
    case tooFewTokens
  }

  /// The kind.
  public let kind: Kind
  /// The 95 % interval of `PPL / base PPL - 1`, in percent.
  public let percent: ClosedRange<Double>
  /// One sentence.
  public let text: String

  /// Judges statistics.
  ///
  /// Tokens of one window are alike, so that the error is ``DivergenceStatistics/cautiousLogRatio``'s.
  public init(_ statistics: DivergenceStatistics) {
    let interval = statistics.cautiousLogRatio.interval95
    percent = (100 * expm1(interval.lowerBound))...(100 * expm1(interval.upperBound))
    func number(_ value: Double) -> String {
      let rounded = (abs(value) * 1000).rounded() / 1000
      return (value < 0 ? "-" : "+") + "\(rounded) %"
    }
    let range = "\(number(percent.lowerBound)) to \(number(percent.upperBound))"
    if statistics.count < 100 {
      kind = .tooFewTokens
      text = "too few tokens for a verdict: \(statistics.count), at least 100 are needed"
    } else if interval.contains(0) {
      kind = .notDistinguishable
      text = "perplexity is not distinguishable from the base's at 95 %: it differs by \(range)"
    } else if interval.lowerBound > 0 {
      kind = .worse
      text = "perplexity is worse than the base's at 95 %: higher by \(range)"
    } else {
      kind = .better
      text = "perplexity is lower than the base's at 95 %, by \(range); the text may suit the change"
    }
  }
}
