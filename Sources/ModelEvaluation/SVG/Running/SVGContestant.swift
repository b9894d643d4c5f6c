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
  /// ``ModelIdentity`` of its files.
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

  /// The tokens of a prompt as the model wants it, thinking switched off where a template can.
  ///
  /// - Throws: `TokenizerError` for a template that is not known.
  func tokens(of prompt: String, usesChatTemplate: Bool) throws -> [Int32] {
    guard usesChatTemplate, let text = tokenizer.chatTemplate else {
      return tokenizer.encode(prompt, addSpecial: true, parseSpecial: false)
    }
    func piece(_ token: Int32?) -> String {
      token.map { String(decoding: tokenizer.piece($0), as: UTF8.self) } ?? ""
    }
    let template = try ChatTemplate.recognise(text, bos: piece(tokenizer.bos), eos: piece(tokenizer.eos))
    let rendered = try template.render(
      [ChatMessage(role: "user", content: prompt)], addGenerationPrompt: true, thinking: .off)
    return tokenizer.encode(rendered, addSpecial: !template.writesBOS, parseSpecial: true)
  }
}
