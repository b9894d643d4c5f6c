import ModelEvaluation

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
    var verdictText: String
    var perplexityChangePercent95: [Double]
  }

  var model: String
  var text: String?
  var textBytes: Int?
  var textXXH64: String?
  var tokens: Int
  var windowLength: Int
  var windows: Int
  var scoredTokens: Int
  var mode: String
  var perplexity: Estimate?
  var comparison: Comparison?
  var seconds: Double

  private init(
    _ model: String, _ text: EvaluationText?, _ windows: TokenWindows, _ tokenCount: Int, _ mode: String,
    _ seconds: Double
  ) {
    self.model = model
    self.text = text?.path
    textBytes = text?.byteCount
    textXXH64 = text?.hashText
    tokens = tokenCount
    windowLength = windows.length
    self.windows = windows.count
    scoredTokens = windows.count * windows.scoredPerWindow
    self.mode = mode
    self.seconds = seconds
  }

  init(
    model: String, text: EvaluationText, windows: TokenWindows, tokenCount: Int, mode: String,
    perplexity: Perplexity, seconds: Double
  ) {
    self.init(model, text, windows, tokenCount, mode, seconds)
    self.perplexity = Estimate(perplexity.value, perplexity.uncertainty)
    scoredTokens = perplexity.tokenCount
    self.windows = perplexity.tokenCount / windows.scoredPerWindow
  }

  init(
    model: String, base: String, text: EvaluationText?, windows: TokenWindows, tokenCount: Int, mode: String,
    statistics s: DivergenceStatistics, seconds: Double
  ) {
    self.init(model, text, windows, tokenCount, mode, seconds)
    scoredTokens = s.count
    self.windows = s.windowCount
    perplexity = s.perplexity
    func percentiles(_ values: [Float]) -> [String: Float] {
      let sorted = values.sorted()
      return Dictionary(
        uniqueKeysWithValues: [0, 0.1, 1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9, 100].map {
          ("\($0)", DivergenceStatistics.percentile(sorted, Float($0 / 100)))
        })
    }
    let verdict = Verdict(s)
    comparison = Comparison(
      base: base, perplexity: s.perplexity, basePerplexity: s.basePerplexity, correlation: s.correlation,
      logRatio: s.logRatio, cautiousLogRatio: s.cautiousLogRatio, ratio: s.ratio, difference: s.difference,
      meanDivergence: s.meanDivergence, meanDivergenceBound: s.meanDivergenceBound,
      windowDivergences: s.windowDivergences,
      divergencePercentiles: percentiles(s.divergences), meanProbabilityChange: s.meanChange,
      probabilityChangePercentiles: percentiles(s.probabilityChanges),
      rootMeanSquareProbabilityChange: s.rootMeanSquareChange, sameTop: s.sameTop,
      verdict: verdict.kind.rawValue, verdictText: verdict.text,
      perplexityChangePercent95: [verdict.percent.lowerBound, verdict.percent.upperBound])
  }
}
