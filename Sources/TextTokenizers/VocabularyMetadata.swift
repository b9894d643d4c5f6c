internal import FileBytes
public import TensorTypes

/// The tokenizer part of a GGUF's metadata, made from the files of a checkpoint.
public struct VocabularyMetadata: Sendable {
  /// Which tokenizer files a family's checkpoints come with, in order of preference.
  public enum Style: Hashable, Sendable {
    /// Byte-level byte pairs from `tokenizer.json` (most Qwen families).
    case bytePairs
    /// SentencePiece from `tokenizer.model` if it is there, else byte-level byte pairs (dense Qwen families).
    case sentencePieceOrBytePairs
    /// As ``bytePairs``, with GLM's tokens for the start of a text and the ends of turns.
    case glm
    /// SentencePiece, else byte pairs with byte fallback, else byte-level byte pairs (the Llama families).
    case llama
    /// As ``llama``, with the space before a text written last and no rules by size (ERNIE 4.5).
    case ernie
    /// SentencePiece with the added tokens of `tokenizer.json` too, else byte-level byte pairs (the Phi families).
    case phi
    /// As ``bytePairs``, with `<|bos|>` as the start of a text whatever the configuration says (HunYuan).
    case hunyuan
    /// Byte pairs over characters from `tokenizer.json` (Gemma 4).
    case gemma

    /// Whether `tokenizer.model` comes first.
    fileprivate var prefersSentencePiece: Bool {
      switch self {
      case .sentencePieceOrBytePairs, .llama, .ernie, .phi: true
      case .bytePairs, .glm, .hunyuan, .gemma: false
      }
    }

    /// Whether byte pairs with byte fallback are written as the SentencePiece kind.
    fileprivate var takesByteFallback: Bool { self == .llama || self == .ernie }
  }

  /// Token types as GGUF numbers them.
  public enum TokenType: Int32, Hashable, Sendable {
    case normal = 1
    case unknown = 2
    case control = 3
    case userDefined = 4
    case unused = 5
    case byte = 6
  }

  /// The entries, in the order in which llama.cpp's converter writes them.
  public var entries: [MetadataEntry]
  /// The number of tokens.
  public var tokenCount: Int
  /// What the user should know, one sentence each: entries of the tokenizer that the model has no row for.
  public var notes: [String]

  /// Larger vocabularies are refused.
  public static let tokenLimit = 1 << 24

  /// Reads the tokenizer files of a checkpoint.
  ///
  /// - Parameters:
  ///   - folder: The checkpoint folder.
  ///   - style: What the family uses.
  ///   - vocabularySize: The rows of the embedding; ids without a token are filled up with `[PAD…]`.
  ///   - preOverride: A name for the splitting rule that is used without looking at the rule.
  /// - Throws: ``TokenizerError`` or `FileError`.
  public init(folder: String, style: Style, vocabularySize: Int?, preOverride: String? = nil) throws {
    try self.init(
      files: try TokenizerFolder(folder), style: style, vocabularySize: vocabularySize,
      preOverride: preOverride)
  }

  /// Makes the entries from files already read; the other initializer explains the parameters.
  package init(
    files: TokenizerFolder, style: Style, vocabularySize: Int?, preOverride: String? = nil
  ) throws {
    if let size = vocabularySize, size < 1 || size > Self.tokenLimit {
      throw TokenizerError(
        .invalidValue,
        Fault(
          file: files.path("config.json"), subject: "vocab_size", expected: "1 to \(Self.tokenLimit)",
          found: "\(size)"))
    }
    var vocabulary: Vocabulary
    if style == .gemma {
      vocabulary = try .gemma(files, size: vocabularySize)
    } else if style.prefersSentencePiece, FileSystem.isEntry(files.path("tokenizer.model")) {
      vocabulary = try .sentencePiece(files, size: vocabularySize, followsFlags: style == .phi)
    } else if style.takesByteFallback, let tokenizer = files.tokenizer, tokenizer.isByteFallbackBPE {
      vocabulary = try .byteFallback(
        files, tokenizer, size: vocabularySize, special: files.namedSpecialTokens())
    } else {
      vocabulary = try .bytePairs(files, size: vocabularySize, preOverride: preOverride)
    }
    if let preOverride, vocabulary.pre != nil { vocabulary.pre = preOverride }
    let special = try SpecialTokens(
      files: files, vocabularyLimit: vocabulary.model == "llama" ? vocabulary.tokens.count : nil,
      spares: style == .glm ? Self.glmTokens : [])
    notes = vocabulary.rowless.notes(rowCount: vocabulary.tokens.count)
    if !special.dropped.isEmpty {
      let list = special.dropped.map { "\($0.role) (\($0.id))" }.joined(separator: ", ")
      notes.append("special tokens without a row are not written: \(list)")
    }
    entries = vocabulary.entries + special.entries
    tokenCount = vocabulary.tokens.count
    try addRules(of: style, files, vocabularySize: vocabularySize)
  }

  /// What the converters of single families write besides.
  private mutating func addRules(of style: Style, _ files: TokenizerFolder, vocabularySize: Int?) throws {
    let spacePrefix = files.tokenizerConfig?["add_prefix_space"]?.flag.map {
      MetadataEntry("tokenizer.ggml.add_space_prefix", .bool($0))
    }
    switch style {
    case .llama:
      if let spacePrefix { entries.insert(spacePrefix, at: 0) }
      addLlamaRules(vocabularySize: vocabularySize ?? 32000)
    case .ernie:
      if let spacePrefix { entries.append(spacePrefix) }
    case .hunyuan:
      if let id = files.tokenizer?.addedTokenID("<|bos|>"), let value = UInt32(exactly: id) {
        set("tokenizer.ggml.bos_token_id", .uint32(value))
      }
    case .gemma:
      if let suppressed = try files.suppressedTokens() {
        entries.insert(MetadataEntry("tokenizer.ggml.suppress_tokens", .array(.int32(suppressed))), at: 0)
      }
      set("tokenizer.ggml.add_space_prefix", .bool(false))
      set("tokenizer.ggml.add_bos_token", .bool(true))
    case .bytePairs, .sentencePieceOrBytePairs, .glm, .phi: break
    }
  }

  /// Writes a value in the place of another one of the key, else at the end.
  private mutating func set(_ key: String, _ value: MetadataValue) {
    if let index = entries.firstIndex(where: { $0.key == key }) {
      entries[index].value = value
    } else {
      entries.append(MetadataEntry(key, value))
    }
  }

  /// The tokens that begin GLM's texts and end its turns.
  private static let glmTokens = [
    (role: "bos", text: "[gMASK]"), (role: "eot", text: "<|user|>"), (role: "unk", text: "<|endoftext|>"),
    (role: "eom", text: "<|observation|>"),
  ]

  /// The rules that the Llama converter keys on the size of the vocabulary.
  private mutating func addLlamaRules(vocabularySize: Int) {
    if vocabularySize == 32016 {
      // Code Llama's infill tokens; prefix, suffix and middle have no keys any more.
      set("tokenizer.ggml.eot_token_id", .uint32(32010))
    }
    if vocabularySize == 49152 { set("tokenizer.ggml.add_bos_token", .bool(false)) }
  }
}
