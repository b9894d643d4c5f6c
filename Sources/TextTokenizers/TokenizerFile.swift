package import FileBytes

/// The parts of a Hugging Face `tokenizer.json` that matter for a GGUF vocabulary.
///
/// Token texts are kept scalar for scalar: two tokens that are canonically equal in
/// Unicode (a letter with an accent, composed and decomposed) stay two tokens.
package struct TokenizerFile: Sendable {
  /// A token that is matched in text before anything is split.
  package struct AddedToken: Hashable, Sendable {
    /// The row of the embedding.
    package var id: Int
    /// The text.
    package var content: String
    /// True for control tokens, which no plain text produces.
    package var special: Bool

    /// Creates an added token.
    package init(id: Int, content: String, special: Bool) {
      self.id = id
      self.content = content
      self.special = special
    }
  }

  /// The kind of model, such as `BPE`, `Unigram`, `WordPiece`; empty when the file does not say.
  package var modelType = ""
  /// Whether the model falls back to tokens for single bytes; `nil` when the file does not say.
  package var byteFallback: Bool?
  /// Whether whole-word vocabulary hits bypass the merges; `nil` when the file does not say.
  package var ignoreMerges: Bool?
  /// The base vocabulary in file order: the text of a token and its id.
  package var vocabulary: [(text: String, id: Int)] = []
  /// The merges in order of rank, as "left right"; a space inside a part is written U+0120.
  package var merges: [String] = []
  /// The added tokens in file order.
  package var addedTokens: [AddedToken] = []
  /// The value of `pre_tokenizer`.
  package var preTokenizer: JSONValue = .null
  /// The value of `post_processor`.
  package var postProcessor: JSONValue = .null
  /// The value of `normalizer`.
  package var normalizer: JSONValue = .null
  /// The value of `decoder`.
  package var decoder: JSONValue = .null

  /// Larger files are refused; the largest real ones have about 35 MB.
  package static let sizeLimit = 1 << 29

  /// Reads a file.
  ///
  /// - Throws: `FileError` when it cannot be read, ``TokenizerError`` when it is not a tokenizer.
  /// - Complexity: O(bytes); 18 MB take about 0.4 s of processor time in a release build.
  package init(contentsOf path: String) throws {
    try self.init(parsing: try ReadableFile.contents(of: path, limit: Self.sizeLimit), file: path)
  }

  /// Parses the bytes of a file, as Python's `json` module reads them: of two equal keys the last one counts.
  ///
  /// - Throws: `JSONError`.
  package init(parsing bytes: [UInt8], file: String) throws {
    try bytes.withUnsafeBytes { buffer in
      var scanner = JSONScanner(buffer, file: file)
      try scanner.forEachMember { key, scanner in
        switch key {
        case "model": try readModel(&scanner)
        case "added_tokens": try readAddedTokens(&scanner)
        case "pre_tokenizer": preTokenizer = try scanner.value()
        case "post_processor": postProcessor = try scanner.value()
        case "normalizer": normalizer = try scanner.value()
        case "decoder": decoder = try scanner.value()
        default: try scanner.skipValue()
        }
      }
      try scanner.finish()
    }
  }

  private mutating func readModel(_ scanner: inout JSONScanner) throws {
    (modelType, byteFallback, ignoreMerges, vocabulary, merges) = ("", nil, nil, [], [])
    try scanner.forEachMember { key, scanner in
      switch key {
      case "type": modelType = try scanner.value().text ?? ""
      case "byte_fallback": byteFallback = try scanner.value().flag
      case "ignore_merges": ignoreMerges = try scanner.value().flag
      case "vocab" where try scanner.peek() == UInt8(ascii: "{"):
        vocabulary = try scanner.vocabulary()
      case "merges" where try scanner.peek() == UInt8(ascii: "["):
        merges = []
        try scanner.forEachElement { scanner in merges.append(try Self.merge(&scanner)) }
      default: try scanner.skipValue()
      }
    }
  }

  /// One merge, either "left right" or ["left", "right"].
  private static func merge(_ scanner: inout JSONScanner) throws -> String {
    if try scanner.peek() == UInt8(ascii: "\"") { return try scanner.string() }
    var parts: [String] = []
    try scanner.forEachElement { scanner in parts.append(try scanner.string()) }
    guard parts.count == 2 else { throw scanner.failure(expected: "a merge of two parts before this") }
    return parts.map { part in
      // The separator must stay unique, so a space inside a part takes its byte-level letter.
      part.utf8.contains(0x20)
        ? String(String.UnicodeScalarView(part.unicodeScalars.map { $0 == " " ? "\u{120}" : $0 })) : part
    }.joined(separator: " ")
  }

  private mutating func readAddedTokens(_ scanner: inout JSONScanner) throws {
    addedTokens = []
    guard try scanner.peek() == UInt8(ascii: "[") else {
      try scanner.skipValue()
      return
    }
    try scanner.forEachElement { scanner in
      var token = AddedToken(id: -1, content: "", special: false)
      try scanner.forEachMember { key, scanner in
        switch key {
        case "id": token.id = try scanner.count()
        case "content": token.content = try scanner.string()
        case "special": token.special = try scanner.value().flag ?? false
        default: try scanner.skipValue()
        }
      }
      guard token.id >= 0 else { throw scanner.failure(expected: "an added token with an id before this") }
      addedTokens.append(token)
    }
  }

  /// The id of the first added token with this text, compared scalar by scalar.
  package func addedTokenID(_ content: String) -> Int? {
    addedTokens.first { $0.content.utf8.elementsEqual(content.utf8) }?.id
  }
}

extension JSONScanner {
  /// Takes an object from texts to ids; of two equal texts, byte for byte, the last one counts.
  mutating func vocabulary() throws -> [(text: String, id: Int)] {
    var entries: [(text: String, id: Int)] = []
    try forEachMember { text, scanner in entries.append((text, try scanner.count("a token id"))) }
    // Strings compare by Unicode equivalence, so equal texts are found by a hash of their bytes; sorting hashes is
    // quicker than a set of a quarter of a million byte arrays.
    var hashes = entries.enumerated().map { index, entry in
      var text = entry.text
      return (hash: text.withUTF8 { XXHash64.hash(UnsafeRawBufferPointer($0)) }, index: index)
    }
    hashes.sort { ($0.hash, $0.index) < ($1.hash, $1.index) }
    var repeated: Set<Int> = []
    for (earlier, later) in zip(hashes, hashes.dropFirst()) where earlier.hash == later.hash {
      if entries[earlier.index].text.utf8.elementsEqual(entries[later.index].text.utf8) {
        repeated.insert(earlier.index)
      }
    }
    guard !repeated.isEmpty else { return entries }
    return entries.enumerated().filter { !repeated.contains($0.offset) }.map(\.element)
  }
}
