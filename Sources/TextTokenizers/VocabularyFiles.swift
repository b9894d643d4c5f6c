internal import FileBytes

/// A byte-pair tokenizer in the files from before `tokenizer.json`: `vocab.json` and `merges.txt`.
///
/// The two hold tokens and merges. What else a `tokenizer.json` has comes from where transformers takes it when it
/// makes one: the splitting rule from the class of the tokenizer, tokens beyond the vocabulary from
/// `added_tokens_decoder` in `tokenizer_config.json` or from `added_tokens.json`, and which of them are special from
/// their roles in `tokenizer_config.json` and `special_tokens_map.json`.
struct VocabularyFiles {
  private let folder: String
  private let vocabularyPath: String
  private let mergesPath: String

  /// The files of a folder; `nil` when it does not have both.
  init?(folder: String, path: (String) -> String) {
    self.folder = folder
    vocabularyPath = path("vocab.json")
    mergesPath = path("merges.txt")
    guard FileSystem.isEntry(vocabularyPath), FileSystem.isEntry(mergesPath) else { return nil }
  }

  /// `tokenizer_config.json` with the roles that only `special_tokens_map.json` gives.
  static func completed(_ config: JSONValue?, with map: JSONValue?) -> JSONValue? {
    guard let roles = map?.members, !roles.isEmpty else { return config }
    return .object((config?.members ?? [:]).merging(roles) { own, _ in own })
  }

  /// Reads the files.
  ///
  /// - Parameters:
  ///   - config: `tokenizer_config.json` with all roles.
  ///   - added: `added_tokens.json`.
  ///   - model: `config.json`, which names the tokenizer's class when `config` does not.
  /// - Returns: What a `tokenizer.json` of the same tokenizer has.
  /// - Throws: `FileError` or ``TokenizerError``.
  func tokenizer(config: JSONValue?, added: JSONValue?, model: JSONValue?) throws -> TokenizerFile {
    let vocabulary = try TokenizerFile.vocabulary(contentsOf: vocabularyPath)
    let className = Self.className(config, model)
    var tokenizer = TokenizerFile(
      vocabulary: vocabulary, merges: try TokenizerFolder.merges(contentsOf: mergesPath),
      preTokenizer: PreTokenizer.description(ofClass: className))
    tokenizer.addedTokens = try addedTokens(config, added, tokenizer, className)
    return tokenizer
  }

  /// The tokenizer's class, without the suffix of its fast variant.
  private static func className(_ config: JSONValue?, _ model: JSONValue?) -> String? {
    if let name = config?["tokenizer_class"]?.text {
      return name.hasSuffix("Fast") ? String(name.dropLast(4)) : name
    }
    // The classes that transformers takes for a model type.
    switch model?["model_type"]?.text {
    case "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "qwen3_next": return "Qwen2Tokenizer"
    case "qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text": return "Qwen3_5Tokenizer"
    default: return nil
    }
  }

  /// The tokens that are matched in text before anything is split, in order of id.
  private func addedTokens(
    _ config: JSONValue?, _ added: JSONValue?, _ tokenizer: TokenizerFile, _ className: String?
  ) throws -> [TokenizerFile.AddedToken] {
    let special = Self.specialTexts(config, className)
    var ids: [[UInt8]: Int] = [:]
    for (text, id) in tokenizer.vocabulary { ids[Array(text.utf8)] = id }
    var result: [Int: TokenizerFile.AddedToken] = [:]
    func add(_ text: String, _ id: Int) {
      result[id] = TokenizerFile.AddedToken(
        id: id, content: text, special: special.contains { $0.utf8.elementsEqual(text.utf8) })
      ids[Array(text.utf8)] = id
    }
    for (text, value) in added?.members ?? [:] {
      guard let id = value.integer, id >= 0, id < VocabularyMetadata.tokenLimit else {
        throw TokenizerError(
          .invalidValue,
          Fault(
            file: folder + "/added_tokens.json", subject: text, expected: "a token id", found: value.summary))
      }
      add(text, id)
    }
    // Keys that are no ids are reported by whoever reads the configuration's own list.
    for (key, value) in config?["added_tokens_decoder"]?.members ?? [:] {
      guard let id = Int(key), id >= 0, let text = value["content"]?.text else { continue }
      add(text, id)
    }
    for text in special {
      guard let id = ids[Array(text.utf8)] else { throw missing(text) }
      add(text, id)
    }
    return result.values.sorted { $0.id < $1.id }
  }

  /// The texts of special tokens: those with a role, those listed, and those that the class has unless told otherwise.
  private static func specialTexts(_ config: JSONValue?, _ className: String?) -> [String] {
    var result: [String] = []
    for role in ["bos", "eos", "unk", "sep", "pad", "cls", "mask"] {
      let value = config?["\(role)_token"]
      if let text = value?.text ?? value?["content"]?.text { result.append(text) }
    }
    for key in ["additional_special_tokens", "extra_special_tokens"] {
      result += (config?[key]?.elements ?? []).compactMap { $0.text ?? $0["content"]?.text }
    }
    let hasDefault = ["eos_token", "unk_token"].contains { config?.hasKey($0) != true }
    if let className, PreTokenizer.names[className] != nil, hasDefault { result.append("<|endoftext|>") }
    var seen: Set<[UInt8]> = []
    return result.filter { !$0.isEmpty && seen.insert(Array($0.utf8)).inserted }
  }

  private func missing(_ text: String) -> TokenizerError {
    TokenizerError(
      .missing,
      Fault(
        file: folder, subject: text,
        expected:
          "an id for each special token: in vocab.json, added_tokens.json, or added_tokens_decoder of "
          + "tokenizer_config.json",
        found: "no id for “\(text)”",
        remedy:
          "copy tokenizer.json, or the missing file, from the model; without it the token's row is unknown"))
  }
}

extension PreTokenizer {
  /// The GGUF names of the splitting rules that transformers' tokenizer classes have built in.
  static let names = ["Qwen2Tokenizer": "qwen2", "Qwen3_5Tokenizer": "qwen35", "GPT2Tokenizer": "gpt-2"]

  /// The rule of a class in the form of `tokenizer.json`.
  ///
  /// A class whose rule is not known gives a step of its name, which no known chain has.
  static func description(ofClass className: String?) -> JSONValue {
    guard let className, let name = names[className] else {
      let what = className.map { "that of \($0)" } ?? "one that no file names (tokenizer_class)"
      return .object(["type": .string(what + ", which vocab.json and merges.txt do not contain")])
    }
    return description(ofRule: name)
  }

  /// A rule in the form of `tokenizer.json`; a name that is not known gives a step of this name.
  static func description(ofRule name: String) -> JSONValue {
    let chain = known.first { $0.name == name }?.steps ?? [.other(name)]
    let steps: [JSONValue] = chain.map { step in
      switch step {
      case .split(let regex):
        .object([
          "type": .string("Split"), "pattern": .object(["Regex": .string(regex)]),
          "behavior": .string("Isolated"),
          "invert": .bool(false),
        ])
      case .singleDigits: .object(["type": .string("Digits"), "individual_digits": .bool(true)])
      case .byteLevel: .object(["type": .string("ByteLevel"), "use_regex": .bool(true)])
      case .other(let text): .object(["type": .string(text)])
      }
    }
    return .object(["type": .string("Sequence"), "pretokenizers": .array(steps)])
  }
}

extension TokenizerFile {
  /// A byte-level tokenizer of tokens and merges that were in files of their own.
  init(vocabulary: [(text: String, id: Int)], merges: [String], preTokenizer: JSONValue) {
    self.vocabulary = vocabulary
    self.merges = merges
    self.preTokenizer = preTokenizer
    modelType = "BPE"
    byteFallback = false
    ignoreMerges = false
  }

  /// Reads `vocab.json`: an object from the text of a token to its id.
  static func vocabulary(contentsOf path: String) throws -> [(text: String, id: Int)] {
    let bytes = try ReadableFile.contents(of: path, limit: sizeLimit)
    return try bytes.withUnsafeBytes { buffer in
      var scanner = JSONScanner(buffer, file: path)
      let entries = try scanner.vocabulary()
      try scanner.finish()
      return entries
    }
  }
}
