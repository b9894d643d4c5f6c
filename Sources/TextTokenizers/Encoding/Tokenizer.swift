public import FileBytes
public import TensorTypes

/// Text to token ids and back, as llama.cpp does it for the same metadata.
///
/// Three kinds of vocabularies are supported: byte-level byte pairs (`tokenizer.ggml.model` = `gpt2`) with the splitting
/// rules that ``supportedRules`` names, SentencePiece vocabularies (`llama`) and byte pairs over characters (`gemma4`). A
/// tokenizer is a value that many threads can use at the same time.
public struct Tokenizer: Sendable {
  private enum Encoder: Sendable {
    case bytePairs(BytePairEncoder)
    case sentencePiece(SentencePieceEncoder)
    case textPairs(TextPairEncoder)
  }

  private let encoder: Encoder
  private let partition: SpecialTokenPartition
  let table: TokenTable

  /// The number of tokens, including unused ones.
  public var vocabularySize: Int { table.count }
  /// The beginning-of-sequence token.
  public var bos: Int32? { table.roles.bos }
  /// The end-of-sequence token.
  public var eos: Int32? { table.roles.eos }
  /// The end-of-turn token.
  public var eot: Int32? { table.roles.eot }
  /// The padding token.
  public var pad: Int32? { table.roles.pad }
  /// The token of unknown text.
  public var unknown: Int32? { table.roles.unknown }
  /// Whether `encode` with `addSpecial` begins with ``bos``.
  public var addBOS: Bool { table.roles.addsBOS }
  /// Whether `encode` with `addSpecial` ends with ``eos``.
  public var addEOS: Bool { table.roles.addsEOS }
  /// Whether a space is put before text at the start and after special tokens (SentencePiece).
  public var addSpacePrefix: Bool { table.roles.addsSpacePrefix }
  /// The tokens after which generation stops.
  public var endOfGeneration: Set<Int32> { table.roles.endOfGeneration }
  /// The chat template of the model, if it has one.
  public let chatTemplate: String?

  /// The names of splitting rules for which there are published mixture-of-experts models.
  package static let supportedRules = [
    "qwen2", "qwen35", "deepseek-r1-qwen", "llama-bpe", "smollm", "refact", "gpt-2", "olmo", "tekken",
    "gpt-4o", "minimax-m2", "lfm2", "hunyuan", "kimi-k2", "bailingmoe2", "exaone-moe", "deepseek-llm",
    "deepseek-coder", "deepseek-v3", "glm4", "falcon", "command-r", "starcoder",
    "default",
  ]

  /// Builds a tokenizer from the metadata of a GGUF file.
  ///
  /// Only keys that begin with `tokenizer.` and `general.name` are looked at.
  ///
  /// - Parameter metadata: The entries of the file, in any order; of a repeated key the first counts.
  /// - Throws: ``TokenizerError`` with `missing` or `invalidValue` for broken metadata, `notSupported` for another
  ///   kind of vocabulary, `unknownPreTokenizer` for another splitting rule.
  public init(metadata: [MetadataEntry]) throws(TokenizerError) {
    let keys = TokenizerMetadata(metadata)
    let model = try keys.requiredText("tokenizer.ggml.model")
    switch model {
    case "gpt2":
      let name = try keys.text("tokenizer.ggml.pre") ?? "default"
      guard let rule = SplittingRule(name: name) else {
        throw TokenizerError(
          .unknownPreTokenizer,
          Fault(
            subject: "tokenizer.ggml.pre", expected: "one of \(Self.supportedRules.joined(separator: ", "))",
            found: "\"\(name)\"",
            remedy: "convert the model again with \(.preTokenizer) and the name of an equivalent rule"))
      }
      table = try TokenTable(keys, defaults: .bytePairs(rule))
      encoder = .bytePairs(try BytePairEncoder(keys, rule: rule, table: table))
    case "llama":
      table = try TokenTable(keys, defaults: .sentencePiece)
      encoder = .sentencePiece(SentencePieceEncoder(table))
    case "gemma4":
      table = try TokenTable(keys, defaults: .textPairs)
      encoder = .textPairs(try TextPairEncoder(keys, table: table))
    default:
      throw TokenizerError(
        .notSupported,
        Fault(
          subject: "tokenizer.ggml.model",
          expected:
            "\"gpt2\" (byte-level byte pairs), \"llama\" (SentencePiece) or \"gemma4\" (byte pairs over characters)",
          found: "\"\(model)\""))
    }
    partition = SpecialTokenPartition(table)
    chatTemplate = try keys.text("tokenizer.chat_template")
  }

  /// The id of the token whose text in the vocabulary is exactly `text`, or `nil`.
  public func tokenID(_ text: String) -> Int32? { table.id(text) }

  /// Whether the token is a control token, which decoding leaves out unless asked.
  public func isControl(_ token: Int32) -> Bool {
    table.attributes.indices.contains(Int(token)) && table.attributes[Int(token)].contains(.control)
  }

  /// The tokens of a text.
  ///
  /// - Parameters:
  ///   - text: The text.
  ///   - addSpecial: Whether the BOS and EOS tokens are added, if the model wants them.
  ///   - parseSpecial: Whether control tokens written out in the text, such as `<|im_start|>`, are recognized.
  ///     User-defined tokens always are.
  /// - Returns: The ids, each from 0 below ``vocabularySize``.
  /// - Complexity: O(n log n) in the text's length.
  public func encode(_ text: String, addSpecial: Bool, parseSpecial: Bool) -> [Int32] {
    encode(bytes: Array(text.utf8), addSpecial: addSpecial, parseSpecial: parseSpecial)
  }

  /// The tokens of bytes that should be UTF-8.
  ///
  /// Byte-pair vocabularies see every byte that is not part of a sequence as U+FFFD, as in llama.cpp; SentencePiece
  /// vocabularies encode such bytes as they are. The other parameters are those of
  /// ``encode(_:addSpecial:parseSpecial:)``.
  public func encode(bytes: [UInt8], addSpecial: Bool, parseSpecial: Bool) -> [Int32] {
    var output: [Int32] = []
    output.reserveCapacity(bytes.count / 3 + 2)
    if addSpecial, addBOS, let bos { output.append(bos) }
    let fragments = partition.fragments(of: bytes, parseSpecial: parseSpecial)
    switch encoder {
    case .bytePairs(let encoder):
      var scratch = BytePairEncoder.Scratch(byteCount: bytes.count)
      let isIntact = RepairedText.isIntact(bytes, bytes.indices)
      for fragment in fragments {
        switch fragment {
        case .text(let range):
          encoder.encode(bytes, range, isIntact: isIntact, scratch: &scratch, to: &output)
        case .token(let id): output.append(id)
        }
      }
    case .textPairs(let encoder):
      var scratch = TextPairEncoder.Scratch(byteCount: bytes.count)
      let isIntact = RepairedText.isIntact(bytes, bytes.indices)
      for fragment in fragments {
        switch fragment {
        case .text(let range):
          encoder.encode(bytes, range, isIntact: isIntact, scratch: &scratch, to: &output)
        case .token(let id): output.append(id)
        }
      }
    case .sentencePiece(let encoder):
      var scratch = SentencePieceEncoder.Scratch(byteCount: bytes.count)
      var isAfterSpecial = true
      for fragment in fragments {
        switch fragment {
        case .text(let range):
          encoder.encode(
            bytes, range, spacePrefix: addSpacePrefix && isAfterSpecial, scratch: &scratch, to: &output)
          isAfterSpecial = false
        case .token(let id):
          output.append(id)
          isAfterSpecial = true
        }
      }
    }
    if addSpecial, addEOS, let eos { output.append(eos) }
    return output
  }

  /// Whether the tokens are texts of the byte alphabet.
  var isByteLevel: Bool { if case .bytePairs = encoder { true } else { false } }
}
