/// How base probabilities are stored.
package enum BaseFormat: String, Hashable, Sendable, CaseIterable {
  /// The largest log-probabilities and sums over the rest, in zstd frames.
  case compact
  /// All log-probabilities as 16-bit codes, in zstd frames.
  case full
  /// llama.cpp's file: as `full`, without compression.
  case llama
}

/// Makes the record of one position.
package struct BaseEncoder: Sendable {
  var format: BaseFormat
  var limit: Int

  package init(format: BaseFormat, limit: Int) {
    self.format = format
    self.limit = limit
  }

  package func encode(_ row: UnsafeBufferPointer<Float>, _ summary: LogitSummary, target: Int) throws
    -> [UInt8]
  {
    switch format {
    case .compact: CompactRecord(row, summary, target: target, limit: limit).bytes
    case .full, .llama: CodedRecord.encode(row, summary)
    }
  }
}

/// Names and sizes at the start of base files.
///
/// llama.cpp's file: `_logits_`, i32 window length, vocabulary, windows, then i32 tokens `[windows, length]`, then
/// records. Pouch's file is a sequence of zstd frames, the first with
/// `PouchKLD`, u32 version (2), u32 format (0 compact, 1 full), u32 window length, u32 vocabulary, u32 windows, u32
/// the most listed tokens, u64 hash of the text, u64 XXH64 of the bytes that the tokens spell, then the tokens as
/// above; then one frame per window: its records, and u64 XXH64 of them.
enum BaseLayout {
  static let llamaMagic = Array("_logits_".utf8)
  static let magic = Array("PouchKLD".utf8)
  static let version: UInt32 = 2
  static let zstdMagic: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD]
  static let llamaHeaderSize = 20
  static let headerSize = 48
}

/// How far a base file is written: its size, and a hash of the frames so far.
struct BaseMark: Hashable, Sendable {
  var byteCount = 0
  var hash: UInt64 = 0
}
