internal import GGUFFormat
internal import ModelDescriptions
internal import TensorTypes

/// Whether the keys of a vocabulary are what loaders take, and its arrays agree with each other and the embedding.
struct TokenizerCheck {
  private let metadata: [String: MetadataValue]
  private(set) var findings: [Finding] = []

  init(metadata: [MetadataEntry]) {
    self.metadata = Dictionary(metadata.map { ($0.key, $0.value) }) { first, _ in first }
  }

  private mutating func wrong(
    _ key: String, _ expected: String, _ found: String, place: String = "",
    _ severity: Finding.Severity = .error,
    remedy: String = "the vocabulary belongs to another model or was damaged; convert the model again"
  ) {
    findings.append(
      Finding(
        severity, .tokenizer, "tokenizer.ggml." + key, place: place, expected: expected, found: found,
        remedy: remedy))
  }

  private func value(_ key: String) -> MetadataValue? { metadata["tokenizer.ggml." + key] }

  /// Checks everything.
  ///
  /// - Parameter embeddingRows: The rows of `token_embd.weight`; `nil` without that tensor.
  mutating func run(embeddingRows: Int?) {
    let broken = checkKeys()
    guard let kind = value("model")?.text, !broken.contains("model") else {
      if value("model") == nil {
        wrong(
          "model", "a string", "no such key: the file has no vocabulary",
          embeddingRows == nil ? .note : .error,
          remedy: "llama.cpp refuses files without one; convert the model again with its tokenizer's files")
      }
      return
    }
    if kind == "none" || kind == "no_vocab" { return placeholders(embeddingRows) }
    guard case .array(let array)? = value("tokens"), !broken.contains("tokens") else {
      if value("tokens") == nil { wrong("tokens", "an array of strings", "no such key") }
      return
    }
    // Tokens that are no UTF-8 occur in SentencePiece vocabularies; only their number counts then.
    let tokens: [String] = if case .string(let texts) = array { texts } else { [] }
    let count = array.count
    if let rows = embeddingRows, rows != count {
      wrong("tokens", "\(rows) tokens, one for each row of token_embd.weight", "\(count)")
    }
    if let stated = metadata[sizeKey]?.integer, stated != count {
      wrong("tokens", "\(stated) tokens, as \(sizeKey) says", "\(count)")
    }
    unique(array)
    lengths(count: count, kind: kind)
    if ["gpt2", "hybriddna", "whitespace", "gemma4"].contains(kind) {
      bytePairs(tokens, kind: kind, isBroken: broken.contains("merges"))
    }
    specialTokens(count: count)
  }

  /// The key of the size of the vocabulary.
  private var sizeKey: String {
    TypedKey.vocabularySize.name(in: metadata["general.architecture"]?.text ?? "")
  }

  /// Without a vocabulary, loaders make up as many tokens as a key says.
  private mutating func placeholders(_ embeddingRows: Int?) {
    guard let rows = embeddingRows, metadata[sizeKey]?.integer ?? 0 != rows else { return }
    findings.append(
      Finding(
        .error, .tokenizer, sizeKey,
        expected: "\(rows), the rows of token_embd.weight, since there is no vocabulary",
        found: metadata[sizeKey]?.integer.map { "\($0)" } ?? "no such key",
        remedy: "llama.cpp refuses the file; convert the model again with its tokenizer's files"))
  }

  /// Checks types and values of all keys; the names of those that are wrong, without their common start.
  private mutating func checkKeys() -> Set<String> {
    var broken: Set<String> = []
    for key in MetadataKey.tokenizer {
      guard let value = metadata[key.name], let complaint = key.complaint(about: value, blockCount: nil)
      else {
        continue
      }
      let name = String(key.name.dropFirst("tokenizer.ggml.".count))
      broken.insert(name)
      var place = ""
      if complaint.aspect == .value, case .array = value, let bad = Int(complaint.found) {
        place = value.numbers.firstIndex(of: bad).map { "token \($0)" } ?? ""
      }
      wrong(
        name, complaint.expected, complaint.found, place: place,
        remedy: complaint.aspect == .type
          ? "llama.cpp refuses a value of another type; convert the model again"
          : "the vocabulary belongs to another model or was damaged; convert the model again")
    }
    return broken
  }

  /// llama.cpp ends when a token occurs twice; empty ones it gives names of their own.
  private mutating func unique(_ array: MetadataArray) {
    var repeated = 0
    switch array {
    case .string(let texts):
      let named = texts.lazy.filter { !$0.isEmpty }.map(ByteText.init)
      repeated = texts.count { !$0.isEmpty } - Set(named).count
    case .rawString(let texts):
      let named = texts.filter { !$0.isEmpty }
      repeated = named.count - Set(named).count
    default: break
    }
    if repeated > 0 { wrong("tokens", "each token once", "\(repeated) that occur again") }
  }

  private mutating func lengths(count: Int, kind: String) {
    if case .array(let list)? = value("scores") {
      if list.count != count { wrong("scores", "\(count) scores", "\(list.count)") }
      if case .float32(let scores) = list, let bad = scores.firstIndex(where: { $0.isNaN }) {
        wrong("scores", "numbers", "a NaN", place: "token \(bad)")
      }
    } else if kind == "llama", value("scores") == nil {
      wrong("scores", "an array of f32", "no such key")
    }
    guard let types = value("token_type") else {
      return wrong(
        "token_type", "an array of i32", "no such key", .warning,
        remedy: "control tokens cannot be told from text")
    }
    if case .array(let list) = types, list.count != count {
      wrong("token_type", "\(count) types", "\(list.count)")
    }
  }

  /// What vocabularies of byte pairs need: a known splitting rule, and merges that each join two tokens into a third.
  private mutating func bytePairs(_ tokens: [String], kind: String, isBroken: Bool) {
    let rule = value("pre").map { $0.text ?? $0.phrase }
    if rule ?? "" == "", kind != "gemma4" {
      wrong(
        "pre", "the name of the rule that splits text into words",
        rule == nil ? "no such key" : "an empty text",
        .warning,
        remedy: "llama.cpp takes a rule that few models have and warns that answers get worse; convert again")
    } else if let rule, kind != "gemma4", !MetadataKey.splittingRules.contains(rule) {
      wrong(
        "pre", "the name of a rule that llama.cpp knows", "\"\(rule.prefix(80))\"",
        remedy: "llama.cpp refuses the file, unless a newer one knows the rule; convert the model again")
    }
    guard let merges = value("merges") else {
      if rule != "kimi-k2" {
        wrong("merges", "an array of strings, since the vocabulary is of byte pairs", "no such key")
      }
      return
    }
    guard case .array(.string(let texts)) = merges, !isBroken, !tokens.isEmpty, !texts.isEmpty else { return }
    let known = Set(tokens.map(ByteText.init))
    var bad: [(index: Int, text: String)] = []
    for (index, merge) in texts.enumerated() {
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
        "\(bad.count) of \(texts.count) that do not, such as \"\(first.text.prefix(40))\"",
        place: "merge \(first.index)")
    }
  }

  private mutating func specialTokens(count: Int) {
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
      guard key.hasPrefix("tokenizer.ggml."), key.hasSuffix("_token_id"), let id = value.integer,
        id < 0 || id >= count
      else { continue }
      wrong(String(key.dropFirst("tokenizer.ggml.".count)), "a token from 0 to \(count - 1)", "\(id)")
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
