internal import FileBytes
internal import TensorTypes

/// What llama.cpp knows about a token besides its text.
struct TokenAttributes: OptionSet, Hashable, Sendable {
  let rawValue: UInt16

  static let normal = TokenAttributes(rawValue: 1)
  static let unknown = TokenAttributes(rawValue: 2)
  static let control = TokenAttributes(rawValue: 4)
  static let userDefined = TokenAttributes(rawValue: 8)
  static let unused = TokenAttributes(rawValue: 16)
  static let byte = TokenAttributes(rawValue: 32)
  /// White space behind the token belongs to it.
  static let stripsRight = TokenAttributes(rawValue: 64)

  /// The attributes of a `tokenizer.ggml.token_type`.
  init(tokenType: Int32) {
    switch tokenType {
    case 1: self = .normal
    case 2: self = .unknown
    case 3: self = .control
    case 4: self = .userDefined
    case 5: self = .unused
    case 6: self = .byte
    default: self = []
    }
  }

  init(rawValue: UInt16) { self.rawValue = rawValue }
}

/// The tokens of a vocabulary: text, attributes, score, and the ids with a role.
struct TokenTable: Sendable {
  /// The texts; numbers below ``count`` are token ids, and byte-pair encoding adds symbols behind them.
  var strings = ByteStringTable()
  private(set) var attributes: [TokenAttributes]
  /// One for each token; empty if the metadata has none, which means 0 for all.
  let scores: [Float]
  let count: Int
  private(set) var roles: TokenRoles

  /// Reads the tokens and settles the roles and attributes as llama.cpp does at loading.
  init(_ metadata: TokenizerMetadata, defaults: TokenRoles) throws(TokenizerError) {
    guard let texts = try metadata.strings("tokenizer.ggml.tokens"), texts.count > 0 else {
      throw metadata.missing("tokenizer.ggml.tokens", "an array of strings, not empty")
    }
    guard texts.count < 1 << 28 else {
      throw TokenizerError(
        .invalidValue,
        Fault(
          subject: "tokenizer.ggml.tokens", expected: "fewer than \(1 << 28) tokens", found: "\(texts.count)")
      )
    }
    count = texts.count
    scores = try metadata.scores("tokenizer.ggml.scores", count: count) ?? []
    let types = try metadata.types("tokenizer.ggml.token_type", count: count)
    attributes = (0..<count).map { TokenAttributes(tokenType: types?[$0] ?? 1) }
    strings.reserveCapacity(count + count / 4)
    for id in 0..<count {
      var bytes = texts[id]
      if bytes.isEmpty { bytes = Array("[EMPTY_\(id)]".utf8) }
      let (first, isNew) = strings.insert(bytes, bytes.indices)
      guard isNew else {
        throw TokenizerError(
          .invalidValue,
          Fault(
            subject: "tokenizer.ggml.tokens", expected: "every text once",
            found: "\"\(String(decoding: bytes.prefix(60), as: UTF8.self))\" as tokens \(first) and \(id)"))
      }
    }
    roles = defaults
    try roles.read(metadata, count: count)
    settleByText()
    try settleByModelName(metadata)
  }

  /// The score of a token.
  func score(_ id: Int) -> Float { scores.isEmpty ? 0 : scores[id] }

  /// The id of the token with exactly this text.
  func id(_ text: String) -> Int32? {
    guard let index = strings.find(text), index < count else { return nil }
    return Int32(index)
  }

  /// llama.cpp finds some roles by the text of tokens, because old files do not name them, and makes such tokens
  /// control tokens.
  private mutating func settleByText() {
    func find(_ role: WritableKeyPath<TokenRoles, Int32?>, _ texts: [String]) {
      guard roles[keyPath: role] == nil else { return }
      for text in texts {
        guard let id = id(text) else { continue }
        roles[keyPath: role] = id
        attributes[Int(id)].insert(.control)
        return
      }
    }
    find(\.eot, TokenRoles.endOfTurnTexts)
    find(\.eom, ["<|eom_id|>"])
    find(
      \.fillPrefix,
      [
        "<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>",
        "<|code_prefix|>",
        "<|prefix|>",
      ])
    find(
      \.fillSuffix,
      [
        "<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>",
        "<|code_suffix|>",
        "<|suffix|>",
      ])
    find(
      \.fillMiddle,
      [
        "<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>", "<|code_middle|>",
        "<|middle|>",
      ])
    find(\.fillPad, ["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"])
    find(\.fillRepository, ["<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"])
    find(\.fillSeparator, ["<|file_sep|>"])
    settleUnused()
    settleEndOfGeneration()
  }

  /// Control tokens with "unused" in their text are unused.
  private mutating func settleUnused() {
    let needle = Array("unused".utf8)
    for id in 0..<count where attributes[id].contains(.control) && strings.length(id) >= needle.count {
      let text = strings[id]
      if text.indices.dropLast(needle.count - 1).contains(where: {
        text[$0..<$0 + needle.count].elementsEqual(needle)
      }) {
        attributes[id].insert(.unused)
      }
    }
  }

  private mutating func settleEndOfGeneration() {
    var ends: Set<Int32> = []
    for id in [roles.fillPad, roles.fillRepository, roles.fillSeparator] {
      if let id { ends.insert(id) }
    }
    for text in TokenRoles.endOfGenerationTexts {
      guard let id = id(text) else { continue }
      ends.insert(id)
      attributes[Int(id)].insert(.control)
    }
    // Always shown, as gpt-oss needs them in its output.
    for text in ["<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"] {
      if let id = id(text) { attributes[Int(id)] = .userDefined }
    }
    for id in [roles.eos, roles.eot, roles.eom] {
      if let id { ends.insert(id) }
    }
    func isEnd(_ text: String) -> Bool { id(text).map { ends.contains($0) } ?? false }
    let hasCall = isEnd("<|call|>") || isEnd("<|calls|>")
    if let end = id("<|end|>"), ends.contains(end), hasCall, isEnd("<|return|>") || isEnd("<|flush|>") {
      // There, it ends a message and not the answer.
      ends.remove(end)
      attributes[Int(end)] = .userDefined
    }
    if let end = id("</s>"), ends.contains(end), isEnd("<|tool_response>") || isEnd("<|plamo:eos|>") {
      ends.remove(end)
      attributes[Int(end)] = .normal
    }
    roles.endOfGeneration = ends
  }

  /// Phi-3's special tokens swallow the white space behind them; no metadata says so but the model's name.
  private mutating func settleByModelName(_ metadata: TokenizerMetadata) throws(TokenizerError) {
    let name = (try? metadata.text("general.name"))?.lowercased() ?? ""
    guard name.contains("phi-3") || name.contains("phi3") else { return }
    for id in 0..<count where !attributes[id].isDisjoint(with: [.control, .userDefined, .unknown]) {
      attributes[id].insert(.stripsRight)
    }
    if let id = id("</s>") { attributes[Int(id)].insert(.stripsRight) }
    for text in ["<unk>", "<s>", "<|endoftext|>"] {
      if let id = id(text) { attributes[Int(id)].remove(.stripsRight) }
    }
  }
}
