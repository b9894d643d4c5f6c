internal import FileBytes
public import TextTokenizers

/// A text to measure with.
public struct EvaluationText: Sendable {
  /// The file.
  public let path: String
  /// The size of the file.
  public let byteCount: Int
  /// XXH64 of the whole file; numbers can only be compared when it is equal.
  public let hash: UInt64
  /// What is tokenized: the file without one newline at its end, as llama.cpp reads prompts.
  public let bytes: [UInt8]

  /// Reads a file.
  ///
  /// - Throws: `FileError`; ``EvaluationError`` with `emptyText`.
  public init(path: String) throws {
    let file = try ReadableFile(path: path)
    try self.init(bytes: try file.bytes(at: 0, count: file.byteCount), path: path)
  }

  /// Takes the bytes of a file.
  ///
  /// - Throws: ``EvaluationError`` with `emptyText`.
  public init(bytes: [UInt8], path: String = "") throws {
    self.path = path
    byteCount = bytes.count
    hash = bytes.withUnsafeBytes { XXHash64.hash($0) }
    self.bytes = bytes.last == UInt8(ascii: "\n") ? bytes.dropLast() : bytes
    guard !self.bytes.isEmpty else {
      throw EvaluationError(.emptyText, Fault(file: path, expected: "some text", found: "none"))
    }
  }

  /// The hash as hexadecimal digits.
  public var hashText: String {
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// The tokens of the whole text.
  ///
  /// - Parameters:
  ///   - tokenizer: The model's tokenizer.
  ///   - parseSpecial: Whether control tokens written out in the text count as such.
  /// - Returns: The token ids.
  /// - Throws: ``EvaluationError`` with `addsEndOfText`.
  public func tokens(_ tokenizer: Tokenizer, parseSpecial: Bool = false) throws -> [Int32] {
    guard !tokenizer.addEOS else {
      throw EvaluationError(
        .addsEndOfText,
        Fault(
          file: path, subject: "tokenizer.ggml.add_eos_token", expected: "false", found: "true",
          remedy: "windows of text would end with a token that is not in the text"))
    }
    return tokenizer.encode(bytes: bytes, addSpecial: true, parseSpecial: parseSpecial)
  }
}
