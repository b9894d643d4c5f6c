internal import FileBytes
internal import Foundation

/// A tokenizer in tiktoken's form: one token in a line, its bytes in base64 and its rank, which is its id.
///
/// The file has no merges; they follow from the ranks. What a `tokenizer.json` has besides depends on the model.
struct TiktokenFile {
  /// The models that have their tokenizers in this form; raw values are the names of the files.
  enum Kind: String, CaseIterable {
    /// Kimi K2: special tokens by `added_tokens_decoder` of `tokenizer_config.json`; those without a name are reserved.
    case kimi = "tiktoken.model"
    /// HunYuan-A13B: special tokens that the code of its tokenizer lists.
    case hunyuan = "hy.tiktoken"

    /// The splitting rule in the form of `tokenizer.json`.
    fileprivate var preTokenizer: JSONValue {
      switch self {
      case .kimi: .object(["type": .string(PreTokenizer.kimi)])
      case .hunyuan: PreTokenizer.description(ofRule: "qwen2")
      }
    }

    /// The texts of the special tokens after the last rank; `nil` for one without a name of its own.
    fileprivate var specialTexts: [String?] {
      switch self {
      case .kimi: Array(repeating: nil, count: 258)
      case .hunyuan:
        ["<|endoftext|>", "<|startoftext|>", "<|bos|>", "<|eos|>", "<|pad|>"]
          + (0..<205).map { "<|extra_\($0)|>" }
      }
    }
  }

  /// Longer tokens are none: finding their merges would take very long.
  private static let longestLine = 4096

  private let kind: Kind
  /// The path of the file.
  let path: String
  /// The bytes of every token, in order of rank.
  private let tokens: [[UInt8]]

  /// The file of a folder; `nil` when it has none.
  ///
  /// - Parameter folder: The path of a file in the folder.
  /// - Throws: `FileError`, ``TokenizerError`` with `invalidValue` for lines that are no token.
  init?(folder: (String) -> String) throws {
    guard let kind = Kind.allCases.first(where: { FileSystem.isEntry(folder($0.rawValue)) }) else {
      return nil
    }
    self.kind = kind
    path = folder(kind.rawValue)
    let bytes = try ReadableFile.contents(of: path, limit: 64 << 20)
    var tokens: [[UInt8]] = []
    for (number, line) in bytes.split(separator: UInt8(ascii: "\n")).enumerated() {
      let parts = line.split(separator: UInt8(ascii: " "))
      guard parts.count == 2, parts[0].count <= Self.longestLine,
        let token = Data(base64Encoded: Data(parts[0])), !token.isEmpty,
        Int(String(decoding: parts[1], as: UTF8.self).filter { $0 != "\r" }) == number
      else {
        throw TokenizerError(
          .invalidValue,
          Fault(
            file: path, subject: "line \(number + 1)", expected: "bytes in base64 and the rank \(number)",
            found: "\"\(String(decoding: line.prefix(80), as: UTF8.self))\""))
      }
      tokens.append([UInt8](token))
    }
    self.tokens = tokens
  }

  /// What a `tokenizer.json` of the same tokenizer has.
  ///
  /// - Parameters:
  ///   - config: `tokenizer_config.json`.
  ///   - vocabularySize: The rows of the embedding, from which on there are no tokens; `nil` when it is not known.
  /// - Returns: The tokenizer.
  /// - Throws: ``TokenizerError`` with `invalidValue` for two tokens of the same bytes.
  func tokenizer(config: JSONValue?, vocabularySize: Int?) throws -> TokenizerFile {
    var ranks: [[UInt8]: Int] = [:]
    for (rank, token) in tokens.enumerated() {
      if let other = ranks.updateValue(rank, forKey: token) {
        throw TokenizerError(
          .invalidValue,
          Fault(
            file: path, subject: "ranks", expected: "one rank for each token",
            found: "\(other) and \(rank) for the same bytes"))
      }
    }
    var file = TokenizerFile(
      vocabulary: tokens.enumerated().map { (ByteAlphabet.text(of: $1), $0) },
      merges: tokens.enumerated().compactMap { Self.merge(of: $1, rank: $0, ranks) },
      preTokenizer: kind.preTokenizer)
    let rows = max(0, (vocabularySize ?? .max) - tokens.count)
    file.addedTokens = kind.specialTexts.prefix(rows).enumerated().map { index, text in
      let id = tokens.count + index
      let named = text ?? config?["added_tokens_decoder"]?["\(id)"]?["content"]?.text
      return TokenizerFile.AddedToken(id: id, content: named ?? "<|reserved_token_\(id)|>", special: true)
    }
    return file
  }

  /// The two parts whose joining makes a token, as "left right"; `nil` for tokens that joining never makes.
  ///
  /// Single bytes are joined, the pair of lowest rank first, as long as that is below the token's own.
  private static func merge(of token: [UInt8], rank: Int, _ ranks: [[UInt8]: Int]) -> String? {
    guard token.count > 1 else { return nil }
    var ends = Array(1...token.count)
    func start(_ part: Int) -> Int { part == 0 ? 0 : ends[part - 1] }
    while ends.count > 1 {
      var best: (part: Int, rank: Int)?
      for part in 0..<(ends.count - 1) {
        guard let found = ranks[Array(token[start(part)..<ends[part + 1]])], found < best?.rank ?? rank else {
          continue
        }
        best = (part, found)
      }
      guard let best else { break }
      ends.remove(at: best.part)
    }
    guard ends.count == 2 else { return nil }
    return ByteAlphabet.text(of: Array(token[..<ends[0]])) + " "
      + ByteAlphabet.text(of: Array(token[ends[0]...]))
  }
}
