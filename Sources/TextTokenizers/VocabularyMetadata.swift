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
  public init(
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
    var prefix: [MetadataEntry] = []
    if style == .llama, let add = files.tokenizerConfig?["add_prefix_space"]?.flag {
      prefix.append(MetadataEntry("tokenizer.ggml.add_space_prefix", .bool(add)))
    }
    if style == .sentencePieceOrBytePairs || style == .llama, FileSystem.isFile(files.path("tokenizer.model"))
    {
      vocabulary = try .sentencePiece(files, size: vocabularySize)
    } else if style == .llama, let tokenizer = files.tokenizer, tokenizer.isByteFallbackBPE {
      vocabulary = try .byteFallback(files, tokenizer, size: vocabularySize)
    } else {
      vocabulary = try .bytePairs(files, size: vocabularySize, preOverride: preOverride)
    }
    if let preOverride { vocabulary.pre = preOverride }
    let special = try SpecialTokens(
      files: files, vocabularyLimit: vocabulary.scores == nil ? nil : vocabulary.tokens.count,
      spares: style == .glm ? Self.glmTokens : [])
    notes = vocabulary.rowless.notes(rowCount: vocabulary.tokens.count)
    if !special.dropped.isEmpty {
      let list = special.dropped.map { "\($0.role) (\($0.id))" }.joined(separator: ", ")
      notes.append("special tokens without a row are not written: \(list)")
    }
    entries = prefix + vocabulary.entries + special.entries
    tokenCount = vocabulary.tokens.count
    if style == .llama { addLlamaRules(vocabularySize: vocabularySize ?? 32000) }
  }

  /// The tokens that begin GLM's texts and end its turns.
  private static let glmTokens = [
    (role: "bos", text: "[gMASK]"), (role: "eot", text: "<|user|>"), (role: "unk", text: "<|endoftext|>"),
    (role: "eom", text: "<|observation|>"),
  ]

  /// The rules that the Llama converter keys on the size of the vocabulary.
  private mutating func addLlamaRules(vocabularySize: Int) {
    func set(_ key: String, _ value: MetadataValue) {
      if let index = entries.firstIndex(where: { $0.key == key }) {
        entries[index].value = value
      } else {
        entries.append(MetadataEntry(key, value))
      }
    }
    if vocabularySize == 32016 {
      // Code Llama's infill tokens; prefix, suffix and middle have no keys any more.
      set("tokenizer.ggml.eot_token_id", .uint32(32010))
    }
    if vocabularySize == 49152 { set("tokenizer.ggml.add_bos_token", .bool(false)) }
  }
}
