internal import Foundation
internal import Synchronization

internal import FileBytes

/// What a job depends on; a journal is valid for exactly one value.
public struct JobFingerprint: Codable, Hashable, Sendable {
  /// The version of Pouch.
  public var version: String
  /// Names, sizes, times and header hashes of the sources.
  public var sources: String
  /// The importance data.
  public var importance: String
  /// Names, types, offsets and feeds of the whole plan.
  public var plan: String

  /// The parts in which `other` differs, in words.
  func differences(from other: JobFingerprint) -> [String] {
    var parts: [String] = []
    if version != other.version { parts.append("the version of Pouch (\(version), now \(other.version))") }
    if sources != other.sources { parts.append("the source files") }
    if importance != other.importance { parts.append("the importance data") }
    if plan != other.plan { parts.append("the output type, flags or output names") }
    return parts
  }
}

/// The record of finished tiles that lets a killed run continue.
///
/// Layout: one line of JSON (the fingerprint) and a line feed, then records of 56 bytes,
/// little-endian: tensor index u64, first row u64, row count u64, XXH64 of the
/// stored bytes u64, rows that became zeros u32 (high half) and rows that were zeros
/// u32 (low half), the largest magnitude that was lost f32 in the low half of a u64,
/// XXH64 of the preceding 48 bytes u64. A torn last record fails
/// its own hash and counts as absent. Records say which rows are in the partial
/// files; they are verified against those files before they are believed.
final class Journal: Sendable {
  struct Record: Hashable, Sendable {
    var tensor: Int
    var firstRow: Int
    var rowCount: Int
    var hash: UInt64
    /// What became of these rows.
    var losses: RowLosses

    static let byteCount = 56
    private static let bodyByteCount = 48

    var encoded: [UInt8] {
      var bytes: [UInt8] = []
      bytes.reserveCapacity(Self.byteCount)
      let (counts, largest) = losses.words
      for word in [UInt64(tensor), UInt64(firstRow), UInt64(rowCount), hash, counts, largest] {
        withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0) }
      }
      let check = bytes.withUnsafeBytes { XXHash64.hash($0) }
      withUnsafeBytes(of: check.littleEndian) { bytes.append(contentsOf: $0) }
      return bytes
    }

    /// Decodes a record, or returns `nil` when it is torn or absurd.
    init?(_ cursor: inout ByteCursor) {
      guard let body = cursor.take(Self.bodyByteCount) else { return nil }
      guard let check: UInt64 = cursor.read(), check == XXHash64.hash(body) else { return nil }
      var words = ByteCursor(body)
      guard let tensor: UInt64 = words.read(), let first: UInt64 = words.read(),
        let count: UInt64 = words.read(), let hash: UInt64 = words.read(),
        let lost: UInt64 = words.read(), let largest: UInt64 = words.read(),
        let tensorIndex = Int(exactly: tensor), let firstRow = Int(exactly: first),
        let rowCount = Int(exactly: count)
      else { return nil }
      self.init(
        tensor: tensorIndex, firstRow: firstRow, rowCount: rowCount, hash: hash,
        losses: RowLosses(counts: lost, largest: largest))
    }

    init(tensor: Int, firstRow: Int, rowCount: Int, hash: UInt64, losses: RowLosses) {
      self.tensor = tensor
      self.firstRow = firstRow
      self.rowCount = rowCount
      self.hash = hash
      self.losses = losses
    }
  }

  private let file: WritableFile
  private let end: Mutex<Int>
  /// The records found when the journal was opened.
  let existing: [Record]

  /// Opens the journal at `path`, or starts one.
  ///
  /// - Throws: ``ConversionError`` with `outputInUse`, `journalMismatch` (naming what changed) or `journalDamaged`.
  init(path: String, fingerprint: JobFingerprint, startOver: Bool) throws {
    file = try WritableFile(path: path, mode: .keep)
    guard file.tryLock() else {
      throw ConversionError(
        .outputInUse,
        Fault(
          file: path, expected: "no other run writing this output", found: "a run that is still going on",
          remedy: "wait for it, or stop it first"))
    }
    let header = try Self.encode(fingerprint)
    let size = startOver ? 0 : file.currentByteCount()
    var records: [Record] = []
    if size > 0 {
      let content = try ReadableFile(path: path).bytes(at: 0, count: size)
      let line = content.prefix { $0 != UInt8(ascii: "\n") }
      if line.count == content.count {
        // The run died before the first line was complete: nothing is recorded.
        try Self.restart(file, header)
        end = Mutex(header.count)
        existing = []
        return
      }
      guard let found = try? JSONDecoder().decode(JobFingerprint.self, from: Data(line)) else {
        throw ConversionError(
          .journalDamaged,
          Fault(
            file: path, expected: "a journal of Pouch", found: "an unreadable first line",
            remedy: "remove it together with the .partial file, or use --force to start over"))
      }
      let changed = found.differences(from: fingerprint)
      guard changed.isEmpty else {
        throw ConversionError(
          .journalMismatch,
          Fault(
            file: path, expected: "the journal of this very job",
            found: "one of another job: \(changed.joined(separator: ", ")) changed",
            remedy: "repeat the earlier command to finish it, or use --force to start over"))
      }
      content.withUnsafeBytes { bytes in
        var cursor = ByteCursor(bytes, offset: line.count + 1)
        while let record = Record(&cursor) { records.append(record) }
      }
      existing = records
      end = Mutex(header.count + records.count * Record.byteCount)
    } else {
      try Self.restart(file, header)
      existing = []
      end = Mutex(header.count)
    }
  }

  /// Appends a record; safe from any thread.
  func append(_ record: Record) throws {
    let bytes = record.encoded
    let position = end.withLock { end in
      defer { end += bytes.count }
      return end
    }
    try bytes.withUnsafeBytes { try file.write($0, at: position) }
  }

  private static func encode(_ fingerprint: JobFingerprint) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    return [UInt8](try encoder.encode(fingerprint)) + [UInt8(ascii: "\n")]
  }

  private static func restart(_ file: WritableFile, _ header: [UInt8]) throws {
    try file.truncate()
    try header.withUnsafeBytes { try file.write($0, at: 0) }
  }
}
