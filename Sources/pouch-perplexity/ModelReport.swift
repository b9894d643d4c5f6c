import CommandSupport
import ModelEvaluation

/// What `--json` prints.
struct PerplexityReport: Encodable {
  /// Whether all windows of all models are in.
  var isComplete: Bool
  var results: [ModelReport]

  init(isComplete: Bool, results: [ModelReport]) {
    self.isComplete = isComplete
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
    var cautiousLogRatio: Estimate
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
    var perplexityChangePercent95: [Double]
  }

  struct Pairing: Encodable {
    var model: String
    var meanDivergenceChange: Estimate
    var interval95: [Double]
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
  var perplexity: Estimate?
  var perplexityInterval95: [Double]?
  var verdictText: String?
  var comparison: Comparison?
  /// Beside the first model of the run; absent for that one.
  var beside: Pairing?
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
    self.perplexity = Estimate(perplexity.value, perplexity.uncertainty)
    perplexityInterval95 = [perplexity.interval95.lowerBound, perplexity.interval95.upperBound]
    verdictText = perplexity.verdict
  }

  init(
    model: String, base: String, text: EvaluationText?, textHash: String?, windows: TokenWindows,
    tokenCount: Int, mode: String, statistics s: DivergenceStatistics,
    beside first: (model: String, statistics: DivergenceStatistics)?, seconds: Double
  ) {
    self.init(model, text, textHash, windows, s.windowCount, tokenCount, mode, seconds)
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
      logRatio: s.logRatio, cautiousLogRatio: s.cautiousLogRatio, ratio: s.ratio, difference: s.difference,
      meanDivergence: s.meanDivergence, meanDivergenceBound: s.meanDivergenceBound,
      windowDivergences: s.windowDivergences,
      divergencePercentiles: percentiles(s.divergences), meanProbabilityChange: s.meanChange,
      probabilityChangePercentiles: percentiles(s.probabilityChanges),
      rootMeanSquareProbabilityChange: s.rootMeanSquareChange, sameTop: s.sameTop,
      verdict: verdict.kind.rawValue,
      perplexityChangePercent95: [verdict.percent.lowerBound, verdict.percent.upperBound])
    if let first, let pair = PairedDivergence(s, to: first.statistics) {
      let interval = pair.change.interval95
      beside = Pairing(
        model: first.model, meanDivergenceChange: pair.change,
        interval95: [interval.lowerBound, interval.upperBound], verdict: pair.verdict)
    }
  }
}
