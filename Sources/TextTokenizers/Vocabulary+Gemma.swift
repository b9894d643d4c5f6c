internal import FileBytes

extension Vocabulary {
  /// Byte pairs over characters, as Gemma 4 has them.
  ///
  /// Types are those of ``byteFallback(_:_:size:special:)``, except for the tokens of tools and thoughts, which are shown
  /// in texts so that a program can read what is between them.
  static func gemma(_ files: TokenizerFolder, size: Int?) throws -> Vocabulary {
    guard let tokenizer = files.tokenizer, tokenizer.isByteFallbackBPE else {
      throw TokenizerError(
        .notSupported,
        Fault(
          file: files.path("tokenizer.json"), subject: "model",
          expected: "byte pairs (BPE) with byte fallback and a decoder that is a Sequence",
          found: files.tokenizer.map { "\($0.modelType), byte_fallback \($0.byteFallback ?? false)" }
            ?? "no file"))
    }
    var special = files.namedSpecialTokens(custom: true)
    for (role, text) in gemmaRoles where files.tokenizerConfig?.hasKey("\(role)_token") != true {
      special.insert(Array(text.utf8))
    }
    var result = try byteFallback(files, tokenizer, size: size, special: special)
    let shown = shownGemmaTokens.map { Array($0.utf8) }
    for (id, text) in result.tokens.enumerated() where shown.contains(Array(text.utf8)) {
      result.types[id] = VocabularyMetadata.TokenType.userDefined.rawValue
    }
    result.model = "gemma4"
    result.pre = nil
    result.merges = tokenizer.merges
    return result
  }

  /// What transformers' class takes for roles that the configuration does not mention.
  private static let gemmaRoles = [
    (role: "bos", text: "<bos>"), (role: "eos", text: "<eos>"), (role: "unk", text: "<unk>"),
    (role: "pad", text: "<pad>"), (role: "mask", text: "<mask>"),
  ]

  private static let shownGemmaTokens = [
    "<|channel>", "<channel|>", "<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>",
    "<|\"|>",
  ]
}

extension TokenizerFolder {
  /// The texts that have a named role, as UTF-8.
  ///
  /// With `custom`, the roles of a model's own count too: keys that end with `_token`, and objects of such keys.
  func namedSpecialTokens(custom: Bool = false) -> Set<[UInt8]> {
    var result: Set<[UInt8]> = []
    func add(_ value: JSONValue?) {
      if let text = value?.text ?? value?["content"]?.text { result.insert(Array(text.utf8)) }
    }
    for role in ["bos", "eos", "unk", "sep", "pad", "cls", "mask"] { add(tokenizerConfig?["\(role)_token"]) }
    for key in ["additional_special_tokens", "extra_special_tokens"] {
      for value in tokenizerConfig?[key]?.elements ?? [] { add(value) }
    }
    guard custom else { return result }
    for (key, value) in tokenizerConfig?.members ?? [:] where key.hasSuffix("_token") { add(value) }
    for key in ["model_specific_special_tokens", "extra_special_tokens"] {
      for (_, value) in tokenizerConfig?[key]?.members ?? [:] { add(value) }
    }
    return result
  }

  /// The tokens that Gemma's unified class never generates, by `generation_config.json`.
  func suppressedTokens() throws -> [Int32]? {
    let isUnified =
      modelConfig?["architectures"]?.elements?.first?.text == "Gemma4UnifiedForConditionalGeneration"
    let path = path("generation_config.json")
    guard isUnified, FileSystem.isEntry(path),
      let list = try JSONValue(contentsOf: path)["suppress_tokens"]?.elements
    else { return nil }
    return try list.map { value in
      guard let number = value.integer, let id = Int32(exactly: number) else {
        throw TokenizerError(
          .invalidValue,
          Fault(file: path, subject: "suppress_tokens", expected: "token ids", found: value.summary))
      }
      return id
    }
  }
}
