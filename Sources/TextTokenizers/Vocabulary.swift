internal import FileBytes
internal import TensorTypes

/// The tokens of a model before they become metadata.
struct Vocabulary {
  var model: String
  /// `nil` for kinds of vocabularies that have no splitting rule.
  var pre: String?
  var tokens: [String]
  var scores: [Float]?
  var types: [Int32]
  var merges: [String] = []
  /// The entries of the tokenizer that have no row in the embedding and so are left out.
  var rowless = RowlessTokens()

  var entries: [MetadataEntry] {
    var result = [MetadataEntry("tokenizer.ggml.model", .string(model))]
    if let pre { result.append(MetadataEntry("tokenizer.ggml.pre", .string(pre))) }
    result.append(MetadataEntry("tokenizer.ggml.tokens", .array(.string(tokens))))
    if let scores { result.append(MetadataEntry("tokenizer.ggml.scores", .array(.float32(scores)))) }
    result.append(MetadataEntry("tokenizer.ggml.token_type", .array(.int32(types))))
    if !merges.isEmpty { result.append(MetadataEntry("tokenizer.ggml.merges", .array(.string(merges)))) }
    return result
  }

  private typealias TokenType = VocabularyMetadata.TokenType

  /// Byte-level byte pairs.
  static func bytePairs(_ files: TokenizerFolder, size: Int?, preOverride: String?) throws -> Vocabulary {
    let path = files.tokenizerPath
    guard let tokenizer = files.tokenizer else {
      throw TokenizerError(
        .noTokenizer,
        Fault(
          file: files.folder,
          expected: "tokenizer.json, or vocab.json with merges.txt (or tokenizer.model in families that use "
            + "SentencePiece)",
          found: "none of them", remedy: "copy the tokenizer files of the model into the folder"))
    }
    guard tokenizer.modelType == "BPE" || tokenizer.modelType.isEmpty, !tokenizer.vocabulary.isEmpty else {
      throw TokenizerError(
        .notSupported,
        Fault(
          file: path, subject: "model", expected: "a byte-pair vocabulary (BPE)",
          found: "\(tokenizer.modelType) with \(tokenizer.vocabulary.count) tokens"))
    }
    let added = try files.allAddedTokens()
    let count = try checkedSize(tokenizer, added, size: size, file: path)
    var tokens = [String?](repeating: nil, count: count)
    var types = [Int32](repeating: TokenType.unused.rawValue, count: count)
    for (text, id) in tokenizer.vocabulary {
      if let other = tokens[id] {
        throw TokenizerError(
          .invalidValue,
          Fault(
            file: path, subject: "model.vocab", expected: "one token for each id",
            found: "“\(other)” and “\(text)” with id \(id)"))
      }
      tokens[id] = text
      types[id] = TokenType.normal.rawValue
    }
    for token in added {
      let isControl = token.special || looksSpecial(token.content)
      types[token.id] = (isControl ? TokenType.control : .userDefined).rawValue
      tokens[token.id] = isControl ? token.content : withPlainSpaces(token.content)
    }
    let pre = try preOverride ?? PreTokenizer(tokenizer.preTokenizer).name(in: tokenizer, file: path)
    return Vocabulary(
      model: "gpt2", pre: pre, tokens: tokens.enumerated().map { $1 ?? "[PAD\($0)]" }, types: types,
      merges: try merges(of: tokenizer, files))
  }

  /// The number of rows, once it is known that every id is below it.
  private static func checkedSize(
    _ tokenizer: TokenizerFile, _ added: [TokenizerFile.AddedToken], size: Int?, file: String
  ) throws -> Int {
    let highest = max(tokenizer.vocabulary.map(\.id).max() ?? 0, added.map(\.id).max() ?? 0)
    let count = size ?? highest + 1
    guard highest < count, count <= VocabularyMetadata.tokenLimit else {
      var rowless = RowlessTokens()
      for (text, id) in tokenizer.vocabulary where id >= count { rowless.add(text, id) }
      for token in added where token.id >= count { rowless.add(token.content, token.id) }
      throw TokenizerError(
        .invalidValue,
        Fault(
          file: file, subject: "token ids", expected: "below the vocabulary size \(count)",
          found: "id \(highest)" + (rowless.isEmpty ? "" : "; without a row: \(rowless.list)"),
          remedy: "the tokenizer belongs to another model than config.json, or tokens were added without rows"
        ))
    }
    return count
  }

  /// The merges of `tokenizer.json`, else those of `merges.txt`.
  private static func merges(of tokenizer: TokenizerFile, _ files: TokenizerFolder) throws -> [String] {
    let path = files.path("merges.txt")
    guard tokenizer.merges.isEmpty, FileSystem.isEntry(path) else { return tokenizer.merges }
    return try TokenizerFolder.merges(contentsOf: path)
  }

  /// SentencePiece.
  ///
  /// With `followsFlags`, the added tokens of `tokenizer.json` count too, and whether a token is special is what its flag
  /// says, however its text looks; so llama.cpp's converter does it for Phi.
  static func sentencePiece(
    _ files: TokenizerFolder, size: Int?, followsFlags: Bool = false
  ) throws -> Vocabulary {
    let path = files.path("tokenizer.model")
    let model = try SentencePieceModel(contentsOf: path)
    let count = size ?? model.pieces.count
    var tokens = (0..<count).map { "[PAD\($0)]" }
    var scores = [Float](repeating: -10000, count: count)
    var types = [Int32](repeating: TokenType.unused.rawValue, count: count)
    var rowless = RowlessTokens()
    for (id, piece) in model.pieces.enumerated().dropFirst(count) { rowless.add(piece.text, id) }
    for (id, piece) in model.pieces.prefix(count).enumerated() {
      tokens[id] = piece.text
      scores[id] = piece.score
      // User-defined pieces count as normal here, as in llama.cpp's converter.
      types[id] = piece.type == .userDefined ? TokenType.normal.rawValue : piece.type.rawValue
    }
    let addedPath = files.path("added_tokens.json")
    if FileSystem.isEntry(addedPath) {
      for (text, value) in try JSONValue(contentsOf: addedPath).members ?? [:] {
        guard let id = value.integer, id >= 0 else { continue }
        guard id < count else {
          rowless.add(text, id)
          continue
        }
        tokens[id] = text
        scores[id] = -1000
        types[id] = TokenType.userDefined.rawValue
      }
    }
    let more = followsFlags ? files.tokenizer?.addedTokens ?? [] : []
    for token in try files.configuredAddedTokens() + more {
      guard token.id < count else {
        rowless.add(token.content, token.id)
        continue
      }
      let isControl = token.special || (!followsFlags && looksSpecial(token.content))
      types[token.id] = (isControl ? TokenType.control : .userDefined).rawValue
      tokens[token.id] = isControl || followsFlags ? token.content : withPlainSpaces(token.content)
      scores[token.id] = -1000
    }
    return Vocabulary(
      model: "llama", pre: "default", tokens: tokens, scores: scores, types: types, rowless: rowless)
  }

  /// Byte pairs with byte fallback, the form in which Llama 2 vocabularies come without `tokenizer.model`.
  ///
  /// `special` has the texts of control tokens. Entries from `size` on have no row and are left out, rows without an entry are filled up. llama.cpp's converter
  /// does neither, and llama.cpp refuses the file, whose embedding has another number of rows.
  static func byteFallback(
    _ files: TokenizerFolder, _ tokenizer: TokenizerFile, size: Int?, special: Set<[UInt8]>
  ) throws -> Vocabulary {
    let added = try files.allAddedTokens()
    let baseCount = tokenizer.vocabulary.count
    var texts = [String?](repeating: nil, count: baseCount)
    for (text, id) in tokenizer.vocabulary where id < baseCount { texts[id] = text }
    if let gap = texts.firstIndex(of: nil) {
      throw TokenizerError(
        .invalidValue,
        Fault(
          file: files.path("tokenizer.json"), subject: "model.vocab", expected: "ids 0 to \(baseCount - 1)",
          found: "no token with id \(gap)"))
    }
    var tokens = texts.compactMap(\.self)
    var types = tokens.map { text -> Int32 in
      if isByteToken(text) { return TokenType.byte.rawValue }
      return (special.contains(Array(text.utf8)) ? TokenType.control : .normal).rawValue
    }
    for token in added.sorted(by: { $0.id < $1.id }) where token.id >= baseCount {
      tokens.append(token.content)
      types.append((special.contains(Array(token.content.utf8)) ? TokenType.control : .userDefined).rawValue)
    }
    var rowless = RowlessTokens()
    if let size, size < tokens.count {
      for (id, text) in tokens.enumerated().dropFirst(size) { rowless.add(text, id) }
      tokens.removeLast(tokens.count - size)
      types.removeLast(types.count - size)
    }
    // Every score is the same, as in llama.cpp's converter: the file has no scores.
    var scores = [Float](repeating: -1000, count: tokens.count)
    for id in tokens.count..<max(size ?? 0, tokens.count) {
      tokens.append("[PAD\(id)]")
      types.append(TokenType.unused.rawValue)
      scores.append(-10000)
    }
    return Vocabulary(
      model: "llama", pre: "default", tokens: tokens, scores: scores, types: types, rowless: rowless)
  }

  /// True for texts that are control tokens although their flags may say otherwise.
  static func looksSpecial(_ text: String) -> Bool {
    if ["<pad>", "<mask>", "<2mass>", "[@BOS@]"].contains(text) { return true }
    let utf8 = text.utf8
    func framed(_ start: String, _ end: String) -> Bool {
      utf8.starts(with: start.utf8) && utf8.reversed().starts(with: end.utf8.reversed())
    }
    return framed("<|", "|>") || framed("<｜", "｜>") || framed("<unused", ">")
  }

  private static func withPlainSpaces(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { $0 == "\u{2581}" ? " " : $0 }))
  }

  /// True for `<0x00>` to `<0xFF>`.
  private static func isByteToken(_ text: String) -> Bool {
    let utf8 = Array(text.utf8)
    guard utf8.count == 6, utf8.starts(with: "<0x".utf8), utf8[5] == UInt8(ascii: ">") else { return false }
    return utf8[3...4].allSatisfy { Character(Unicode.Scalar($0)).isHexDigit }
  }
}

extension TokenizerFile {
  /// True for the form of byte pairs that GGUF stores as the SentencePiece kind.
  var isByteFallbackBPE: Bool {
    modelType == "BPE" && byteFallback == true && decoder["type"]?.text == "Sequence"
  }
}

extension TokenizerFolder {
  /// The `added_tokens_decoder` of `tokenizer_config.json`, in order of id.
  func configuredAddedTokens() throws -> [TokenizerFile.AddedToken] {
    var result: [TokenizerFile.AddedToken] = []
    for (key, value) in tokenizerConfig?["added_tokens_decoder"]?.members ?? [:] {
      guard let id = Int(key), id >= 0, let content = value["content"]?.text else {
        throw TokenizerError(
          .invalidValue,
          Fault(
            file: path("tokenizer_config.json"), subject: "added_tokens_decoder.\(key)",
            expected: "a token id as the key and a content", found: value.summary))
      }
      result.append(.init(id: id, content: content, special: value["special"]?.flag ?? false))
    }
    return result.sorted { $0.id < $1.id }
  }

  /// The added tokens of both files, in order of id; `tokenizer_config.json` decides where both have one.
  func allAddedTokens() throws -> [TokenizerFile.AddedToken] {
    var byID: [Int: TokenizerFile.AddedToken] = [:]
    for token in tokenizer?.addedTokens ?? [] { byID[token.id] = token }
    for token in try configuredAddedTokens() { byID[token.id] = token }
    return byID.values.sorted { $0.id < $1.id }
  }
}
