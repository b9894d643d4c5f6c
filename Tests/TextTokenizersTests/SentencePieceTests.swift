import FileBytes
import TestSupport
import Testing
import TextTokenizers

/// Writes protocol buffers messages.
struct MessageBuilder {
  var bytes: [UInt8] = []

  mutating func varint(_ value: UInt64) {
    var value = value
    while value >= 0x80 {
      bytes.append(UInt8(value & 0x7F) | 0x80)
      value >>= 7
    }
    bytes.append(UInt8(value))
  }

  mutating func field(_ number: UInt64, varint value: UInt64) {
    varint(number << 3)
    varint(value)
  }

  mutating func field(_ number: UInt64, bytes value: [UInt8]) {
    varint(number << 3 | 2)
    varint(UInt64(value.count))
    bytes += value
  }

  mutating func field(_ number: UInt64, float value: Float) {
    varint(number << 3 | 5)
    withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes += $0 }
  }

  static func piece(_ text: String, _ score: Float, type: UInt64? = nil) -> [UInt8] {
    var message = MessageBuilder()
    message.field(1, bytes: Array(text.utf8))
    message.field(2, float: score)
    if let type { message.field(3, varint: type) }
    return message.bytes
  }

  /// A model of `<unk>`, `<s>`, `</s>`, one byte, one user-defined and two plain pieces.
  static var model: [UInt8] {
    var message = MessageBuilder()
    message.field(1, bytes: piece("<unk>", 0, type: 2))
    message.field(1, bytes: piece("<s>", 0, type: 3))
    message.field(1, bytes: piece("</s>", 0, type: 3))
    message.field(1, bytes: piece("<0x00>", 0, type: 6))
    message.field(1, bytes: piece("[user]", 0, type: 4))
    message.field(1, bytes: piece("\u{2581}the", -3.5))
    message.field(1, bytes: piece("e", -4))
    var trainer = MessageBuilder()
    trainer.field(3, varint: 2)
    message.field(2, bytes: trainer.bytes)
    return message.bytes
  }
}

@Suite("tokenizer.model")
struct SentencePieceTests {
  private func parse(_ bytes: [UInt8]) throws -> SentencePieceModel {
    try SentencePieceModel(parsing: bytes, file: "tokenizer.model")
  }

  @Test("Pieces with scores and types")
  func pieces() throws {
    let model = try parse(MessageBuilder.model)
    #expect(model.pieces.map(\.text) == ["<unk>", "<s>", "</s>", "<0x00>", "[user]", "\u{2581}the", "e"])
    #expect(model.pieces.map(\.score) == [0, 0, 0, 0, 0, -3.5, -4])
    #expect(
      model.pieces.map(\.type) == [.unknown, .control, .control, .byte, .userDefined, .normal, .normal])
  }

  @Test("Every cut is refused or shorter, and never a crash")
  func cuts() {
    let bytes = MessageBuilder.model
    var accepted = 0
    for length in 0..<bytes.count {
      if let model = try? parse(Array(bytes.prefix(length))) {
        accepted += 1
        #expect(model.pieces.count <= 7)
      }
    }
    // Only cuts between fields leave a message.
    #expect(accepted == 7)
  }

  @Test("Lies are refused")
  func lies() {
    func code(_ build: (inout MessageBuilder) -> Void) -> TokenizerError.Code? {
      var message = MessageBuilder()
      build(&message)
      return tokenizerCode { _ = try parse(message.bytes) }
    }
    #expect(code { _ in } == .malformedModel)
    #expect(code { $0.field(1, varint: 5) } == .malformedModel)
    #expect(
      code { $0.bytes = [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F] } == .malformedModel)
    #expect(code { $0.bytes = [0x0A] + [UInt8](repeating: 0x80, count: 20) } == .malformedModel)
    #expect(code { $0.bytes = [0x0B] } == .malformedModel)
    #expect(code { $0.bytes = [0x02, 0x00] } == .malformedModel)
    #expect(code { $0.field(1, bytes: [0x0A, 0x01, 0xFF]) } == .malformedModel)
    #expect(code { $0.field(1, bytes: MessageBuilder.piece("x", 0, type: 9)) } == .malformedModel)
    #expect(code { $0.field(1, bytes: [0x12, 0x01, 0x00]) } == .malformedModel)
  }

  @Test("Random damage never crashes")
  func damage() {
    var generator = SeededGenerator(seed: 3)
    var refused = 0
    for _ in 0..<2000 {
      var bytes = MessageBuilder.model
      bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
      if (try? parse(bytes)) == nil { refused += 1 }
    }
    #expect(refused > 100)
  }
}
