#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Perplexity with its statistical error.
///
/// `mean = sum of nll / N`, `PPL = exp(mean)`, error `PPL * sqrt((sum of nll^2 / N - mean^2) / (N - 1))`.
public struct Perplexity: Hashable, Sendable {
  /// Scored tokens.
  public private(set) var tokenCount = 0
  private var sum = 0.0
  private var squares = 0.0
  private var windowMeans: [Double] = []
  private var sumBefore = 0.0
  private var countBefore = 0

  /// Starts without tokens.
  public init() {}

  /// Adds the negative log-probability of one token, in nats.
  public mutating func add(_ surprise: Double) {
    tokenCount += 1
    sum += surprise
    squares += surprise * surprise
  }

  /// Says that the tokens added since the last call are those of one window.
  public mutating func endWindow() {
    guard tokenCount > countBefore else { return }
    windowMeans.append((sum - sumBefore) / Double(tokenCount - countBefore))
    (sumBefore, countBefore) = (sum, tokenCount)
  }

  /// The mean negative log-probability.
  public var meanSurprise: Double { sum / Double(tokenCount) }
  /// The standard error of the mean, tokens taken as independent; 0 for fewer than two tokens.
  public var meanSurpriseUncertainty: Double {
    guard tokenCount > 1 else { return 0 }
    let variance = squares / Double(tokenCount) - meanSurprise * meanSurprise
    return (max(variance, 0) / Double(tokenCount - 1)).squareRoot()
  }
  /// The perplexity so far.
  public var value: Double { exp(meanSurprise) }
  /// One standard error, tokens taken as independent; 0 for fewer than two tokens.
  public var uncertainty: Double { value * meanSurpriseUncertainty }
  /// Windows.
  public var windowCount: Int { windowMeans.count }

  /// The standard error of the mean that allows for likeness of tokens within a window: the larger of the plain one
  /// and that of window means, the latter from eight windows on.
  public var cautiousMeanUncertainty: Double {
    guard windowCount >= 8 else { return meanSurpriseUncertainty }
    let n = Double(windowCount)
    let squares = windowMeans.reduce(0) { $0 + ($1 - meanSurprise) * ($1 - meanSurprise) }
    return max(meanSurpriseUncertainty, (squares / (n * (n - 1))).squareRoot())
  }

  /// The interval that covers the perplexity of such text in 95 of 100 runs, errors taken as normal.
  public var interval95: ClosedRange<Double> {
    let reach = 1.959964 * cautiousMeanUncertainty
    return exp(meanSurprise - reach)...exp(meanSurprise + reach)
  }

  /// What the number says, in one sentence.
  public var verdict: String {
    func number(_ value: Double) -> String { "\((value * 10000).rounded() / 10000)" }
    guard tokenCount >= 100 else {
      return "too few tokens for a verdict: \(tokenCount), at least 100 are needed"
    }
    let (low, high) = (interval95.lowerBound, interval95.upperBound)
    return
      "perplexity \(number(value)); at 95 %, text of this kind has from \(number(low)) to \(number(high)) "
      + "(\(tokenCount) tokens, \(windowCount) windows)"
  }
}
