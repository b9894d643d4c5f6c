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

  /// Starts without tokens.
  public init() {}

  /// Adds the negative log-probability of one token, in nats.
  public mutating func add(_ surprise: Double) {
    tokenCount += 1
    sum += surprise
    squares += surprise * surprise
  }

  /// The mean negative log-probability.
  public var meanSurprise: Double { sum / Double(tokenCount) }
  /// The perplexity so far.
  public var value: Double { exp(meanSurprise) }
  /// One standard error, tokens taken as independent; 0 for fewer than two tokens.
  public var uncertainty: Double {
    guard tokenCount > 1 else { return 0 }
    let variance = squares / Double(tokenCount) - meanSurprise * meanSurprise
    return value * (max(variance, 0) / Double(tokenCount - 1)).squareRoot()
  }
}
