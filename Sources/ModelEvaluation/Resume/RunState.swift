internal import FileBytes
internal import Foundation

/// The finished windows of a run on disk, so that an interrupted run goes on and ends with the same numbers.
///
/// A record holds what every scored position gave, not sums: read back in order, sums, percentiles and the line of
/// each window come out bit for bit as they would have without the interruption.
///
/// Layout: one line of JSON (``RunJob``) and a line feed, then a record per window, little-endian: u32 part (the number
/// of the model where models run one after the other, else 0), u32 window, u64 bytes of content, the content, and u64
/// XXH64 of all that, seeded with the hash before it; the first seed is the hash of the line. What does not fit its
/// hash, as after a crash in the middle of a write, counts as absent together with everything after it.
public final class RunState {
  /// The path as given.
  public let path: String
  /// Windows that were finished when the file was opened, over all parts.
  public let resumedWindowCount: Int
  private let file: WritableFile
  private let records: [[Int: [UInt8]]]
  private var end: Int
  private var appended = 0
  private var chain: UInt64
  private static let contentLimit = 1 << 32

  /// Opens the state at `path`, or starts one.
  ///
  /// - Throws: ``EvaluationError`` with `inUse`, `stateMismatch` (naming what changed) or `damagedState`; `FileError`.
  public init(path: String, job: RunJob) throws {
    self.path = path
    let file = try WritableFile(path: path, mode: .keep)
    self.file = file
    guard file.tryLock() else {
      throw EvaluationError(
        .inUse,
        Fault(
          file: path, expected: "no other run with this state", found: "a run that is still going on",
          remedy: "wait for it, or stop it first"))
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let line = [UInt8](try encoder.encode(job)) + [UInt8(ascii: "\n")]
    let size = file.currentByteCount()
    let content = size > 0 ? try ReadableFile(path: path).bytes(at: 0, count: size) : []
    var records: [[Int: [UInt8]]] = job.tokens.map { _ in [:] }
    var chain = Self.hash(line[...], 0)
    var end = line.count
    if content.contains(UInt8(ascii: "\n")) {
      try Self.compare(content, job, path)
      guard content.starts(with: line) else { throw Self.foreign(path) }
      while let record = Self.record(content, at: end, chain), record.part < records.count {
        records[record.part][record.window] = record.content
        end += 24 + record.content.count
        chain = record.hash
      }
    } else {
      // Nothing yet, or a run that died within the first line. Anything else is not ours to replace.
      guard line.starts(with: content) else { throw Self.foreign(path) }
      try file.truncate()
      try line.withUnsafeBytes { try file.write($0, at: 0) }
    }
    (self.records, self.chain, self.end) = (records, chain, end)
    resumedWindowCount = records.reduce(0) { $0 + $1.count }
  }

  /// Makes sure that the first line is that of the same job; the same job has the same line.
  private static func compare(_ content: [UInt8], _ job: RunJob, _ path: String) throws {
    let line = content.prefix { $0 != UInt8(ascii: "\n") }
    guard let found = try? JSONDecoder().decode(RunJob.self, from: Data(line)) else { throw foreign(path) }
    let changed = found.differences(from: job)
    guard changed.isEmpty else {
      throw EvaluationError(
        .stateMismatch,
        Fault(
          file: path, expected: "the state of this very run",
          found: "one of another run: \(changed.joined(separator: "; ")) changed",
          remedy: "repeat the earlier command to finish it, or name another state file to start over"))
    }
  }

  deinit {
    // A state without a window is of no use to anybody.
    if records.allSatisfy(\.isEmpty), appended == 0 { finish() }
  }

  /// Whether a window was finished when the file was opened.
  public func isRecorded(part: Int, window: Int) -> Bool {
    records.indices.contains(part) && records[part][window] != nil
  }

  /// What was recorded of a window.
  func content(part: Int, window: Int) -> [UInt8]? { records[part][window] }

  /// Adds a window; it is kept even if the process is killed right after.
  func append(part: Int, window: Int, content: [UInt8]) throws {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(24 + content.count)
    bytes.appendLittleEndian(UInt32(clamping: part))
    bytes.appendLittleEndian(UInt32(clamping: window))
    bytes.appendLittleEndian(UInt64(content.count))
    bytes += content
    chain = Self.hash(bytes[...], chain)
    bytes.appendLittleEndian(chain)
    try bytes.withUnsafeBytes { try file.write($0, at: end) }
    end += bytes.count
    appended += 1
  }

  /// Removes the file; the run is complete.
  public func finish() { FileSystem.remove(path) }

  private struct Record {
    var part: Int
    var window: Int
    var content: [UInt8]
    var hash: UInt64
  }

  private static func record(_ bytes: [UInt8], at offset: Int, _ chain: UInt64) -> Record? {
    bytes.withUnsafeBytes { all in
      var cursor = ByteCursor(all, offset: offset)
      guard let part = cursor.read(UInt32.self), let window = cursor.read(UInt32.self),
        let size = cursor.read(UInt64.self), size <= contentLimit, let content = cursor.take(Int(size))
      else { return nil }
      let hash = XXHash64.hash(UnsafeRawBufferPointer(rebasing: all[offset..<cursor.offset]), seed: chain)
      guard cursor.read(UInt64.self) == hash else { return nil }
      return Record(part: Int(part), window: Int(window), content: Array(content), hash: hash)
    }
  }

  private static func hash(_ bytes: ArraySlice<UInt8>, _ seed: UInt64) -> UInt64 {
    bytes.withUnsafeBytes { XXHash64.hash($0, seed: seed) }
  }

  private static func foreign(_ path: String) -> EvaluationError {
    EvaluationError(
      .damagedState,
      Fault(
        file: path, expected: "the state of an interrupted run, or no file", found: "something else",
        remedy: "name another file with --resume"))
  }
}

extension RunState {
  /// The surprises of a window, or `nil` when it is not finished.
  func surprises(part: Int, window: Int, count: Int) throws -> (values: [Double], mark: BaseMark)? {
    guard let content = content(part: part, window: window) else { return nil }
    guard content.count == 16 + 8 * count else { throw Self.foreign(path) }
    return content.withUnsafeBytes { bytes in
      func word(_ index: Int) -> UInt64 {
        UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self))
      }
      return (
        (0..<count).map { Double(bitPattern: word(2 + $0)) },
        BaseMark(byteCount: Int(clamping: word(0)), hash: word(1))
      )
    }
  }

  func append(part: Int, window: Int, surprises: [Double], mark: BaseMark) throws {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(16 + 8 * surprises.count)
    bytes.appendLittleEndian(UInt64(mark.byteCount))
    bytes.appendLittleEndian(mark.hash)
    for surprise in surprises { bytes.appendLittleEndian(surprise.bitPattern) }
    try append(part: part, window: window, content: bytes)
  }

  /// The scores of a window, `[models, positions]`, or `nil` when it is not finished.
  func scores(part: Int, window: Int, models: Int, positions: Int) throws -> [[PositionScore]]? {
    guard let content = content(part: part, window: window) else { return nil }
    guard content.count == 17 * models * positions else { throw Self.foreign(path) }
    return content.withUnsafeBytes { bytes in
      (0..<models).map { model in
        (0..<positions).map { position in
          let start = 17 * (model * positions + position)
          func value(_ index: Int) -> Float {
            Float(
              bitPattern: UInt32(
                littleEndian: bytes.loadUnaligned(fromByteOffset: start + 4 * index, as: UInt32.self)))
          }
          return PositionScore(
            surprise: value(0), baseSurprise: value(1), divergence: value(2), divergenceBound: value(3),
            isSameTop: bytes[start + 16] != 0)
        }
      }
    }
  }

  func append(part: Int, window: Int, scores: [[PositionScore]]) throws {
    var bytes: [UInt8] = []
    for score in scores.joined() {
      for value in [score.surprise, score.baseSurprise, score.divergence, score.divergenceBound] {
        bytes.appendLittleEndian(value.bitPattern)
      }
      bytes.append(score.isSameTop ? 1 : 0)
    }
    try append(part: part, window: window, content: bytes)
  }
}
