internal import GGUFFormat
internal import TensorTypes

/// Whether the arrays of a vocabulary agree with each other and with the embedding.
struct TokenizerCheck {
  private let metadata: [String: MetadataValue]
  private(set) var findings: [Finding] = []

  init(metadata: [MetadataEntry]) {
    self.metadata = Dictionary(metadata.map { ($0.key, $0.value) }) { first, _ in first }
  }

  private mutating func wrong(_ key: String, _ expected: String, _ found: String, place: String = "") {
    findings.append(
      Finding(
        .error, .tokenizer, "tokenizer.ggml." + key, place: place, expected: expected, found: found,
        remedy: "the vocabulary belongs to another model or was damaged; convert the model again"))
  }

  /// Checks everything.
  ///
  /// - Parameter embeddingRows: The rows of `token_embd.weight`; `nil` without that tensor.
  mutating func run(embeddingRows: Int?) {
    func value(_ key: String) -> MetadataValue? { metadata["tokenizer.ggml." + key] }
    guard let model = value("model") else {
      findings.append(
        Finding(
          embeddingRows == nil ? .note : .warning, .tokenizer, "tokenizer.ggml.model", expected: "a string",
          found: "no such key: the file has no vocabulary"))
      return
    }
    guard let kind = model.text else { return wrong("model", "a string", "another type") }
    if kind == "none" || kind == "no_vocab" { return }
    guard case .array(let array)? = value("tokens") else {
      return wrong("tokens", "an array of strings", value("tokens") == nil ? "no such key" : "another type")
    }
    let tokens: [String]
    switch array {
    case .string(let texts): tokens = texts
    // Tokens that are no UTF-8 occur in SentencePiece vocabularies; only their number counts then.
    case .rawString: tokens = []
    default: return wrong("tokens", "an array of strings", "an array of another type")
    }
    let count = array.count
    if let rows = embeddingRows, rows != count {
      wrong("tokens", "\(rows) tokens, one for each row of token_embd.weight", "\(count)")
    }
    if let architecture = metadata["general.architecture"]?.text,
      let stated = metadata[architecture + ".vocab_size"]?.integer, stated != count
    {
      wrong("tokens", "\(stated) tokens, as \(architecture).vocab_size says", "\(count)")
    }
    lengths(count: count, kind: kind)
    if kind == "gpt2" { merges(tokens) }
    specialTokens(count: count)
  }

  private mutating func lengths(count: Int, kind: String) {
    if let value = metadata["tokenizer.ggml.scores"] {
      if case .array(.float32(let scores)) = value {
        if scores.count != count { wrong("scores", "\(count) scores", "\(scores.count)") }
        if let bad = scores.firstIndex(where: { $0.isNaN }) {
          wrong("scores", "numbers", "a NaN", place: "token \(bad)")
        }
      } else {
        wrong("scores", "an array of f32", "another type")
      }
    } else if kind == "llama" {
      wrong("scores", "an array of f32", "no such key")
    }
    guard let value = metadata["tokenizer.ggml.token_type"] else {
      findings.append(
        Finding(
          .warning, .tokenizer, "tokenizer.ggml.token_type", expected: "an array of i32",
          found: "no such key",
          remedy: "control tokens cannot be told from text"))
      return
    }
    let types: [Int]
    switch value {
    case .array(.int32(let list)): types = list.map(Int.init)
    case .array(.uint32(let list)): types = list.map(Int.init)
    default: return wrong("token_type", "an array of i32", "another type")
    }
    if types.count != count { wrong("token_type", "\(count) types", "\(types.count)") }
    if let bad = types.firstIndex(where: { !(0...6).contains($0) }) {
      wrong("token_type", "types from 0 to 6", "\(types[bad])", place: "token \(bad)")
    }
  }

  /// Every merge joins two tokens into a third.
  private mutating func merges(_ tokens: [String]) {
    guard let value = metadata["tokenizer.ggml.merges"] else { return }
    guard case .array(let array) = value else {
      return wrong("merges", "an array of strings", "another type")
    }
    guard case .string(let merges) = array else {
      if case .rawString = array { return }
      return wrong("merges", "an array of strings", "an array of another type")
    }
    guard !tokens.isEmpty, !merges.isEmpty else { return }
    let known = Set(tokens.map(ByteText.init))
    if known.count < tokens.count {
      findings.append(
        Finding(
          .warning, .tokenizer, "tokenizer.ggml.tokens", expected: "each token once",
          found: "\(tokens.count - known.count) that occur again"))
    }
    var bad: [(index: Int, text: String)] = []
    for (index, merge) in merges.enumerated() {
      // The first space that has something before it divides the parts.
      let utf8 = merge.utf8
      guard let space = utf8.dropFirst().firstIndex(of: UInt8(ascii: " ")),
        case let after = utf8.index(after: space), after < utf8.endIndex
      else {
        bad.append((index, merge))
        continue
      }
      let left = String(merge[..<space])
      let right = String(merge[after...])
      if ![left + right, left, right].allSatisfy({ known.contains(ByteText(text: $0)) }) {
        bad.append((index, merge))
      }
    }
    if let first = bad.first {
      wrong(
        "merges", "pairs of tokens that make a token",
        "\(bad.count) of \(merges.count) that do not, such as \"\(first.text.prefix(40))\"",
        place: "merge \(first.index)")
    }
  }

  private mutating func specialTokens(count: Int) {
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
      guard key.hasPrefix("tokenizer.ggml."), key.hasSuffix("_token_id") else { continue }
      let name = String(key.dropFirst("tokenizer.ggml.".count))
      guard let id = value.integer else {
        wrong(name, "a u32", "another type")
        continue
      }
      if id < 0 || id >= count { wrong(name, "a token from 0 to \(count - 1)", "\(id)") }
    }
  }
}

/// A text that equals another one when the bytes do: tokens may differ in the composition of characters alone.
struct ByteText: Hashable {
  let text: String

  static func == (a: ByteText, b: ByteText) -> Bool { a.text.utf8.elementsEqual(b.text.utf8) }

  func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }
}
