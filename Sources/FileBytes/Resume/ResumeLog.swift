internal import Synchronization

/// One thing that a run has finished, as a ``ResumeLog`` stores it.
package protocol ResumeRecord: Sendable {
  /// Reads what ``encode(into:)`` wrote, all of it; `nil` when it makes no sense.
  init?(decoding cursor: inout ByteCursor)
  /// Appends the record's bytes.
  func encode(into bytes: inout [UInt8])
}

/// What a run has finished so far, on disk, so that a killed run can be gone on with.
///
/// The file begins with the ``Fingerprint`` of the job (``ResumeLogHead`` has the layout); then a record follows for
/// everything that is done: u32 bytes of content, the content, u64 XXH64 of these, seeded with the hash before it; the
/// first seed is the last hash of the head. All numbers are little-endian.
///
/// As hashes are chained, a record counts only behind all those before it: at the first one that is torn or damaged the
/// log ends, what follows is dropped when it is opened, and its work is done again. A damaged head is refused instead,
/// for nobody can say whose the records are. The file is locked for as long as the object lives.
///
/// A record is safe from the end of the process as soon as ``append(_:)`` returns. It is not forced to disk: after a
/// power failure the log ends earlier, which costs work and nothing else. Records that speak of other files, whose
/// bytes may have been lost then, carry hashes of these bytes, to be compared before they are believed.
package final class ResumeLog<Record: ResumeRecord>: Sendable {
  /// What becomes of a file that is there.
  package enum Opening: Hashable, Sendable {
    /// The log of the same job is gone on with, anything else refused.
    case goesOn
    /// The log of the same job is gone on with, anything else replaced.
    case replacesOthers
    /// Whatever is there is replaced.
    case startsOver
  }

  /// The path as given.
  package let path: String
  /// The records found when the log was opened.
  package let existing: [Record]
  private let file: WritableFile
  private let words: ResumeLogWords
  /// Keeps out processes on other machines, for logs that these may open.
  private let owner: RunOwner?
  private let end: Mutex<ResumeLogEnd>

  /// Opens the log at `path`, or starts one.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - fingerprint: What the job depends on.
  ///   - words: How messages speak of the log.
  ///   - opening: What becomes of a file that is there.
  ///   - isShared: Whether processes on other machines may open it, too: then a file beside it, `PATH.owner`, says which
  ///     process works on it.
  ///   - onWait: Called with the name of an owner on another machine before it is watched for long whether it lives.
  /// - Throws: ``ResumeLogError``, after which the file is as it was; ``FileError``.
  package init(
    path: String, fingerprint: Fingerprint, words: ResumeLogWords, opening: Opening = .goesOn,
    isShared: Bool = false, onWait: (String) -> Void = { _ in }
  ) throws {
    self.path = path
    self.words = words
    let (file, owner) = try WritableFile.locked(path: path, words, isShared: isShared, onWait)
    self.file = file
    self.owner = owner
    let head = ResumeLogHead(fingerprint)
    let content = opening == .startsOver ? [] : try file.contents()
    var records: [Record] = []
    var end = head.end
    if try Self.belongs(content, to: fingerprint, path, words, replaces: opening == .replacesOthers) {
      records = try content.withUnsafeBytes { try Self.records($0, from: &end, path, words) }
      if content.count > end.offset { try file.truncate(to: end.offset) }
    } else {
      try file.truncate()
      try head.bytes.withUnsafeBytes { try file.write($0, at: 0) }
    }
    existing = records
    self.end = Mutex(end)
  }

  /// Reads a log that another run left, or is still writing, and changes nothing.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - words: How messages speak of the log.
  /// - Returns: What the run depends on, and its records up to the first one that is torn or damaged.
  /// - Throws: ``ResumeLogError``, ``FileError``.
  package static func read(path: String, words: ResumeLogWords) throws -> (
    fingerprint: Fingerprint, records: [Record]
  ) {
    let file = try ReadableFile(path: path)
    return try file.bytes(at: 0, count: file.byteCount).withUnsafeBytes { content in
      switch ResumeLogHead.read(content) {
      case .job(let fingerprint):
        var end = ResumeLogHead(fingerprint).end
        return (fingerprint, try records(content, from: &end, path, words))
      case .nothing: throw words.notALog(path, "nothing that was recorded")
      case .damaged: throw words.damaged(path, "damage in its first bytes")
      case .otherVersion(let version):
        throw words.notALog(path, "one in format \(version), which another version wrote")
      case .somethingElse: throw words.notALog(path, "something else, or that of another version")
      }
    }
  }

  /// What the run depends on that left a log, or is still writing it.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - words: How messages speak of the log.
  /// - Returns: `nil` when there is no such file, or nothing was recorded in it.
  /// - Throws: ``ResumeLogError``, ``FileError``.
  package static func fingerprint(path: String, words: ResumeLogWords) throws -> Fingerprint? {
    guard FileSystem.isFile(path) else { return nil }
    let file = try ReadableFile(path: path)
    let start = try file.bytes(at: 0, count: min(file.byteCount, ResumeLogHead.mostBytes))
    switch start.withUnsafeBytes(ResumeLogHead.read) {
    case .job(let fingerprint): return fingerprint
    case .nothing: return nil
    case .damaged: throw words.damaged(path, "damage in its first bytes")
    case .otherVersion(let version):
      throw words.notALog(path, "one in format \(version), which another version wrote")
    case .somethingElse: throw words.notALog(path, "something else, or that of another version")
    }
  }

  /// The records of a log from a place on, which is moved behind the last whole one.
  private static func records(
    _ content: UnsafeRawBufferPointer, from end: inout ResumeLogEnd, _ path: String, _ words: ResumeLogWords
  ) throws -> [Record] {
    var records: [Record] = []
    var cursor = ByteCursor(content, offset: end.offset)
    while let (body, hash) = next(&cursor, end.chain) {
      var inner = ByteCursor(body)
      guard let record = Record(decoding: &inner), inner.remaining == 0 else {
        throw words.damaged(path, "a record at byte \(end.offset) that makes no sense")
      }
      records.append(record)
      end = ResumeLogEnd(offset: cursor.offset, chain: hash, isEmpty: false)
    }
    return records
  }

  /// Whether `content` is the log of this job; if not, the file may be replaced.
  private static func belongs(
    _ content: [UInt8], to fingerprint: Fingerprint, _ path: String, _ words: ResumeLogWords, replaces: Bool
  ) throws -> Bool {
    let refusal: ResumeLogError
    switch content.withUnsafeBytes(ResumeLogHead.read) {
    case .nothing: return false
    case .job(let found):
      let differences = found.differences(from: fingerprint)
      if differences.isEmpty { return true }
      refusal = words.otherJob(path, differences)
    case .damaged: refusal = words.damaged(path, "damage in its first bytes")
    case .otherVersion(let version):
      refusal = words.notALog(path, "one in format \(version), which another version wrote")
    case .somethingElse: refusal = words.notALog(path, "something else, or that of another version")
    }
    guard replaces else { throw refusal }
    return false
  }

  /// The content and the hash of the next record; `nil` at the end, and where it is torn or damaged.
  private static func next(_ cursor: inout ByteCursor, _ chain: UInt64) -> (
    content: UnsafeRawBufferPointer, hash: UInt64
  )? {
    let start = cursor.offset
    guard let count: UInt32 = cursor.read(), let content = cursor.take(Int(count)) else { return nil }
    let hash = XXHash64.hash(
      UnsafeRawBufferPointer(rebasing: cursor.bytes[start..<cursor.offset]), seed: chain)
    return cursor.read(UInt64.self) == hash ? (content, hash) : nil
  }

  /// Adds a record, from any thread; records stand in the order of the calls.
  ///
  /// - Throws: ``FileError``; the log is then as if the call had not been made.
  package func append(_ record: Record) throws {
    var bytes: [UInt8] = [0, 0, 0, 0]
    record.encode(into: &bytes)
    guard let count = UInt32(exactly: bytes.count - 4) else {
      preconditionFailure("a record of 4 GiB or more")
    }
    withUnsafeBytes(of: count.littleEndian) { bytes.replaceSubrange(0..<4, with: $0) }
    // What another process works on in this one's place must not be written by both.
    if owner?.isLost == true { throw words.inUse(path, "one that took this one for dead") }
    try end.withLock { end in
      let hash = bytes.withUnsafeBytes { XXHash64.hash($0, seed: end.chain) }
      bytes.appendLittleEndian(hash)
      try bytes.withUnsafeBytes { try file.write($0, at: end.offset) }
      end = ResumeLogEnd(offset: end.offset + bytes.count, chain: hash, isEmpty: false)
    }
  }

  /// Whether there is no record, neither found nor added.
  package var isEmpty: Bool { end.withLock(\.isEmpty) }

  /// Removes the file; it stays locked until the object goes away.
  package func remove() {
    FileSystem.remove(path)
    owner?.release()
  }
}

/// Where the next record of a log goes.
struct ResumeLogEnd {
  var offset: Int
  /// The seed of its hash.
  var chain: UInt64
  /// Whether there are no records.
  var isEmpty: Bool
}

extension ResumeLogHead {
  /// The end of a log that has no records.
  fileprivate var end: ResumeLogEnd { ResumeLogEnd(offset: bytes.count, chain: chain, isEmpty: true) }
}

extension WritableFile {
  /// Opens a file for one run alone.
  fileprivate static func locked(
    path: String, _ words: ResumeLogWords, isShared: Bool, _ onWait: (String) -> Void
  ) throws -> (file: WritableFile, owner: RunOwner?) {
    guard FileSystem.kind(of: path) != .other else {
      throw words.notALog(path, "a pipe or device")
    }
    let ownerPath = path + ".owner"
    func inUse() -> ResumeLogError {
      words.inUse(path, RunOwner.Line(path: ownerPath)?.text)
    }
    while true {
      let file = try WritableFile(path: path, mode: .keep)
      let lock = file.lock()
      guard lock == .taken || isShared && lock == .notSupported else { throw inUse() }
      // The run that held the lock may have removed the file in between; a lock without a name keeps nobody out.
      guard file.isAtItsPath else { continue }
      guard isShared else { return (file, nil) }
      guard let owner = try RunOwner(path: ownerPath, holdsLock: lock == .taken, onWait: onWait) else {
        throw inUse()
      }
      if file.isAtItsPath { return (file, owner) }
      owner.release()
    }
  }

  fileprivate func contents() throws -> [UInt8] {
    let count = currentByteCount()
    return try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      initialized = try read(at: 0, into: UnsafeMutableRawBufferPointer(buffer)) ? count : 0
    }
  }
}
