internal import FileBytes
internal import ZstdStreams

/// How base probabilities are stored.
public enum BaseFormat: String, Hashable, Sendable, CaseIterable {
  /// The largest log-probabilities and sums over the rest, in zstd frames.
  case compact
  /// All log-probabilities as 16-bit codes, in zstd frames.
  case full
  /// llama.cpp's file: as `full`, without compression.
  case llama
}

/// Makes the record of one position.
struct BaseEncoder: Sendable {
  var format: BaseFormat
  var limit: Int

  func encode(_ row: UnsafeBufferPointer<Float>, _ summary: LogitSummary, target: Int) throws -> [UInt8] {
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
/// `PouchKLD`, u32 version (1), u32 format (0 compact, 1 full), u32 window length, u32 vocabulary, u32 windows, u32
/// the most listed tokens, u64 hash of the text, then the tokens as above; then one frame per window.
enum BaseLayout {
  static let llamaMagic = Array("_logits_".utf8)
  static let magic = Array("PouchKLD".utf8)
  static let version: UInt32 = 1
  static let zstdMagic: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD]
}

/// Writes base probabilities, window by window, under a temporary name until all are there.
public final class BaseFileWriter {
  /// The final name.
  public let path: String
  let encoder: BaseEncoder
  private let windows: TokenWindows
  private let file: WritableFile
  private var offset = 0
  private var written = 0
  private var isFinished = false

  /// Starts a file.
  ///
  /// - Parameters:
  ///   - path: Where it goes; an existing file is replaced at the end.
  ///   - format: How probabilities are stored.
  ///   - windows: The windows that will be written.
  ///   - vocabularySize: Values per row of logits.
  ///   - textHash: The hash of the text.
  ///   - listedTokens: For `compact`, the most tokens listed per position, 1 to 65535.
  /// - Throws: `FileError`.
  public init(
    path: String, format: BaseFormat, windows: TokenWindows, vocabularySize: Int, textHash: UInt64,
    listedTokens: Int = 256
  ) throws {
    self.path = path
    self.windows = windows
    encoder = BaseEncoder(format: format, limit: min(max(listedTokens, 1), 65535))
    file = try WritableFile(path: path + ".partial", mode: .truncate)
    var header: [UInt8]
    if format == .llama {
      header = BaseLayout.llamaMagic
      for number in [windows.length, vocabularySize, windows.count] {
        header.appendLittleEndian(Int32(clamping: number))
      }
    } else {
      header = BaseLayout.magic
      header.appendLittleEndian(BaseLayout.version)
      for number in [
        format == .compact ? 0 : 1, windows.length, vocabularySize, windows.count, encoder.limit,
      ] {
        header.appendLittleEndian(UInt32(clamping: number))
      }
      header.appendLittleEndian(textHash)
    }
    for token in windows.tokens { header.appendLittleEndian(token) }
    try write(header)
  }

  deinit {
    if !isFinished { FileSystem.remove(path + ".partial") }
  }

  private func write(_ bytes: [UInt8]) throws {
    let output = encoder.format == .llama ? bytes : try ZstdWriter.compress(bytes, level: 9)
    try output.withUnsafeBytes { try file.write($0, at: offset) }
    offset += output.count
  }

  /// Adds the records of a window.
  func append(window records: [[UInt8]]) throws {
    try write(Array(records.joined()))
    written += 1
  }

  /// Completes the file and gives it its name; does nothing when windows are missing.
  ///
  /// - Returns: The size in bytes, `nil` when the run ended early and no file is left.
  /// - Throws: `FileError`.
  public func finish() throws -> Int? {
    guard written == windows.count else { return nil }
    try file.synchronize()
    try FileSystem.rename(path + ".partial", to: path)
    isFinished = true
    return offset
  }
}

/// Reads base probabilities of any format, window by window.
public final class BaseFileReader {
  /// The path as given.
  public let path: String
  /// How probabilities are stored.
  public let format: BaseFormat
  /// The windows; `beginning` is for the caller's vocabulary to say.
  public let windows: TokenWindows
  /// Values per row of logits.
  public let vocabularySize: Int
  /// The hash of the text, when the file tells.
  public let textHash: UInt64?
  private let stream: any ByteStream

  /// Opens a file.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - beginning: The BOS token if the tested model's vocabulary adds it.
  /// - Throws: ``EvaluationError`` with `notABaseFile`, `truncatedBase` or `damagedBase`; `ZstdError`; `FileError`.
  public init(path: String, beginning: Int32?) throws {
    self.path = path
    let file = try ReadableFile(path: path)
    let start = try file.bytes(at: 0, count: min(8, file.byteCount))
    let stream: any ByteStream
    if start == BaseLayout.llamaMagic {
      stream = PlainStream(file)
    } else if start.starts(with: BaseLayout.zstdMagic) {
      stream = try ZstdReader(path: path)
    } else {
      throw Self.notABase(path, "a file that starts with \(start)")
    }
    self.stream = stream
    let magic = try Self.take(8, stream, "the first bytes")
    func number() throws -> Int {
      let bytes = try Self.take(4, stream, "the header")
      return Int(bytes.withUnsafeBytes { UInt32(littleEndian: $0.loadUnaligned(as: UInt32.self)) })
    }
    if magic == BaseLayout.llamaMagic {
      format = .llama
    } else {
      guard magic == BaseLayout.magic else { throw Self.notABase(path, "other compressed data") }
      let version = try number()
      guard version == Int(BaseLayout.version) else { throw Self.notABase(path, "version \(version)") }
      let kind = try number()
      guard kind <= 1 else { throw Self.damaged(path, "a format from 0 to 1", "\(kind)") }
      format = kind == 0 ? .compact : .full
    }
    let length = try number()
    vocabularySize = try number()
    let count = try number()
    var hash: UInt64?
    if format != .llama {
      _ = try number()
      let bytes = try Self.take(8, stream, "the header")
      hash = bytes.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
    }
    textHash = hash
    guard (4...(1 << 24)).contains(length), (1...(1 << 24)).contains(vocabularySize),
      (1...(1 << 24)).contains(count), length * count <= 1 << 30
    else {
      throw Self.damaged(
        path, "a window length, a vocabulary and windows", "\(length), \(vocabularySize), \(count)")
    }
    var tokens: [Int32] = []
    let size = vocabularySize
    for _ in 0..<count {
      try Self.take(4 * length, stream, "the tokens").withUnsafeBytes { bytes in
        for index in 0..<length {
          tokens.append(
            Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * index, as: Int32.self)))
        }
      }
    }
    if let bad = tokens.first(where: { $0 < 0 || Int($0) >= size }) {
      throw Self.damaged(path, "tokens from 0 to \(size - 1)", "\(bad)")
    }
    windows = TokenWindows(tokens: tokens, length: length, beginning: beginning)
  }

  /// The first windows alone, all when there are fewer.
  public func windows(limit: Int?) -> TokenWindows {
    windows.prefix(min(limit ?? windows.count, windows.count))
  }

  /// Reads the next window and gives the distributions of its scored positions to `body`.
  ///
  /// - Throws: As ``init(path:beginning:)``, and what `body` throws.
  func nextWindow<Result>(_ body: ([BaseDistribution]) throws -> Result) throws -> Result {
    let positions = windows.scoredPerWindow
    guard format == .compact else {
      let size = CodedRecord.byteCount(vocabularySize: vocabularySize)
      let bytes = try Self.take(size * positions, stream, "a window's probabilities")
      return try bytes.withUnsafeBytes { bytes in
        try body(
          (0..<positions).map {
            .codes(CodedRecord(UnsafeRawBufferPointer(rebasing: bytes[($0 * size)..<(($0 + 1) * size)])))
          })
      }
    }
    return try body(
      (0..<positions).map { _ in
        let head = try Self.take(2, stream, "a record")
        let count = Int(head[0]) | Int(head[1]) << 8
        let bytes = head + (try Self.take(12 + 8 * count, stream, "a record"))
        return try bytes.withUnsafeBytes {
          var cursor = ByteCursor($0)
          guard let record = CompactRecord(&cursor, vocabularySize: vocabularySize) else {
            throw Self.damaged(path, "a record of log-probabilities", "impossible values")
          }
          return .compact(record)
        }
      })
  }

  private static func take(_ count: Int, _ stream: any ByteStream, _ what: String) throws -> [UInt8] {
    var bytes: [UInt8] = []
    // In pieces, so that a false count in a header does not reserve memory that is never filled.
    while bytes.count < count {
      let wanted = min(count - bytes.count, 1 << 22)
      let piece = try [UInt8](unsafeUninitializedCapacity: wanted) { buffer, initialized in
        initialized = try stream.readFully(into: UnsafeMutableRawBufferPointer(buffer))
      }
      bytes += piece
      guard piece.count == wanted else {
        throw EvaluationError(
          .truncatedBase,
          Fault(
            file: stream.path, subject: what, expected: "\(count) bytes", found: "\(bytes.count) to the end",
            remedy: "make the base file again"))
      }
    }
    return bytes
  }

  private static func notABase(_ path: String, _ found: String) -> EvaluationError {
    EvaluationError(
      .notABaseFile,
      Fault(
        file: path, expected: "base probabilities of Pouch or llama.cpp", found: found,
        remedy: "make one by a run with --kl-divergence-base and without --kl-divergence"))
  }

  private static func damaged(_ path: String, _ expected: String, _ found: String) -> EvaluationError {
    EvaluationError(
      .damagedBase,
      Fault(file: path, expected: expected, found: found, remedy: "make the base file again"))
  }
}

/// A plain file as a stream.
private final class PlainStream: ByteStream {
  private let file: ReadableFile
  private var offset = 0
  var path: String { file.path }
  var declaredByteCount: Int? { file.byteCount }

  init(_ file: ReadableFile) { self.file = file }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    let count = min(buffer.count, file.byteCount - offset)
    guard count > 0 else { return 0 }
    try file.read(at: offset, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]))
    offset += count
    return count
  }
}
