import CommandSupport
import ModelEvaluation

/// What `--json` prints.
struct PerplexityReport: Encodable {
  /// Whether all windows of all models are in.
  var isComplete: Bool
  /// The number of the first window, from 1: more than 1 with `--from-chunk`.
  var firstWindow: Int
  var results: [ModelReport]

  init(isComplete: Bool, firstWindow: Int, results: [ModelReport]) {
    self.isComplete = isComplete
    self.firstWindow = firstWindow
    self.results = results
  }
}

/// What `--json` prints of one model.
struct ModelReport: Encodable {
  struct Comparison: Encodable {
    var base: String
    var perplexity: Estimate
    var basePerplexity: Estimate
    var correlation: Double
    var logRatio: Estimate
    var ratio: Estimate
    var difference: Estimate
    var meanDivergence: Estimate
    var meanDivergenceBound: Double
    var windowDivergences: [Double]
    var divergencePercentiles: [String: Float]
    var meanProbabilityChange: Estimate
    var probabilityChangePercentiles: [String: Float]
    var rootMeanSquareProbabilityChange: Estimate
    var sameTop: Estimate
    var verdict: String
    /// `PPL / base PPL - 1` in percent: what the verdict is about.
    var perplexityChangePercent: Estimate
  }

  struct Pairing: Encodable {
    /// The model given earlier that this one is compared with.
    var model: String
    /// The mean divergence less that of the other model, in nats.
    var meanDivergenceChange: Double
    /// In percent of that model's mean divergence.
    var meanDivergenceChangePercent: Estimate?
    /// What the interval allows to say: closer to the base, farther, not distinguishable, or no interval.
    var verdict: String
  }

  var model: String
  var text: String?
  var textBytes: Int?
  var textXXH64: String?
  var tokens: Int
  var windowLength: Int
  var windows: Int
  var windowStep: Int
  var scoredTokens: Int
  var `protocol`: String
  var isComplete: Bool
  var mode: String
  /// The independent units that the intervals are over: windows, or stretches of overlapping ones.
  var intervalUnits: Int?
  var perplexity: Estimate?
  var verdictText: String?
  var comparison: Comparison?
  /// Beside each model given earlier in the run.
  var paired: [Pairing]?
  var seconds: Double

  private init(
    _ model: String, _ text: EvaluationText?, _ hash: String?, _ windows: TokenWindows, _ done: Int,
    _ tokenCount: Int, _ mode: String, _ seconds: Double
  ) {
    self.model = model
    self.text = text?.path
    textBytes = text?.byteCount
    textXXH64 = hash
    tokens = tokenCount
    windowLength = windows.length
    self.windows = done
    windowStep = windows.step
    scoredTokens = done * windows.scoredPerWindow
    self.protocol = windows.protocolText
    isComplete = done == windows.count
    self.mode = mode
    self.seconds = seconds
  }

  init(
    model: String, text: EvaluationText, windows: TokenWindows, tokenCount: Int, mode: String,
    perplexity: Perplexity, seconds: Double
  ) {
    self.init(model, text, text.hashText, windows, perplexity.windowCount, tokenCount, mode, seconds)
    guard perplexity.tokenCount > 0 else { return }
    intervalUnits = perplexity.unitCount
    self.perplexity = perplexity.estimate
    verdictText = perplexity.verdict
  }

  init(
    model: String, base: String, text: EvaluationText?, textHash: String?, windows: TokenWindows,
    tokenCount: Int, mode: String, statistics s: DivergenceStatistics,
    earlier: [(model: String, statistics: DivergenceStatistics)], seconds: Double
  ) {
    self.init(model, text, textHash, windows, s.windowCount, tokenCount, mode, seconds)
    intervalUnits = s.unitCount
    perplexity = s.perplexity
    func percentiles(_ values: [Float]) -> [String: Float] {
      let sorted = values.sorted()
      return Dictionary(
        uniqueKeysWithValues: [0, 0.1, 1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9, 100].map {
          ("\($0)", DivergenceStatistics.percentile(sorted, Float($0 / 100)))
        })
    }
    let verdict = Verdict(s)
    verdictText = verdict.text
    comparison = Comparison(
      base: base, perplexity: s.perplexity, basePerplexity: s.basePerplexity, correlation: s.correlation,
      logRatio: s.logRatio, ratio: s.ratio, difference: s.difference,
      meanDivergence: s.meanDivergence, meanDivergenceBound: s.meanDivergenceBound,
      windowDivergences: s.windowDivergences,
      divergencePercentiles: percentiles(s.divergences), meanProbabilityChange: s.meanChange,
      probabilityChangePercentiles: percentiles(s.probabilityChanges),
      rootMeanSquareProbabilityChange: s.rootMeanSquareChange, sameTop: s.sameTop,
      verdict: verdict.kind.rawValue,
      perplexityChangePercent: verdict.percent)
    let pairs = earlier.compactMap { other in
      PairedDivergence(s, to: other.statistics).map { pair in
        Pairing(
          model: other.model, meanDivergenceChange: pair.change,
          meanDivergenceChangePercent: pair.changePercent, verdict: pair.verdict.rawValue)
      }
    }
    if !pairs.isEmpty { paired = pairs }
  }
}
