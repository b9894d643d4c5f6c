internal import FileBytes

/// Something that a measurement of sensitivities has found, as its journal stores it.
///
/// Content: u32 bytes of the key, the key, then numbers as f64, little-endian.
struct SensitivityRecord: ResumeRecord, Hashable {
  /// What was measured: ``Key/text``.
  var key: String
  var values: [Double]

  init(key: String, values: [Double]) {
    self.key = key
    self.values = values
  }

  init?(decoding cursor: inout ByteCursor) {
    guard let key = cursor.readText(), cursor.remaining % 8 == 0 else { return nil }
    var values: [Double] = []
    while let bits: UInt64 = cursor.read() { values.append(Double(bitPattern: bits)) }
    self.init(key: key, values: values)
  }

  func encode(into bytes: inout [UInt8]) {
    bytes.appendText(key)
    for value in values { bytes.appendLittleEndian(value.bitPattern) }
  }
}

/// The journal of a measurement: what was found so far, in memory and, where there is a file, on disk.
final class SensitivityJournal {
  private let log: ResumeLog<SensitivityRecord>?
  private var found: [String: [Double]]
  /// Measurements that an earlier run made.
  let resumedCount: Int

  /// Opens the journal at `path`, or starts one; without a path nothing outlives the run.
  ///
  /// - Throws: `ResumeLogError` when it is in use or of another run; `FileError`.
  init(path: String?, fingerprint: Fingerprint) throws {
    log = try path.map {
      try ResumeLog(
        path: $0, fingerprint: fingerprint,
        words: ResumeLogWords(name: "state", startOver: "remove the file to start over"))
    }
    let existing = log?.existing ?? []
    found = Dictionary(existing.map { ($0.key, $0.values) }) { _, last in last }
    resumedCount = found.count
  }

  /// What was found under a key.
  subscript(key: String) -> [Double]? { found[key] }

  /// Adds a measurement; it is kept even if the process is killed right after.
  ///
  /// - Throws: `FileError`.
  func add(_ key: String, _ values: [Double]) throws {
    try log?.append(SensitivityRecord(key: key, values: values))
    found[key] = values
  }

  /// Removes the file; the table is complete.
  func finish() { log?.remove() }
}
