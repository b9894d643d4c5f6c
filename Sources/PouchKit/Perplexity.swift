public import ModelEvaluation

/// Measures how well a model predicts a text, by llama-perplexity's procedure.
public struct Perplexity: Sendable {
  /// The model.
  public let model: any ModelOnDisk
  /// The text.
  public let text: EvaluationText
  /// How it is read.
  public var options: WindowOptions

  /// A measurement on the first windows of a text; on all of them when `windows` is `nil`.
  public init(of model: any ModelOnDisk, on text: EvaluationText, windows: Int? = nil) {
    self.model = model
    self.text = text
    options = WindowOptions(windows: windows)
  }

  /// Measures.
  ///
  /// - Parameter onWindow: Called after each window with the number of windows done and the result so far; `false` ends the
  ///   measurement, whose result then covers fewer windows.
  /// - Returns: The perplexity, with its interval over windows.
  /// - Throws: Errors of the readers, `TokenizerError`, `RuntimeError`, `EvaluationError`.
  public func run(onWindow: (_ done: Int, _ soFar: PerplexityStatistics) -> Bool = { _, _ in true }) throws
    -> PerplexityStatistics
  {
    let opened = try MeasuredModel(path: model.path)
    let windows = try opened.windows(of: text, options.cut).windows
    let evaluator = try options.evaluators([opened], windows)[0]
    return try PerplexityRun(windows: windows).run(evaluator, onWindow: onWindow)
  }
}
