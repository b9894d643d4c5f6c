import Foundation
import ModelEvaluation
import TestSupport
import Testing

/// How often the printed 95 % intervals hold the true value, on simulated text.
///
/// Tokens of a window are alike: they share the window's level, and follow each other as a chain. Divergences are as
/// skewed as measured ones: the levels of windows spread by 0.7 or 1 times their mean, as those of the sample at Q2_K do,
/// and single tokens far more. Windows are independent. The seeds are fixed, so that the counts are the same each time.
@Suite("Coverage of the intervals")
struct CoverageTests {
  private static let repetitions = 3000
  /// Scored tokens per window; the error of a window's mean hardly depends on more.
  private static let tokens = 64

  /// A source of numbers with given distributions.
  private struct Noise {
    var generator: SeededGenerator
    var spare: Double?

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    mutating func uniform() -> Double { Double(generator.next() >> 11) * 0x1p-53 + 0x1p-54 }

    mutating func normal() -> Double {
      if let spare {
        self.spare = nil
        return spare
      }
      let (radius, angle) = ((-2 * log(uniform())).squareRoot(), 2 * Double.pi * uniform())
      spare = radius * sin(angle)
      return radius * cos(angle)
    }

    /// A positive number of mean 1 with the shape 1 or 2 of a gamma distribution.
    mutating func gamma(_ shape: Int) -> Double {
      (0..<shape).reduce(0) { sum, _ in sum - log(uniform()) } / Double(shape)
    }

    /// A positive number of mean 1, `spread` being the deviation of its logarithm.
    mutating func skewed(_ spread: Double) -> Double { exp(spread * normal() - spread * spread / 2) }
  }

  /// A window of tokens that are alike, with divergences of mean `divergence` and log ratios of mean `shift`.
  private func window(
    _ noise: inout Noise, shape: Int, divergence: Double, shift: Double, level: Double, chain: [Double]
  ) -> [PositionScore] {
    let text = 1 + 0.3 * noise.normal()
    let change = shift + 0.02 * noise.normal()
    return chain.map { link in
      let spread = 1.0
      let own = divergence * level * exp(spread * link - spread * spread / 2)
      let base = max(0.05, text + 0.5 * noise.normal())
      return PositionScore(
        surprise: Float(base + change + 0.05 * noise.normal()), baseSurprise: Float(base),
        divergence: Float(own), divergenceBound: Float(own), isSameTop: noise.uniform() > 0.02 * level)
    }
  }

  /// Neighbours that follow each other, each normal.
  private func chain(_ noise: inout Noise) -> [Double] {
    var link = noise.normal()
    return (0..<Self.tokens).map { _ in
      link = 0.5 * link + 0.75.squareRoot() * noise.normal()
      return link
    }
  }

  private struct Counts {
    var hits: [String: Int] = [:]
    mutating func count(_ name: String, _ interval: ClosedRange<Double>?, _ truth: Double) {
      if interval?.contains(truth) == true { hits[name, default: 0] += 1 }
    }
    func percent(_ name: String) -> Double { 100 * Double(hits[name] ?? 0) / Double(repetitions) }
  }

  @Test(
    "95 of 100 intervals hold the truth, for few windows and many",
    arguments: [1, 2], [4, 8, 16, 32])
  func coverage(shape: Int, windows: Int) {
    var noise = Noise(seed: UInt64(100 * shape + windows))
    var counts = Counts()
    let (divergence, shift) = (0.02, 0.01)
    for _ in 0..<Self.repetitions {
      var tested = DivergenceStatistics()
      var other = DivergenceStatistics()
      var plain = PerplexityStatistics()
      for _ in 0..<windows {
        let level = noise.gamma(shape)
        let links = chain(&noise)
        let scores = window(
          &noise, shape: shape, divergence: divergence, shift: shift, level: level, chain: links)
        tested.add(window: scores)
        // Another quantization on the same text: what makes a window hard for one makes it hard for the other.
        let factor = 0.8 * noise.skewed(0.25)
        other.add(
          window: scores.map { score in
            var score = score
            score.divergence *= Float(factor)
            return score
          })
        for score in scores { plain.add(Double(score.surprise)) }
        plain.endWindow()
      }
      counts.count("mean KLD", tested.meanDivergence.interval95, divergence)
      counts.count("log ratio", tested.logRatio.interval95, shift)
      counts.count(
        "perplexity", plain.estimate.interval95.map { log($0.lowerBound)...log($0.upperBound) },
        meanSurprise + shift)
      counts.count("same top", tested.sameTop.interval95, 0.98)
      counts.count(
        "paired KLD", PairedDivergence(other, to: tested)?.changePercent?.interval95, -20)
      counts.count("tokens as independent", Self.tokenInterval(tested), divergence)
    }
    for name in ["mean KLD", "log ratio", "perplexity", "paired KLD"] {
      #expect(
        (93...97).contains(counts.percent(name)),
        "\(name), \(windows) windows, shape \(shape): \(counts.percent(name)) %")
    }
    // Few windows have few tokens that differ; from eight on their share can be told.
    if windows >= 8 {
      #expect(
        (92...98).contains(counts.percent("same top")),
        "same top, \(windows) windows: \(counts.percent("same top")) %")
    }
    // What was printed before: far from 95 %, so that the simulation puts the intervals to the test.
    #expect(counts.percent("tokens as independent") < 50, "\(counts.percent("tokens as independent"))")
  }

  /// The mean of `max(0.05, text + 0.5 * normal)` with `text` normal around 1 with deviation 0.3, by integration.
  private let meanSurprise: Double = {
    let deviation = (0.09 + 0.25).squareRoot()
    var sum = 0.0
    let steps = 200_000
    for step in 0..<steps {
      let z = -9 + 18 * (Double(step) + 0.5) / Double(steps)
      sum +=
        max(0.05, 1 + deviation * z) * exp(-z * z / 2) / (2 * Double.pi).squareRoot() * 18 / Double(steps)
    }
    return sum
  }()

  private static func tokenInterval(_ statistics: DivergenceStatistics) -> ClosedRange<Double> {
    let values = statistics.divergences.map(Double.init)
    let n = Double(values.count)
    let mean = values.reduce(0, +) / n
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (n - 1)
    let reach = 1.96 * (variance / n).squareRoot()
    return (mean - reach)...(mean + reach)
  }

  @Test("A single window has no interval, and says why; its verdict is none")
  func single() {
    var noise = Noise(seed: 7)
    var statistics = DivergenceStatistics()
    var plain = PerplexityStatistics()
    for _ in 0..<1 {
      let links = (0..<8).flatMap { _ in chain(&noise) }
      let scores = window(&noise, shape: 2, divergence: 0.02, shift: 0.5, level: 1, chain: links)
      statistics.add(window: scores)
      for score in scores { plain.add(Double(score.surprise)) }
      plain.endWindow()
    }
    #expect(statistics.meanDivergence.interval95 == nil && statistics.meanDivergence.value > 0)
    #expect(statistics.perplexity.interval95 == nil && plain.estimate.interval95 == nil)
    #expect(Verdict(statistics).kind == .tooFewWindows)
    for text in [statistics.intervalText, plain.verdict, Verdict(statistics).text] {
      #expect(text.contains("there are no intervals") && text.contains("there is one"), "\(text)")
    }
  }

  @Test("No perplexity is below 1, and no interval of one says so")
  func leastPerplexity() throws {
    var plain = PerplexityStatistics()
    for surprise in [0.01, 0.4, 0.02, 0.01] {
      for _ in 0..<50 { plain.add(surprise) }
      plain.endWindow()
    }
    let interval = try #require(plain.estimate.interval95)
    #expect(interval.lowerBound == 1 && interval.contains(plain.value))
  }

  @Test("Windows that overlap count as one unit with their neighbours")
  func strided() throws {
    let windows = try TokenWindows(tokens: [Int32](0..<300), length: 12, stride: 5)
    #expect(windows.windowsPerUnit == 3)
    #expect(try TokenWindows(tokens: [Int32](0..<300), length: 12, beginning: nil).windowsPerUnit == 1)
    var grouped = PerplexityStatistics(windowsPerUnit: 3)
    var whole = PerplexityStatistics()
    for index in 0..<21 {
      for token in 0..<5 {
        grouped.add(Double((index * index + token) % 11))
        whole.add(Double((index * index + token) % 11))
      }
      grouped.endWindow()
      if index % 3 == 2 { whole.endWindow() }
    }
    #expect(grouped.unitCount == 7 && grouped.windowCount == 21)
    let (one, other) = (try #require(grouped.estimate.interval95), try #require(whole.estimate.interval95))
    #expect(abs(one.lowerBound - other.lowerBound) < 1e-9 && abs(one.upperBound - other.upperBound) < 1e-9)
    #expect(grouped.intervalText.contains("7 stretches of 3 overlapping windows"))
  }
}
