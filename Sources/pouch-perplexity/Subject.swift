import CommandSupport
import FileBytes
import ModelEvaluation
import ReferenceRuntime
import TensorCompute
import TextTokenizers

/// A model that is measured, with the windows it will read.
struct Subject {
  var path: String
  var model: LoadedModel
  var tokenizer: Tokenizer
  /// Tokens of the whole text.
  var tokenCount: Int
  var windows: TokenWindows
}

extension Command {
  var options: EvaluationOptions {
    EvaluationOptions(mode: mode.mode, threads: threads, batchLength: batchSize)
  }
  var limit: Int? { chunks < 0 ? nil : chunks }

  /// Opens a model and reads its tokenizer.
  func open(_ path: String) throws -> (model: LoadedModel, tokenizer: Tokenizer) {
    let model = try LoadedModel.open(path: path)
    for warning in model.warnings { Standard.error("Warning: \(warning)") }
    do {
      return (model, try Tokenizer(metadata: try model.metadata()))
    } catch var error as TokenizerError {
      if error.fault.file.isEmpty { error.fault.file = path }
      throw error
    }
  }

  func readText() throws -> EvaluationText {
    if let text { return try EvaluationText(path: text) }
    return try EvaluationText.builtin()
  }

  /// Opens a model, cuts the text into windows, and makes sure that it can read them.
  func subject(_ path: String, _ text: EvaluationText) throws -> Subject {
    let (model, tokenizer) = try open(path)
    let tokens = try text.tokens(tokenizer)
    let windows =
      pplStride > 0
      ? try TokenWindows(
        tokens: tokens, length: TokenWindows.stridedLength(contextSize, stride: pplStride), stride: pplStride,
        limit: limit, file: text.path)
      : try TokenWindows(
        tokens: tokens, length: contextSize, skip: fromChunk, limit: limit,
        beginning: tokenizer.addBOS ? tokenizer.bos : nil,
        file: text.path)
    try check(model, windows)
    return Subject(
      path: path, model: model, tokenizer: tokenizer, tokenCount: tokens.count, windows: windows)
  }

  func check(_ model: LoadedModel, _ windows: TokenWindows) throws {
    try WindowEvaluator.checkContext(model, windows.length)
    try WindowEvaluator.check(model, windows)
  }

  /// Prints what is measured and how, once for all models that read the same tokens.
  func printProtocol(_ text: EvaluationText, _ subjects: [Subject]) {
    Standard.error(
      "text \(text.path): \(text.byteCount) bytes, xxh64 \(text.hashText)"
        + (text.licence.map { "; \($0)" } ?? ""))
    let isShared = subjects.allSatisfy { $0.windows == subjects[0].windows }
    for subject in isShared ? Array(subjects.prefix(1)) : subjects {
      Standard.error(
        (isShared ? "" : "\(subject.path): ")
          + "\(subject.tokenCount) tokens; \(subject.windows.protocolText)"
          + (fromChunk > 0 ? ", the first being number \(fromChunk + 1); " : "; ")
          + "mode \(mode.rawValue)")
    }
  }

  /// Opens the state of a run, when one is wanted.
  func state(
    _ task: String, _ text: EvaluationText?, _ windows: [TokenWindows], base: String? = nil,
    output: String? = nil
  ) throws -> RunState? {
    guard let resume else { return nil }
    let fingerprint = Fingerprint(
      version: pouchVersionNumber, task: task,
      procedure: windows[0].protocolText + ", mode " + mode.rawValue,
      text: text, windows: windows, models: try model.map(ModelFingerprint.ofModel), base: base,
      output: output)
    let state = try RunState(path: resume, fingerprint: fingerprint)
    if state.resumedWindowCount > 0 {
      Standard.error("\(resume): \(state.resumedWindowCount) windows are done")
    }
    return state
  }

  /// Refuses to replace a file without `--force`.
  func checkOutput(_ path: String) throws {
    try OutputPlace.check(
      path, subject: "--kl-divergence-base", replaces: force,
      remedy: "read it by adding --kl-divergence, or replace it by adding --force")
  }
}
