internal import FileBytes
public import ReferenceRuntime
public import TensorCompute
public import TextTokenizers

/// One column of an evaluation: a model in a compute mode.
public final class SVGContestant {
  /// What it is for.
  public enum Kind: String, Hashable, Sendable, Codable {
    case base
    /// The base with keys and values kept in 16 bits: what differs by rounding alone.
    case floor
    case tested
    /// Drawings from files.
    case included
  }

  /// The name in tables.
  public let label: String
  /// What it is for.
  public let kind: Kind
  /// How it computes.
  public let mode: ComputeMode
  /// How keys and values are kept.
  var cacheType: CacheType { kind == .floor ? .f16 : .f32 }
  /// The model.
  public let model: LoadedModel
  /// Its tokenizer.
  public let tokenizer: Tokenizer
  /// ``ModelFingerprint`` of its files.
  public let identity: String

  /// Describes a contestant.
  public init(
    label: String, kind: Kind, mode: ComputeMode, model: LoadedModel, tokenizer: Tokenizer, identity: String
  ) {
    self.label = label
    self.kind = kind
    self.mode = mode
    self.model = model
    self.tokenizer = tokenizer
    self.identity = identity
  }

  /// The chat template, read when it is first asked for.
  private var readTemplate: ChatTemplate?

  private func template() throws -> ChatTemplate? {
    if readTemplate == nil { readTemplate = try tokenizer.readChatTemplate() }
    return readTemplate
  }

  /// The tokens of a prompt as the model wants it, thinking switched off where a template can.
  ///
  /// A template that writes the day gets ``Tokenizer/steadyDate``: a run can be continued tomorrow.
  ///
  /// - Throws: `TokenizerError` for a template that cannot be rendered.
  func tokens(of prompt: String, usesChatTemplate: Bool) throws -> [Int32] {
    guard usesChatTemplate, let template = try template() else {
      return tokenizer.encode(prompt, addSpecial: true, parseSpecial: false)
    }
    return try tokenizer.encode(
      [ChatMessage(role: "user", content: prompt)], template: template, thinking: .off,
      date: Tokenizer.steadyDate, timeZone: Tokenizer.steadyTimeZone)
  }

  /// The tokens after which an answer is over.
  ///
  /// - Throws: `TokenizerError` for a template that cannot be read.
  func stopTokens(usesChatTemplate: Bool) throws -> Set<Int32> {
    guard usesChatTemplate, let template = try template() else { return tokenizer.endOfGeneration }
    return tokenizer.stopTokens(template)
  }
}
