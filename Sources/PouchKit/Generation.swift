internal import FileBytes
public import ReferenceRuntime
public import TensorCompute
internal import TextTokenizers

/// Writes text with a model: answers to a prompt, or what follows a beginning.
///
/// Equal prompts, seeds and modes give equal text on every machine and for every number of threads.
public struct Generation: Sendable {
  /// A text, and how it came about.
  public struct Text: Hashable, Sendable {
    /// What was written.
    public var text: String
    /// Its tokens, why it ended, how long it took.
    public var report: GenerationReport
  }

  /// How tokens are drawn; the model's own recommendations to begin with.
  public var sampling: SamplingOptions
  /// The most tokens of a text; `nil` for as many as the context has room for.
  public var tokenLimit: Int?
  /// Tokens of context; `nil` for as many as prompt and ``tokenLimit`` need.
  public var contextLength: Int?
  /// How weights and activations meet.
  public var mode = ComputeMode.fast
  /// Threads; `nil` for all cores.
  ///
  /// Without effect on results.
  public var threads: Int?
  private let model: LoadedModel
  private let tokenizer: Tokenizer

  /// Opens a model.
  ///
  /// - Throws: Errors of the readers, `TokenizerError`, `RuntimeError`.
  public init(with model: any ModelOnDisk) throws {
    self.model = try LoadedModel.open(path: model.path)
    let metadata = try self.model.metadata()
    tokenizer = try Tokenizer(metadata: metadata)
    sampling = SamplingOptions(metadata: metadata)
  }

  /// Answers a prompt, written in the form of the model's chat template.
  ///
  /// - Parameters:
  ///   - prompt: What the user says.
  ///   - system: A message before it; `nil` without one.
  ///   - onText: Called with each piece of text as it is made; `false` stops.
  /// - Returns: The answer.
  /// - Throws: `TokenizerError`, with `missing` for a model without a chat template; `RuntimeError`.
  public func answer(
    to prompt: String, system: String? = nil, onText: (String) -> Bool = { _ in true }
  ) throws -> Text {
    guard let template = try tokenizer.readChatTemplate() else {
      throw TokenizerError(
        .missing,
        Fault(
          file: model.source, subject: "tokenizer.chat_template", expected: "a chat template", found: "none",
          remedy: "continue a text as it is"))
    }
    var messages = [ChatMessage(role: "user", content: prompt)]
    if let system { messages.insert(ChatMessage(role: "system", content: system), at: 0) }
    return try run(
      try tokenizer.encode(messages, template: template), ends: tokenizer.stopTokens(template), onText)
  }

  /// Goes on with a text, as it is.
  ///
  /// - Parameters:
  ///   - text: The beginning; special tokens written out in it count as such.
  ///   - onText: Called with each piece of text as it is made; `false` stops.
  /// - Returns: What follows.
  /// - Throws: `RuntimeError`.
  public func continuation(of text: String, onText: (String) -> Bool = { _ in true }) throws -> Text {
    try run(
      tokenizer.encode(text, addSpecial: true, parseSpecial: true), ends: tokenizer.endOfGeneration, onText)
  }

  private func run(_ prompt: [Int32], ends: Set<Int32>, _ onText: (String) -> Bool) throws -> Text {
    let context = ContextLength(
      wanted: contextLength.map { max($0, 0) }, own: model.contextLength, promptCount: prompt.count,
      limit: tokenLimit ?? -1)
    let session = try Session(
      model: model, contextLength: context.tokens, mode: mode, threads: threads, cacheType: .f32,
      batchLength: 512)
    var decoder = StreamingDecoder(tokenizer)
    var text = ""
    let generation = TextGeneration(sampling: sampling, tokenLimit: tokenLimit, stopTokens: ends)
    let report = try generation.run(prompt: prompt, session: session) { token in
      let piece = decoder.append(token)
      text += piece
      return onText(piece)
    }
    let rest = decoder.finish()
    text += rest
    if !rest.isEmpty { _ = onText(rest) }
    return Text(text: text, report: report)
  }
}
