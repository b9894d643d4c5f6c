internal import FileBytes
package import ReferenceRuntime
package import TensorCompute
internal import TensorTypes
package import TextTokenizers

/// One column of an evaluation: a model in a compute mode.
package final class SVGContestant {
  /// What it is for.
  package enum Kind: String, Hashable, Sendable, Codable {
    case base
    /// The base with keys and values kept in 16 bits: what differs by rounding alone.
    case floor
    case tested
    /// Drawings from files.
    case included
  }

  /// The name in tables.
  package let label: String
  /// What it is for.
  package let kind: Kind
  /// How it computes.
  package let mode: ComputeMode
  /// How keys and values are kept.
  package let cacheType: CacheType
  /// The model.
  package let model: LoadedModel
  /// What its answers are kept under, beside those of others.
  var recordName: String {
    switch (kind, cacheType) {
    case (.base, _): "base"
    case (.tested, let cache) where cache != .f32:
      "\(kind.rawValue)-\(identity)-\(cache.key.name)-\(cache.value.name)"
    default: "\(kind.rawValue)-\(identity)"
    }
  }
  /// Its tokenizer.
  package let tokenizer: Tokenizer
  /// ``ModelFingerprint`` of its files.
  package let identity: String

  /// Describes a contestant; a floor has a cache of f16, others have one of f32 unless another is given.
  package init(
    label: String, kind: Kind, mode: ComputeMode, model: LoadedModel, tokenizer: Tokenizer, identity: String,
    cacheType: CacheType? = nil
  ) {
    self.cacheType = cacheType ?? (kind == .floor ? .f16 : .f32)
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

  /// A hash of what tokens mean to the model, and of what it is asked: all pieces of its vocabulary, the tokens that end
  /// answers, and prompts.
  ///
  /// - Throws: `TokenizerError` for a template that cannot be read.
  func vocabularyHash(_ prompts: [[Int32]], usesChatTemplate: Bool) throws -> FieldHash {
    var hash = FieldHash()
    hash.add(model.vocabularySize)
    hash.add(tokenizer.vocabularySize)
    for token in 0..<tokenizer.vocabularySize { hash.add(tokenizer.piece(Int32(token))) }
    hash.add(try stopTokens(usesChatTemplate: usesChatTemplate).sorted().map(Int.init))
    hash.add(prompts.count)
    for prompt in prompts { hash.add(prompt.map(Int.init)) }
    return hash
  }

  /// The tokens after which an answer is over.
  ///
  /// - Throws: `TokenizerError` for a template that cannot be read.
  func stopTokens(usesChatTemplate: Bool) throws -> Set<Int32> {
    guard usesChatTemplate, let template = try template() else { return tokenizer.endOfGeneration }
    return tokenizer.stopTokens(template)
  }
}
