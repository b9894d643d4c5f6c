#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Perplexity with its interval over windows.
///
/// `PPL = exp(sum of nll / N)`, as llama-perplexity has it. Its error, which takes tokens as independent, is not used:
/// the tokens of one window are alike, so that windows are what varies by chance.
public struct PerplexityStatistics: Hashable, Sendable {
  /// The sums of one window.
  private struct Sums: UnitSums, Hashable {
    var count = 0.0
    var surprise = 0.0
    var weight: Double { count }

    init() {}

    mutating func add(_ other: Sums) {
      count += other.count
      surprise += other.surprise
    }

    var mean: Double { surprise / count }
  }

  /// Scored tokens.
  public private(set) var tokenCount = 0
  private var sum = 0.0
  private var windows: [Sums] = []
  private var open = Sums()
  private let windowsPerUnit: Int

  /// Starts without tokens.
  ///
  /// - Parameter windowsPerUnit: Neighbouring windows that count as one independent unit, at least 1, see
  ///   ``TokenWindows/windowsPerUnit``.
  package init(windowsPerUnit: Int = 1) { self.windowsPerUnit = max(windowsPerUnit, 1) }

  /// Adds the negative log-probability of one token, in nats.
  package mutating func add(_ surprise: Double) {
    tokenCount += 1
    sum += surprise
    open.count += 1
    open.surprise += surprise
  }

  /// Says that the tokens added since the last call are those of one window.
  package mutating func endWindow() {
    guard open.count > 0 else { return }
    windows.append(open)
    open = Sums()
  }

  /// The mean negative log-probability.
  public var meanSurprise: Double { sum / Double(tokenCount) }
  /// The standard error of the mean, from the spread between windows; `nil` for fewer than two.
  public var meanSurpriseError: Double? { Jackknife.standardError(units, \.mean) }
  /// The perplexity so far.
  public var value: Double { exp(meanSurprise) }
  /// Windows.
  public var windowCount: Int { windows.count }
  /// Independent units: windows, or stretches of overlapping ones.
  package var unitCount: Int { (windowCount + windowsPerUnit - 1) / windowsPerUnit }
  private var units: [Sums] { windows.grouped(by: windowsPerUnit) }

  /// The perplexity with the interval that covers the perplexity of such text in 95 of 100 runs.
  public var estimate: Estimate {
    Jackknife.estimate(units, value: value, scale: .logarithmic) { exp($0.mean) }.atLeast(1)
  }

  /// What the intervals are over, in words, or why there are none.
  package var intervalText: String { IntervalUnits(count: unitCount, windowsPerUnit: windowsPerUnit).text }

  /// What the number says, in one sentence.
  public var verdict: String {
    func number(_ value: Double) -> String { "\((value * 10000).rounded() / 10000)" }
    guard tokenCount >= 100 else {
      return "too few tokens for a verdict: \(tokenCount), at least 100 are needed"
    }
    let stretches = windowsPerUnit > 1 ? " in \(unitCount) stretches that do not overlap" : ""
    let counts = "(\(tokenCount) tokens, \(windowCount) windows\(stretches))"
    guard let interval = estimate.interval95 else {
      return "perplexity \(number(value)) \(counts); \(intervalText)"
    }
    return
      "perplexity \(number(value)); at 95 %, text of this kind has from \(number(interval.lowerBound)) to "
      + "\(number(interval.upperBound)) \(counts)"
  }
}
