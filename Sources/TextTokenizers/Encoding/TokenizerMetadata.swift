internal import FileBytes
internal import TensorTypes

/// Typed access to the `tokenizer.*` keys, with errors that name the key.
struct TokenizerMetadata {
  private var values: [String: MetadataValue] = [:]

  init(_ entries: [MetadataEntry]) {
    for entry in entries where values[entry.key] == nil { values[entry.key] = entry.value }
  }

  func text(_ key: String) throws(TokenizerError) -> String? {
    guard let value = values[key] else { return nil }
    guard let text = value.text else { throw invalid(key, "a string", value) }
    return text
  }

  func requiredText(_ key: String) throws(TokenizerError) -> String {
    guard let text = try text(key) else { throw missing(key, "a string") }
    return text
  }

  func flag(_ key: String) throws(TokenizerError) -> Bool? {
    guard let value = values[key] else { return nil }
    guard case .bool(let flag) = value else { throw invalid(key, "a bool", value) }
    return flag
  }

  /// A token id; one that is not below `count` is ignored, as llama.cpp does.
  func tokenID(_ key: String, below count: Int) throws(TokenizerError) -> Int32? {
    guard let value = values[key] else { return nil }
    guard let id = value.integer else { throw invalid(key, "a token id (uint32)", value) }
    return 0..<count ~= id ? Int32(exactly: id) : nil
  }

  /// The strings of an array as bytes.
  func strings(_ key: String) throws(TokenizerError) -> TokenStrings? {
    guard let value = values[key] else { return nil }
    switch value {
    case .array(.string(let strings)): return .text(strings)
    case .array(.rawString(let strings)): return .bytes(strings)
    case .array(let array) where array.count == 0: return .text([])
    default: throw invalid(key, "an array of strings", value)
    }
  }

  func scores(_ key: String, count: Int) throws(TokenizerError) -> [Float]? {
    guard let value = values[key] else { return nil }
    let scores: [Float]
    switch value {
    case .array(.float32(let array)): scores = array
    case .array(.int32(let array)): scores = array.map { Float($0) }
    default: throw invalid(key, "an array of float32", value)
    }
    guard scores.count >= count else { throw tooShort(key, count, scores.count) }
    return scores
  }

  func types(_ key: String, count: Int) throws(TokenizerError) -> [Int32]? {
    guard let value = values[key] else { return nil }
    guard case .array(.int32(let types)) = value else { throw invalid(key, "an array of int32", value) }
    guard types.count >= count else { throw tooShort(key, count, types.count) }
    return types
  }

  func missing(_ key: String, _ expected: String) -> TokenizerError {
    TokenizerError(
      .missing,
      Fault(
        subject: key, expected: expected, found: "no such key",
        remedy: "convert the model again with its tokenizer files"))
  }

  private func tooShort(_ key: String, _ expected: Int, _ found: Int) -> TokenizerError {
    TokenizerError(
      .invalidValue,
      Fault(subject: key, expected: "\(expected) elements, one for each token", found: "\(found)"))
  }

  private func invalid(_ key: String, _ expected: String, _ value: MetadataValue) -> TokenizerError {
    TokenizerError(.invalidValue, Fault(subject: key, expected: expected, found: value.typedSummary))
  }
}

/// The strings of a metadata array, whether all are UTF-8 or not.
enum TokenStrings {
  case text([String])
  case bytes([[UInt8]])

  var count: Int {
    switch self {
    case .text(let strings): strings.count
    case .bytes(let strings): strings.count
    }
  }

  subscript(index: Int) -> [UInt8] {
    switch self {
    case .text(let strings): Array(strings[index].utf8)
    case .bytes(let strings): strings[index]
    }
  }
}
