internal import ReferenceRuntime
package import SVGAnalysis
internal import TextTokenizers

/// One cell of an evaluation: a contestant's drawing for a prompt, with its scores.
package struct SVGCell: Sendable {
  /// The answer taken apart.
  package var analysis: DrawingAnalysis
  /// Layer B.
  package var pair: PairScore?
  /// Layer C: for each assertion whether it holds.
  package var met: [Bool]
  /// The tokens' bytes before the first difference from the base's answer; `nil` for identical answers and drawings
  /// from files.
  package var agreeingBytes: Int?
  /// The bytes of the token that differs first; 0 when the answer ended there.
  package var divergingBytes = 0
  /// Tokens before the first difference, all when identical; `nil` for drawings from files.
  package var agreeingTokens: Int?
  /// Whether the tokens are those of the base.
  package var isIdentical: Bool
  /// Layer A.
  package var forced: ForcedScore?
}

/// Puts answers, forced scores and drawings together into cells and summaries.
package struct SVGResults: Sendable {
  /// The prompts.
  package let prompts: [DrawingPrompt]
  /// One per contestant, the base first.
  package private(set) var summaries: [SVGSummary] = []
  /// `cells[contestant][prompt]`, the greedy answers; `nil` where there is none.
  package private(set) var cells: [[SVGCell?]] = []

  /// A set of drawings from files.
  package struct Included: Sendable {
    /// The name in tables.
    package var label: String
    /// Where they come from.
    package var source: String
    /// Drawings by the prompt's id.
    package var drawings: [String: String]

    /// Describes a set.
    package init(label: String, source: String, drawings: [String: String]) {
      self.label = label
      self.source = source
      self.drawings = drawings
    }
  }

  /// Scores everything.
  ///
  /// - Parameters:
  ///   - runner: A complete run.
  ///   - included: Drawings from files.
  ///   - render: Renders a harmless drawing at 256 by 256 pixels.
  package init(_ runner: SVGRunner, included: [Included], render: (SanitizedSVG) -> PixelImage?) {
    prompts = runner.prompts.prompts
    let variants = runner.options.sampleCount + 1
    var baseCells: [[SVGCell?]] = []
    for (index, contestant) in runner.contestants.enumerated() {
      var columns: [[SVGCell?]] = []
      for variant in 0..<variants {
        columns.append(
          prompts.indices.map { number in
            cell(runner, index, number, variant, base: index == 0 ? nil : baseCells[variant][number], render)
          })
      }
      if index == 0 { baseCells = columns }
      cells.append(columns[0])
      summaries.append(
        Summarizer(prompts: prompts, base: baseCells, own: columns).summary(
          label: contestant.label, kind: contestant.kind, source: contestant.model.source,
          cache: "\(contestant.cacheType)",
          answersFrom: runner.origins[index],
          mode: "\(contestant.mode)",
          seconds: prompts.indices.reduce(0) {
            $0 + (runner.answer(of: index, prompt: $1)?.seconds ?? 0)
          }))
    }
    for set in included {
      let column = prompts.enumerated().map { number, prompt in
        set.drawings[prompt.id].map { source in
          let analysis = DrawingAnalysis(answer: source, isFinished: true, render: render)
          let pair = baseCells[0][number].flatMap { PairScore(base: $0.analysis, other: analysis) }
          return SVGCell(
            analysis: analysis, pair: pair, met: Self.met(analysis, prompt), agreeingBytes: nil,
            agreeingTokens: nil, isIdentical: false, forced: nil)
        }
      }
      cells.append(column)
      summaries.append(
        Summarizer(prompts: prompts, base: baseCells, own: [column]).summary(
          label: set.label, kind: .included, source: set.source, mode: "", seconds: 0))
    }
  }

  private static func met(_ analysis: DrawingAnalysis, _ prompt: DrawingPrompt) -> [Bool] {
    guard let drawing = analysis.drawing else { return prompt.assertions.map { _ in false } }
    let checker = AssertionChecker(drawing)
    return prompt.assertions.map(checker.holds)
  }

  private func cell(
    _ runner: SVGRunner, _ contestant: Int, _ number: Int, _ variant: Int, base: SVGCell?,
    _ render: (SanitizedSVG) -> PixelImage?
  ) -> SVGCell? {
    guard let record = runner.answer(of: contestant, prompt: number, variant: variant) else { return nil }
    let tokenizer = runner.contestants[contestant].tokenizer
    let expected = runner.answer(of: 0, prompt: number, variant: variant)?.tokens ?? []
    let isIdentical = record.tokens == expected
    let agreeing = zip(record.tokens, expected).prefix { $0 == $1 }.count
    let analysis: DrawingAnalysis
    if let base, isIdentical {
      analysis = base.analysis
    } else {
      analysis = DrawingAnalysis(
        answer: tokenizer.decode(record.tokens), isFinished: record.isFinished, render: render)
    }
    func length(_ tokens: ArraySlice<Int32>) -> Int {
      tokens.reduce(0) { $0 + tokenizer.piece($1, showSpecial: false).count }
    }
    let bytes = length(record.tokens.prefix(agreeing))
    return SVGCell(
      analysis: analysis, pair: base.flatMap { PairScore(base: $0.analysis, other: analysis) },
      met: Self.met(analysis, prompts[number]), agreeingBytes: isIdentical ? nil : bytes,
      divergingBytes: length(record.tokens.dropFirst(agreeing).prefix(1)), agreeingTokens: agreeing,
      isIdentical: isIdentical, forced: variant == 0 ? runner.forced(of: contestant, prompt: number) : nil)
  }

  /// How much worse the worst contestant's drawing is than the base's, for sorting: larger is worse.
  package func badness(ofPrompt number: Int) -> Double {
    cells.indices.dropFirst().filter { summaries[$0].kind == .tested }.reduce(0) { worst, index in
      guard let cell = cells[index][number] else { return worst }
      return max(worst, cell.pair.map { 1 - $0.total } ?? 0)
    }
  }
}
