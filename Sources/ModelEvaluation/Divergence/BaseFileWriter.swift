internal import FileBytes
internal import ZstdStreams

/// Writes base probabilities, window by window, under a temporary name until all are there.
package final class BaseFileWriter {
  /// The final name.
  package let path: String
  let encoder: BaseEncoder
  private let windows: TokenWindows
  private let file: WritableFile
  private let isKept: Bool
  private var mark = BaseMark()
  /// Where the first window begins.
  private var start = BaseMark()
  private let header: [UInt8]
  private let wasThere: Bool
  private var written = 0
  private var isFinished = false

  /// Starts a file.
  ///
  /// - Parameters:
  ///   - path: Where it goes; an existing file is replaced at the end.
  ///   - format: How probabilities are stored.
  ///   - windows: The windows that will be written, one after the other without overlap.
  ///   - vocabularySize: Values per row of logits.
  ///   - textHash: The hash of the text.
  ///   - spelling: The bytes that the tokens spell in the model's vocabulary, for comparison by readers.
  ///   - listedTokens: For `compact`, the most tokens listed per position, 1 to 65535.
  ///   - isKept: Whether the file under its temporary name outlives an interrupted run and is gone on from.
  /// - Throws: `FileError`; ``EvaluationError`` with `inUse` or `badWindow`.
  package init(
    path: String, format: BaseFormat, windows: TokenWindows, vocabularySize: Int, textHash: UInt64,
    spelling: [UInt8] = [], listedTokens: Int = 256, isKept: Bool = false
  ) throws {
    guard !windows.isStrided else {
      throw EvaluationError(
        .badWindow,
        Fault(file: path, subject: "stride", expected: "none with base files", found: "\(windows.step)"))
    }
    self.path = path
    self.windows = windows
    self.isKept = isKept
    encoder = BaseEncoder(format: format, limit: min(max(listedTokens, 1), 65535))
    file = try WritableFile(path: path + ".partial", mode: .keep)
    guard file.tryLock() else {
      isFinished = true
      throw EvaluationError(
        .inUse,
        Fault(
          file: path + ".partial", expected: "no other run writing this file",
          found: "a run that is still going on", remedy: "wait for it, or stop it first"))
    }
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
      header.appendLittleEndian(spelling.withUnsafeBytes { XXHash64.hash($0) })
    }
    for token in windows.tokens { header.appendLittleEndian(token) }
    self.header = header
    wasThere = isKept && file.currentByteCount() > 0
    if !isKept { try file.truncate() }
    try write(header)
    start = mark
  }

  deinit {
    // What goes on later is kept if there is anything in it.
    if !isFinished, !isKept || written == 0 && !wasThere { FileSystem.remove(path + ".partial") }
  }

  private func write(_ bytes: [UInt8]) throws {
    let output: [UInt8]
    switch encoder.format {
    case .compact: output = try ZstdWriter.compress(bytes, level: 9)
    case .full: output = try ZstdWriter.compress(bytes, level: 3)
    case .llama: output = bytes
    }
    try output.withUnsafeBytes {
      try file.write($0, at: mark.byteCount)
      mark.hash = XXHash64.hash($0, seed: mark.hash)
    }
    mark.byteCount += output.count
  }

  /// Adds the records of a window and returns how far the file is now.
  func append(window records: [[UInt8]]) throws -> BaseMark {
    var bytes = Array(records.joined())
    if encoder.format != .llama {
      bytes.appendLittleEndian(bytes.withUnsafeBytes { XXHash64.hash($0) })
    }
    try write(bytes)
    written += 1
    return mark
  }

  /// Goes on from what an interrupted run left.
  ///
  /// - Parameter marks: How far the file was after each of the first windows.
  /// - Returns: How many windows are whole on disk; the others have to be made again.
  /// - Throws: `FileError`.
  func resume(_ marks: [BaseMark]) throws -> Int {
    written = 0
    guard !marks.isEmpty else {
      // What is there may be of another run.
      try file.truncate()
      mark = BaseMark()
      try write(header)
      return 0
    }
    mark = start
    for next in marks {
      let count = next.byteCount - mark.byteCount
      guard count > 0, next.byteCount <= file.currentByteCount() else { break }
      var bytes = [UInt8](repeating: 0, count: count)
      let offset = mark.byteCount
      guard try bytes.withUnsafeMutableBytes({ try file.read(at: offset, into: $0) }),
        bytes.withUnsafeBytes({ XXHash64.hash($0, seed: mark.hash) }) == next.hash
      else { break }
      mark = next
      written += 1
    }
    return written
  }

  /// Completes the file and gives it its name; does nothing when windows are missing.
  ///
  /// - Returns: The size in bytes, `nil` when the run ended early and the file has not got its name.
  /// - Throws: `FileError`; ``EvaluationError`` with `damagedState` when the disk holds more than was written.
  package func finish() throws -> Int? {
    guard written == windows.count else { return nil }
    guard file.currentByteCount() == mark.byteCount else {
      throw EvaluationError(
        .damagedState,
        Fault(
          file: path + ".partial", expected: "\(mark.byteCount) bytes", found: "\(file.currentByteCount())",
          remedy: "remove it together with the state file and start over"))
    }
    try file.synchronize()
    try FileSystem.rename(path + ".partial", to: path)
    isFinished = true
    return mark.byteCount
  }
}
