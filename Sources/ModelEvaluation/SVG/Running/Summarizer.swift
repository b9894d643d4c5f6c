internal import SVGAnalysis

/// Sums cells up.
struct Summarizer {
  let prompts: [DrawingPrompt]
  /// The base's cells, `[variant][prompt]`.
  let base: [[SVGCell?]]
  let own: [[SVGCell?]]

  func summary(
    label: String, kind: SVGContestant.Kind, source: String, cache: String? = nil,
    answersFrom: String? = nil, mode: String,
    seconds: Double
  ) -> SVGSummary {
    let all = own.flatMap { $0 }.compactMap(\.self)
    return SVGSummary(
      label: label, kind: kind, source: source, cache: cache,
      answersFrom: answersFrom, mode: mode, forced: forced,
      paired: kind == .base ? nil : paired,
      truth: truth, failedAnswers: all.count { !$0.analysis.failedGates.isEmpty }, answers: all.count,
      seconds: seconds)
  }

  private var forced: SVGSummary.Forced? {
    let scores = own[0].compactMap { $0?.forced }
    func numbers(_ part: (ForcedScore) -> ForcedSums) -> SVGSummary.ClassNumbers? {
      let sums = scores.map(part)
      func ratio(_ scale: EstimateScale, _ value: (ForcedSums) -> Double) -> Estimate? {
        Jackknife.ratio(sums.map { (value($0), Double($0.count)) }, scale: scale)
      }
      guard let divergence = ratio(.logarithmic, \.divergence), let gap = ratio(.plain, \.surpriseGap),
        let flips = ratio(.logistic, { Double($0.flips) })
      else { return nil }
      return SVGSummary.ClassNumbers(
        tokens: sums.reduce(0) { $0 + $1.count }, divergence: divergence, surpriseGap: gap, flips: flips)
    }
    func coordinate(_ value: (CoordinateSums) -> Double) -> Estimate? {
      // Percent of the `viewBox`, at most 100.
      Jackknife.ratio(
        scores.map { (value($0.coordinates) / 100, Double($0.coordinates.count)) }, scale: .logistic
      )?.scaled(by: 100)
    }
    guard let total = numbers(\.total) else { return nil }
    var classes: [SVGTokenClass: SVGSummary.ClassNumbers] = [:]
    for kind in SVGTokenClass.allCases {
      classes[kind] = numbers { $0.classes[kind] ?? ForcedSums() }
    }
    let shift = coordinate(\.shift)
    return SVGSummary.Forced(
      tokens: total.tokens, divergence: total.divergence, surpriseGap: total.surpriseGap, flips: total.flips,
      coordinateError: coordinate(\.error), baseCoordinateError: coordinate(\.baseError),
      coordinateShift: shift,
      classes: classes, verdict: SVGVerdict(divergence: total.divergence, flips: total.flips, shift: shift))
  }

  private var paired: SVGSummary.Paired? {
    let cells = own.flatMap { $0 }.compactMap(\.self)
    // One value per prompt, draws averaged, so that the interval is over prompts.
    func perPrompt(_ value: (SVGCell) -> Double?) -> [Double] {
      prompts.indices.compactMap { number in
        let values = own.compactMap { $0[number].flatMap(value) }
        return values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
      }
    }
    let pairs = cells.compactMap(\.pair)
    guard let score = Jackknife.mean(perPrompt { $0.pair?.total }, scale: .logistic),
      let identical = Jackknife.mean(perPrompt { $0.isIdentical ? 1 : 0 }, scale: .logistic)
    else { return nil }
    func mean(_ value: (PairScore) -> Double) -> Double {
      pairs.map(value).reduce(0, +) / Double(pairs.count)
    }
    let agreements = own[0].compactMap { $0?.agreeingTokens }.sorted()
    return SVGSummary.Paired(
      pairs: pairs.count, identical: cells.count(where: \.isIdentical), identicalShare: identical,
      score: score, agreement: mean(\.agreement),
      structure: mean(\.structure), geometry: mean(\.geometry), raster: mean(\.raster),
      medianAgreement: agreements.isEmpty ? nil : agreements[agreements.count / 2])
  }

  private var truth: SVGSummary.Truth? {
    var (assertions, met, solved, lost, won) = (0, 0, 0, 0, 0)
    var shares: [Double] = []
    for (number, prompt) in prompts.enumerated() where !prompt.assertions.isEmpty {
      let cells = own.compactMap { $0[number] }
      guard let first = own[0][number] else { continue }
      assertions += prompt.assertions.count
      met += first.met.count { $0 }
      let share = cells.map { Double($0.met.count { $0 }) / Double(prompt.assertions.count) }
      shares.append(share.reduce(0, +) / Double(share.count))
      let isSolved = first.met.allSatisfy { $0 }
      let isBaseSolved = base[0][number]?.met.allSatisfy { $0 } ?? false
      if isSolved { solved += 1 }
      if isBaseSolved, !isSolved { lost += 1 }
      if isSolved, !isBaseSolved { won += 1 }
    }
    guard let share = Jackknife.mean(shares, scale: .logistic) else { return nil }
    return SVGSummary.Truth(
      prompts: shares.count, assertions: assertions, met: met, share: share, solved: solved, lost: lost,
      won: won,
      probability: McNemarTest.probability(lost: lost, won: won))
  }
}
