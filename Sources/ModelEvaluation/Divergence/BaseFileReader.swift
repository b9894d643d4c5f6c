internal import FileBytes
internal import ZstdStreams

/// Reads base probabilities of any format, window by window.
package final class BaseFileReader {
  /// The path as given.
  package let path: String
  /// How probabilities are stored.
  package let format: BaseFormat
  /// The windows; `beginning` is for the caller's vocabulary to say.
  package let windows: TokenWindows
  /// Values per row of logits.
  package let vocabularySize: Int
  /// The hash of the text, when the file tells.
  package let textHash: UInt64?
  /// XXH64 of the bytes that the tokens spell, when the file tells.
  private let spelling: UInt64?
  private let stream: any ByteStream
  /// Windows read or passed over so far.
  private var position = 0

  /// Opens a file, and makes sure that all of it is there.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - beginning: The BOS token if the tested model's vocabulary adds it.
  /// - Throws: ``EvaluationError`` with `notABaseFile`, `truncatedBase` or `damagedBase`; `ZstdError`; `FileError`.
  package init(path: String, beginning: Int32?) throws {
    self.path = path
    let file = try ReadableFile(path: path)
    let start = try file.bytes(at: 0, count: min(8, file.byteCount))
    let stream: any ByteStream
    if start == BaseLayout.llamaMagic {
      stream = PlainStream(file)
    } else if start.starts(with: BaseLayout.zstdMagic) {
      stream = try ZstdReader(path: path)
    } else {
      throw Self.notABase(path, start.isEmpty ? "an empty file" : "a file that starts with \(start)")
    }
    self.stream = stream
    let magic = try Self.take(8, stream, "the first bytes")
    func word() throws -> UInt64 {
      let bytes = try Self.take(8, stream, "the header")
      return bytes.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
    }
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
    if format == .llama {
      (textHash, spelling) = (nil, nil)
    } else {
      _ = try number()
      textHash = try word()
      spelling = try word()
    }
    guard (4...(1 << 24)).contains(length), (1...(1 << 24)).contains(vocabularySize),
      (1...(1 << 24)).contains(count), length * count <= 1 << 30
    else {
      throw Self.damaged(
        path, "a window length, a vocabulary and windows", "\(length), \(vocabularySize), \(count)")
    }
    try Self.checkSize(file, format, length: length, count: count, vocabularySize: vocabularySize)
    var tokens: [Int32] = []
    for _ in 0..<count {
      try Self.take(4 * length, stream, "the tokens").withUnsafeBytes { bytes in
        for index in 0..<length {
          tokens.append(
            Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * index, as: Int32.self)))
        }
      }
    }
    let size = vocabularySize
    if let bad = tokens.first(where: { $0 < 0 || Int($0) >= size }) {
      throw Self.damaged(path, "tokens from 0 to \(size - 1)", "\(bad)")
    }
    windows = TokenWindows(tokens: tokens, length: length, beginning: beginning)
  }

  /// Whether the tokens spell the same text in the tested model's vocabulary; true when the file does not tell.
  package func isSpelled(_ bytes: [UInt8]) -> Bool {
    spelling.map { expected in bytes.withUnsafeBytes { XXHash64.hash($0) } == expected } ?? true
  }

  /// The first windows alone, all when there are fewer.
  package func windows(limit: Int?) -> TokenWindows {
    windows.prefix(min(limit ?? windows.count, windows.count))
  }

  /// Compares the size on disk with what the header promises.
  private static func checkSize(
    _ file: ReadableFile, _ format: BaseFormat, length: Int, count: Int, vocabularySize: Int
  ) throws {
    let window = CodedRecord.byteCount(vocabularySize: vocabularySize) * (length - 1 - length / 2)
    if format == .llama {
      let expected = BaseLayout.llamaHeaderSize + count * (4 * length + window)
      guard file.byteCount >= expected else {
        throw truncated(file.path, "the file", "\(expected) bytes", "\(file.byteCount)")
      }
      guard file.byteCount == expected else {
        throw damaged(file.path, "\(expected) bytes", "\(file.byteCount)")
      }
      return
    }
    let whole = try FrameScan.frames(file, limit: count + 1)
    guard let frames = whole, frames.count == count + 1 else {
      // More frames than windows cannot come from cutting the file off.
      if let whole, whole.count > count + 1 { throw damaged(file.path, "\(count) windows", "more") }
      throw truncated(
        file.path, "the file", "\(count) windows",
        whole.map { "\(max(0, $0.count - 1)) in \(file.byteCount) bytes" }
          ?? "the end within one, at byte \(file.byteCount)")
    }
    let sizes = frames.map(\.contentSize)
    guard sizes[0] == UInt64(BaseLayout.headerSize + 4 * length * count),
      format == .compact || sizes.dropFirst().allSatisfy({ $0 == UInt64(window + 8) })
    else { throw damaged(file.path, "frames of the sizes that the header gives", "others") }
  }

  /// Reads the next window and gives the distributions of its scored positions to `body`.
  ///
  /// - Throws: As ``init(path:beginning:)``, and what `body` throws.
  func nextWindow<Result>(_ body: ([BaseDistribution]) throws -> Result) throws -> Result {
    position += 1
    let positions = windows.scoredPerWindow
    if format == .compact {
      var bytes: [UInt8] = []
      for _ in 0..<positions {
        let head = try Self.take(2, stream, "a record")
        bytes += head
        bytes += try Self.take(12 + 8 * (Int(head[0]) | Int(head[1]) << 8), stream, "a record")
      }
      try check(bytes)
      let records = try bytes.withUnsafeBytes { bytes in
        var cursor = ByteCursor(bytes)
        return try (0..<positions).map { _ in
          guard let record = CompactRecord(&cursor, vocabularySize: vocabularySize) else {
            throw impossible()
          }
          return BaseDistribution.compact(record)
        }
      }
      return try body(records)
    }
    let size = CodedRecord.byteCount(vocabularySize: vocabularySize)
    let bytes = try Self.take(size * positions, stream, "a window's probabilities")
    if format == .full { try check(bytes) }
    return try bytes.withUnsafeBytes { bytes in
      let records = (0..<positions).map {
        CodedRecord(UnsafeRawBufferPointer(rebasing: bytes[($0 * size)..<(($0 + 1) * size)]))
      }
      guard records.allSatisfy(\.isPossible) else { throw impossible() }
      return try body(records.map { .codes($0) })
    }
  }

  /// Compares the bytes of a window with the hash that follows them.
  private func check(_ bytes: [UInt8]) throws {
    let stored = try Self.take(8, stream, "the hash of a window")
    let expected = stored.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
    let found = bytes.withUnsafeBytes { XXHash64.hash($0) }
    guard found == expected else {
      throw Self.damaged(
        path, "window \(position) with the hash \(XXHash64.text(expected))", XXHash64.text(found))
    }
  }

  private func impossible() -> EvaluationError {
    Self.damaged(path, "log-probabilities in window \(position)", "impossible values")
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
        throw truncated(stream.path, what, "\(count) bytes", "\(bytes.count) to the end")
      }
    }
    return bytes
  }

  private static func truncated(_ path: String, _ what: String, _ expected: String, _ found: String)
    -> EvaluationError
  {
    EvaluationError(
      .truncatedBase,
      Fault(file: path, subject: what, expected: expected, found: found, remedy: "make the base file again"))
  }

  private static func notABase(_ path: String, _ found: String) -> EvaluationError {
    EvaluationError(
      .notABaseFile,
      Fault(
        file: path, expected: "base probabilities of Pouch or llama.cpp", found: "\(found)",
        remedy: "make one by a run with \(.baseProbabilities) and without \(.divergence)"))
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
