internal import FileBytes

/// The vocabulary of a SentencePiece `tokenizer.model` file.
///
/// The file is one protocol buffers message: field 1, repeated, holds a piece (1: text, 2: score as f32, 3: type,
/// default 1); field 2 the trainer's settings (3: model kind, 1 unigram, 2 byte pairs). Everything else is skipped.
package struct SentencePieceModel: Sendable {
  /// The types of pieces; raw values are those of both SentencePiece and GGUF.
  package enum PieceType: Int32, Hashable, Sendable {
    case normal = 1
    case unknown = 2
    case control = 3
    case userDefined = 4
    case unused = 5
    case byte = 6
  }

  /// One piece.
  package struct Piece: Hashable, Sendable {
    /// The text, with U+2581 for a space.
    package var text: String
    /// The log probability or negated merge rank.
    package var score: Float
    /// The type.
    package var type: PieceType
  }

  /// The pieces; the index is the token id.
  package var pieces: [Piece] = []

  /// Reads a file.
  ///
  /// - Throws: `FileError` when it cannot be read, ``TokenizerError`` with `malformedModel` when it is broken.
  package init(contentsOf path: String) throws {
    try self.init(parsing: try ReadableFile.contents(of: path, limit: 1 << 28), file: path)
  }

  /// Parses the bytes of a file.
  ///
  /// - Throws: ``TokenizerError`` with `malformedModel`.
  package init(parsing bytes: [UInt8], file: String) throws {
    try bytes.withUnsafeBytes { buffer in
      var reader = ProtobufReader(buffer, file: file)
      while let field = try reader.next() {
        guard field.number == 1 else { continue }
        guard case .bytes(let message) = field.value else { throw reader.failure("a piece as a message") }
        pieces.append(try Self.piece(message, file: file))
      }
      guard !pieces.isEmpty else { throw reader.failure("at least one piece") }
    }
  }

  private static func piece(_ message: UnsafeRawBufferPointer, file: String) throws -> Piece {
    var reader = ProtobufReader(message, file: file)
    var piece = Piece(text: "", score: 0, type: .normal)
    while let field = try reader.next() {
      switch (field.number, field.value) {
      case (1, .bytes(let utf8)):
        guard let text = String(validating: utf8, as: UTF8.self) else { throw reader.failure("UTF-8 text") }
        piece.text = text
      case (2, .fixed32(let bits)): piece.score = Float(bitPattern: bits)
      case (3, .varint(let value)):
        guard let raw = Int32(exactly: value), let type = PieceType(rawValue: raw) else {
          throw reader.failure("a piece type from 1 to 6")
        }
        piece.type = type
      case (1, _), (2, _), (3, _): throw reader.failure("the wire type of a piece's field")
      default: break
      }
    }
    return piece
  }
}
