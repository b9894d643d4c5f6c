internal import FileBytes
package import ReferenceRuntime
package import TextTokenizers

/// A model opened to be measured on a text, with the tokenizer that its metadata describe.
package struct MeasuredModel: Sendable {
  /// The path as given.
  package let path: String
  /// The model, its weights to be read late.
  package let model: LoadedModel
  /// Its tokenizer.
  package let tokenizer: Tokenizer

  /// Opens a GGUF file or a checkpoint folder.
  ///
  /// - Throws: Errors of the readers, `RuntimeError`, `TokenizerError`.
  package init(path: String) throws {
    self.path = path
    model = try LoadedModel.open(path: path, isLate: true)
    do {
      tokenizer = try Tokenizer(metadata: try model.metadata())
    } catch var error as TokenizerError {
      if error.fault.file.isEmpty { error.fault.file = path }
      throw error
    }
  }

  /// Cuts a text into windows that this model can read.
  ///
  /// - Parameters:
  ///   - text: The text.
  ///   - cut: How it is cut.
  /// - Returns: The windows, and the tokens of the whole text.
  /// - Throws: ``EvaluationError``, `RuntimeError`.
  package func windows(of text: EvaluationText, _ cut: WindowCut) throws -> (
    windows: TokenWindows, tokenCount: Int
  ) {
    let tokens = try text.tokens(tokenizer)
    let windows = try cut.windows(of: tokens, tokenizer, file: text.path)
    try WindowEvaluator.checkContext(model, windows.length)
    try WindowEvaluator.check(model, windows)
    return (windows, tokens.count)
  }
}

extension TokenWindows {
  /// Makes sure that a model reads a text as the same tokens as its base.
  ///
  /// - Parameters:
  ///   - path: The model.
  ///   - windows: Its windows, and the tokens of the whole text.
  ///   - base: The base.
  ///   - baseWindows: The same of the base.
  /// - Throws: ``EvaluationError`` with `tokenizerMismatch`.
  package static func requireSame(
    _ path: String, _ windows: (windows: TokenWindows, tokenCount: Int), base: String,
    _ baseWindows: (windows: TokenWindows, tokenCount: Int)
  ) throws {
    guard windows.windows == baseWindows.windows else {
      throw EvaluationError(
        .tokenizerMismatch,
        Fault(
          file: path, subject: "tokenizer",
          expected: "the \(baseWindows.tokenCount) tokens of \(base)",
          found: "\(windows.tokenCount) tokens, some of them others",
          remedy: "compare models with one tokenizer"))
    }
  }
}
