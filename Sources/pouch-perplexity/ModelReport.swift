import CommandSupport
import ModelEvaluation
import ReferenceRuntime

/// What `--json` prints.
struct PerplexityReport: Encodable {
  /// The part of the windows that was measured, such as `2/4`; absent for all of them.
  var part: String?
  /// Whether all windows of all models are in, in a part all of that part.
  var isComplete: Bool
  /// The number of the first window, from 1: more than 1 with `--from-chunk`.
  var firstWindow: Int
  /// One entry for each model.
  var results: [ModelReport]

  init(part: String?, isComplete: Bool, firstWindow: Int, results: [ModelReport]) {
    self.part = part
    self.isComplete = isComplete
    self.firstWindow = firstWindow
    self.results = results
  }
}

/// What `--json` prints of one model.
struct ModelReport: Encodable {
  struct Comparison: Encodable {
    /// The base as given.
    var base: String
    /// A hash that is the same for copies of the base.
    var baseXXH64 = ""
    /// The perplexity of the model.
    var perplexity: Estimate
    /// The perplexity of the base.
    var basePerplexity: Estimate
    /// The correlation of the logarithms of both, by token.
    var correlation: Double
    /// The logarithm of the ratio of both.
    var logRatio: Estimate
    /// The perplexity of the model divided by that of the base.
    var ratio: Estimate
    /// The perplexity of the model less that of the base.
    var difference: Estimate
    /// The mean KL divergence from the base, in nats per token.
    var meanDivergence: Estimate
    /// How far the true mean may be from it, because a compact base file lists the likely tokens alone; 0 otherwise.
    var meanDivergenceBound: Double
    /// The mean KL divergence of each window.
    var windowDivergences: [Double]
    /// Percentiles of the KL divergence by token.
    var divergencePercentiles: [String: Float]
    /// The mean change of the right token's probability.
    var meanProbabilityChange: Estimate
    /// Percentiles of that change by token.
    var probabilityChangePercentiles: [String: Float]
    /// The root of its mean square.
    var rootMeanSquareProbabilityChange: Estimate
    /// The share of tokens whose likeliest token is the base's.
    var sameTop: Estimate
    /// The verdict as a word.
    var verdict: String
    /// `PPL / base PPL - 1` in percent: what the verdict is about.
    var perplexityChangePercent: Estimate
  }

  struct Pairing: Encodable {
    /// The model given earlier that this one is compared with, and its cache where that is not of f32.
    var model: String
    /// The mean divergence less that of the other model, in nats.
    var meanDivergenceChange: Double
    /// In percent of that model's mean divergence.
    var meanDivergenceChangePercent: Estimate?
    /// What the interval allows to say: closer to the base, farther, not distinguishable, or no interval.
    var verdict: String
  }

  /// The model as given.
  var model: String
  /// How keys and values were kept, as -ctk and -ctv name it.
  var cache = "f32"
  /// Bytes of the model's files as read.
  var modelBytes = 0
  /// A hash that is the same for copies of the model: of its files, or of pieces of them where they have more than 64 MiB.
  var modelXXH64 = ""
  /// The text as given; absent when a base file has the tokens.
  var text: String?
  /// Bytes of the text.
  var textBytes: Int?
  /// A hash of the text.
  var textXXH64: String?
  /// Tokens of the text.
  var tokens: Int
  /// Tokens per window.
  var windowLength: Int
  /// Windows that were measured.
  var windows: Int
  /// Tokens from the start of one window to that of the next.
  var windowStep: Int
  /// Tokens that count.
  var scoredTokens: Int
  /// The procedure in words.
  var `protocol`: String
  /// Whether all windows are in.
  var isComplete: Bool
  /// exact or fast.
  var mode: String
  /// The independent units that the intervals are over: windows, or stretches of overlapping ones.
  var intervalUnits: Int?
  /// The perplexity.
  var perplexity: Estimate?
  /// The result in a sentence.
  var verdictText: String?
  /// The comparison with the base; absent without one.
  var comparison: Comparison?
  /// Beside each model given earlier in the run.
  var paired: [Pairing]?
  /// Seconds that the run took.
  var seconds: Double

  /// Notes which model this is of, how its cache was kept, and the hash of the base.
  ///
  /// - Throws: Errors of reading the model.
  mutating func identify(_ subject: Subject, base: String? = nil) throws {
    cache = "\(subject.cache)"
    modelBytes = subject.model.store.mappedByteCount
    modelXXH64 = try ModelFingerprint.ofContent(subject.path)
    if let base { comparison?.baseXXH64 = base }
  }

  /// The same of a part, whose numbers say nothing alone.
  var ofPart: ModelReport {
    var report = self
    (report.intervalUnits, report.perplexity, report.verdictText) = (nil, nil, nil)
    (report.comparison, report.paired) = (nil, nil)
    return report
  }

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
    perplexity: PerplexityStatistics, seconds: Double
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
