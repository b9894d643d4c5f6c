internal import CBuiltinTexts
internal import FileBytes
package import TextTokenizers

/// A text to measure on: UTF-8 bytes, and their hash, which stands beside every number that comes from them.
public struct EvaluationText: Sendable {
  /// Where it came from: a path, or the name of a built-in text.
  public let path: String
  /// The bytes, one newline at the end removed.
  public let bytes: [UInt8]
  /// The size of the file.
  public let byteCount: Int
  /// XXH64 of the file.
  package let hash: UInt64
  /// The licence of a built-in text.
  public let licence: String?

  /// Reads a file.
  ///
  /// - Throws: `FileError`; ``EvaluationError`` with `emptyText` or `invalidText`.
  public init(path: String) throws {
    let file = try ReadableFile(path: path)
    try self.init(bytes: try file.bytes(at: 0, count: file.byteCount), path: path)
  }

  /// Takes the bytes of a file.
  ///
  /// - Throws: ``EvaluationError`` with `emptyText`, or with `invalidText` for bytes that are not UTF-8: a tokenizer
  ///   would replace them, and the number would be that of another text.
  public init(bytes: [UInt8], path: String = "", licence: String? = nil) throws {
    self.path = path
    self.licence = licence
    byteCount = bytes.count
    hash = bytes.withUnsafeBytes { XXHash64.hash($0) }
    self.bytes = bytes.last == UInt8(ascii: "\n") ? bytes.dropLast() : bytes
    guard !self.bytes.isEmpty else {
      throw EvaluationError(.emptyText, Fault(file: path, expected: "some text", found: "none"))
    }
    guard bytes.withUnsafeBytes({ String(utf8: $0) != nil }) else {
      let offset = Self.firstInvalidOffset(bytes)
      throw EvaluationError(
        .invalidText,
        Fault(
          file: path, expected: "UTF-8 text",
          found: "other bytes at \(offset) of \(bytes.count): "
            + bytes[offset...].prefix(4).hexadecimal(separator: " "),
          remedy: "convert it, or drop the bad bytes, for example with iconv -c -t utf-8"))
    }
  }

  /// The text that is part of the program: `samples/texts/svg-plain.txt`.
  ///
  /// - Throws: Nothing in a sound build.
  public static func builtin() throws -> EvaluationText {
    // Constant memory of the program, as long as the size says.
    let bytes = UnsafeRawBufferPointer(start: cbt_svg_plain(), count: cbt_svg_plain_size())
    return try EvaluationText(
      bytes: Array(bytes), path: "builtin:svg-plain",
      licence: "CC BY-SA 4.0, in part simplified drawings of OpenMoji 17.0.0")
  }

  /// The position of the first byte that belongs to no character.
  private static func firstInvalidOffset(_ bytes: [UInt8]) -> Int {
    var parser = Unicode.UTF8.ForwardParser()
    var iterator = bytes.makeIterator()
    var offset = 0
    while case .valid(let scalar) = parser.parseScalar(from: &iterator) { offset += scalar.count }
    return min(offset, bytes.count - 1)
  }

  /// The hash as hexadecimal digits.
  package var hashText: String { XXHash64.text(hash) }

  /// The tokens of the whole text.
  ///
  /// - Parameters:
  ///   - tokenizer: The model's tokenizer.
  ///   - parseSpecial: Whether control tokens written out in the text count as such.
  /// - Returns: The token ids.
  /// - Throws: ``EvaluationError`` with `addsEndOfText`.
  package func tokens(_ tokenizer: Tokenizer, parseSpecial: Bool = false) throws -> [Int32] {
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
