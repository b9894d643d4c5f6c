internal import FileBytes

/// A bounds-checked reader over the protocol buffers wire format.
///
/// A message is a sequence of fields: a varint `number << 3 | wireType`, then the value: a varint (0), eight bytes
/// (1), a varint length and that many bytes (2) or four bytes (5). Groups (3, 4) are long obsolete and refused.
struct ProtobufReader {
  /// The value of a field.
  enum Value {
    case varint(UInt64)
    case fixed64(UInt64)
    case bytes(UnsafeRawBufferPointer)
    case fixed32(UInt32)
  }

  private var cursor: ByteCursor
  private let file: String

  init(_ bytes: UnsafeRawBufferPointer, file: String) {
    cursor = ByteCursor(bytes)
    self.file = file
  }

  func failure(_ expected: String) -> TokenizerError {
    TokenizerError(
      .malformedModel,
      Fault(
        file: file, expected: expected, found: "something else near byte \(cursor.offset) of a message",
        remedy: "the file may be incomplete; fetch it again"))
  }

  /// The next field, or `nil` at the end of the message.
  mutating func next() throws -> (number: Int, value: Value)? {
    guard cursor.remaining > 0 else { return nil }
    let key = try varint()
    guard key >> 3 > 0, key >> 3 < 1 << 29 else { throw failure("a field number") }
    let number = Int(key >> 3)
    switch key & 7 {
    case 0: return (number, .varint(try varint()))
    case 1:
      guard let value: UInt64 = cursor.read() else { throw failure("eight more bytes") }
      return (number, .fixed64(value))
    case 2:
      guard let count = Int(exactly: try varint()), let bytes = cursor.take(count) else {
        throw failure("a length within the message")
      }
      return (number, .bytes(bytes))
    case 5:
      guard let value: UInt32 = cursor.read() else { throw failure("four more bytes") }
      return (number, .fixed32(value))
    default: throw failure("a wire type of 0, 1, 2 or 5")
    }
  }

  private mutating func varint() throws -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      guard let byte: UInt8 = cursor.read() else { throw failure("the rest of a number") }
      guard shift < 63 || byte <= 1 else { throw failure("a number of at most 64 bits") }
      value |= UInt64(byte & 0x7F) << shift
      if byte & 0x80 == 0 { return value }
    }
    throw failure("a number of at most ten bytes")
  }
}
