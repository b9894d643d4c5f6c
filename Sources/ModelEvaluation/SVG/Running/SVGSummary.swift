public import SVGAnalysis

/// All numbers of one contestant.
public struct SVGSummary: Sendable, Codable {
  /// Layer A.
  public struct Forced: Sendable, Codable {
    /// Tokens of all answers.
    public var tokens: Int
    /// The mean KL divergence from the base, in nats.
    public var divergence: Estimate
    /// The mean of `-ln q + ln p` of the base's tokens, in nats.
    public var surpriseGap: Estimate
    /// The share of tokens where the most likely one is another.
    public var flips: Estimate
    /// The expected error of a digit, in percent of the `viewBox`.
    public var coordinateError: Estimate?
    /// The same for the base itself.
    public var baseCoordinateError: Estimate?
    /// The shift of digits against the base, in percent of the `viewBox`.
    public var coordinateShift: Estimate?
    /// Divergence and flips by class of token.
    public var classes: [SVGTokenClass: ClassNumbers]
    /// The verdict.
    public var verdict: SVGVerdict
  }

  /// The numbers of one class of tokens.
  public struct ClassNumbers: Sendable, Codable {
    /// Tokens.
    public var tokens: Int
    /// The mean divergence, in nats.
    public var divergence: Estimate
    /// The mean surprise gap, in nats.
    public var surpriseGap: Estimate
    /// The share of flipped tokens.
    public var flips: Estimate
  }

  /// Layer B.
  public struct Paired: Sendable, Codable {
    /// Pairs whose base passed the gates.
    public var pairs: Int
    /// Pairs whose tokens are all the same.
    public var identical: Int
    /// The share of identical pairs.
    public var identicalShare: Estimate
    /// The mean score, from 0 to 1.
    public var score: Estimate
    /// The mean sub-scores, each from 0 to 1 for the same.
    public var agreement, structure, geometry, raster: Double
    /// The median number of tokens before the first difference, identical answers counted in full.
    public var medianAgreement: Int?
  }

  /// Layer C.
  public struct Truth: Sendable, Codable {
    /// Prompts with assertions.
    public var prompts: Int
    /// Assertions.
    public var assertions: Int
    /// Assertions met.
    public var met: Int
    /// The mean share of assertions met per prompt.
    public var share: Estimate
    /// Prompts with all assertions met.
    public var solved: Int
    /// Prompts that only the base solved, and that only this one solved.
    public var lost, won: Int
    /// McNemar's exact test on them.
    public var probability: Double
  }

  /// The name in tables.
  public var label: String
  /// What it is for.
  public var kind: SVGContestant.Kind
  /// The model's path, or the folder of drawings.
  public var source: String
  /// A hash that is the same for copies of the model: of its files, or of pieces of them where they have more than 64 MiB.
  public var modelXXH64: String?
  /// Bytes of the model's files of weights; absent for drawings.
  public var modelBytes: Int?
  /// How keys and values were kept, as -ctk and -ctv name it; absent for drawings.
  public var cache: String?
  /// Where its answers come from if they were made elsewhere: a journal or a folder, and what is different there.
  public var answersFrom: String?
  /// How it computes; empty for drawings.
  public var mode: String
  /// Layer A; not for the base and for drawings.
  public var forced: Forced?
  /// Layer B; not for the base.
  public var paired: Paired?
  /// Layer C, if prompts have assertions.
  public var truth: Truth?
  /// Answers that failed a gate (see ``DrawingGate``), and all answers, draws among them.
  public var failedAnswers, answers: Int
  /// Seconds spent on answers.
  public var seconds: Double
}

extension SVGSummary {
  /// The name that a label has in the file system, below `drawings` in the folder of a run.
  public static func folderName(_ label: String) -> String {
    String(label.map { $0.isLetter || $0.isNumber || "-_.".contains($0) ? $0 : "_" })
  }
}
