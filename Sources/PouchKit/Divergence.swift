public import ModelEvaluation

/// Measures how far the probabilities of a model are from those of a base: KL divergence, same top tokens, perplexities.
///
/// Both models read every window in lock-step, and nothing is stored.
public struct Divergence: Sendable {
  /// The model.
  public let model: any ModelOnDisk
  /// What it is compared with, such as the checkpoint that it was made of.
  public let base: any ModelOnDisk
  /// The text.
  public let text: EvaluationText
  /// How it is read.
  public var options: WindowOptions

  /// A measurement on the first windows of a text; on all of them when `windows` is `nil`.
  public init(
    of model: any ModelOnDisk, from base: any ModelOnDisk, on text: EvaluationText, windows: Int? = nil
  ) {
    self.model = model
    self.base = base
    self.text = text
    options = WindowOptions(windows: windows)
  }

  /// Measures.
  ///
  /// - Parameter onWindow: Called after each window with the number of windows done and the result so far; `false` ends the
  ///   measurement, whose result then covers fewer windows.
  /// - Returns: The statistics; `Verdict` puts them into words.
  /// - Throws: Errors of the readers, `TokenizerError`, `RuntimeError`; `EvaluationError`, with `tokenizerMismatch` or
  ///   `vocabularyMismatch` for models that do not read the text as the same tokens.
  public func run(onWindow: (_ done: Int, _ soFar: DivergenceStatistics) -> Bool = { _, _ in true }) throws
    -> DivergenceStatistics
  {
    let opened = try (model: MeasuredModel(path: model.path), base: MeasuredModel(path: base.path))
    let baseWindows = try opened.base.windows(of: text, options.cut)
    try DivergenceRun.checkVocabulary(
      opened.model.model, opened.base.model.vocabularySize, base: base.path)
    try TokenWindows.requireSame(
      model.path, try opened.model.windows(of: text, options.cut), base: base.path, baseWindows)
    let evaluators = try options.evaluators([opened.base, opened.model], baseWindows.windows)
    return try DivergenceRun(windows: baseWindows.windows).run([evaluators[1]], base: evaluators[0]) {
      onWindow($0, $1[0])
    }[0]
  }
}
