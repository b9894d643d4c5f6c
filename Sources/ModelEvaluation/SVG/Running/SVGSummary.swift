package import SVGAnalysis

/// All numbers of one contestant.
package struct SVGSummary: Sendable, Codable {
  /// Layer A.
  package struct Forced: Sendable, Codable {
    /// Tokens of all answers.
    package var tokens: Int
    /// The mean KL divergence from the base, in nats.
    package var divergence: Estimate
    /// The mean of `-ln q + ln p` of the base's tokens, in nats.
    package var surpriseGap: Estimate
    /// The share of tokens where the most likely one is another.
    package var flips: Estimate
    /// The expected error of a digit, in percent of the `viewBox`.
    package var coordinateError: Estimate?
    /// The same for the base itself.
    package var baseCoordinateError: Estimate?
    /// The shift of digits against the base, in percent of the `viewBox`.
    package var coordinateShift: Estimate?
    /// Divergence and flips by class of token.
    package var classes: [SVGTokenClass: ClassNumbers]
    /// The verdict.
    package var verdict: SVGVerdict
  }

  /// The numbers of one class of tokens.
  package struct ClassNumbers: Sendable, Codable {
    /// Tokens.
    package var tokens: Int
    /// The mean divergence, in nats.
    package var divergence: Estimate
    /// The mean surprise gap, in nats.
    package var surpriseGap: Estimate
    /// The share of flipped tokens.
    package var flips: Estimate
  }

  /// Layer B.
  package struct Paired: Sendable, Codable {
    /// Pairs whose base passed the gates.
    package var pairs: Int
    /// Pairs whose tokens are all the same.
    package var identical: Int
    /// The share of identical pairs.
    package var identicalShare: Estimate
    /// The mean score, from 0 to 1.
    package var score: Estimate
    /// The mean sub-scores, each from 0 to 1 for the same.
    package var agreement, structure, geometry, raster: Double
    /// The median number of tokens before the first difference, identical answers counted in full.
    package var medianAgreement: Int?
  }

  /// Layer C.
  package struct Truth: Sendable, Codable {
    /// Prompts with assertions.
    package var prompts: Int
    /// Assertions.
    package var assertions: Int
    /// Assertions met.
    package var met: Int
    /// The mean share of assertions met per prompt.
    package var share: Estimate
    /// Prompts with all assertions met.
    package var solved: Int
    /// Prompts that only the base solved, and that only this one solved.
    package var lost, won: Int
    /// McNemar's exact test on them.
    package var probability: Double
  }

  /// The name in tables.
  package var label: String
  /// What it is for.
  package var kind: SVGContestant.Kind
  /// The model's path, or the folder of drawings.
  package var source: String
  /// A hash that is the same for copies of the model: of its files, or of pieces of them where they have more than 64 MiB.
  package var modelXXH64: String?
  /// Bytes of the model's files of weights; absent for drawings.
  package var modelBytes: Int?
  /// How keys and values were kept, as -ctk and -ctv name it; absent for drawings.
  package var cache: String?
  /// Where its answers come from if they were made elsewhere: a journal or a folder, and what is different there.
  package var answersFrom: String?
  /// How it computes; empty for drawings.
  package var mode: String
  /// Layer A; not for the base and for drawings.
  package var forced: Forced?
  /// Layer B; not for the base.
  package var paired: Paired?
  /// Layer C, if prompts have assertions.
  package var truth: Truth?
  /// Answers that failed a gate (see ``DrawingGate``), and all answers, draws among them.
  package var failedAnswers, answers: Int
  /// Seconds spent on answers.
  package var seconds: Double
}

extension SVGSummary {
  /// The name that a label has in the file system, below `drawings` in the folder of a run.
  package static func folderName(_ label: String) -> String {
    String(label.map { $0.isLetter || $0.isNumber || "-_.".contains($0) ? $0 : "_" })
  }
}
