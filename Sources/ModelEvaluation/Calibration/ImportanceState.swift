package import FileBytes

/// The sums of every window that a part of a calibration run has read, on disk.
///
/// Sums of all windows are f32 and are added window by window; the sums of parts, added to each other, would differ in
/// their last bits. So each window's are kept, and added in the order of windows when the parts are joined. That takes as
/// many bytes per window as the importance file has, less those of experts that saw nothing and of matrices that see the
/// same input; they are in `STATE.sums`, and the `ResumeLog` in `STATE` says where.
package final class ImportanceState {
  /// The path as given.
  package let path: String
  private let log: ResumeLog<WindowSumsRecord>
  private let file: WritableFile
  private var end = 0
  /// The windows whose sums are all there, with the surprises of their tokens.
  private var finished: [Int: [Double]] = [:]
  /// Where sums are that were written last, by their hash: matrices with one input come one after the other.
  private var latest: [(hash: UInt64, sums: WindowSums)] = []

  /// The file of sums of a state.
  static func sumsPath(_ path: String) -> String { path + ".sums" }

  /// Opens the state of a part, or starts one.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - fingerprint: What the run depends on.
  ///   - part: The part.
  ///   - onWait: Called with the name of a process on another machine before it is watched whether it still lives.
  /// - Throws: `ResumeLogError`, `FileError`.
  package init(path: String, fingerprint: Fingerprint, part: RunPart, onWait: (String) -> Void) throws {
    self.path = path
    log = try ResumeLog(
      path: path, fingerprint: fingerprint.of(part), words: .state, isShared: true, onWait: onWait)
    file = try WritableFile(path: Self.sumsPath(path), mode: .keep)
    let index = StoredSums(log.existing)
    for (window, surprises) in index.surprises {
      // Bytes that were lost with the power are made again.
      if try (index.sums[window] ?? []).allSatisfy({ try Self.read($0, from: file) != nil }) {
        finished[window] = surprises
      }
    }
    end = index.end
  }

  /// Whether all sums of a window are there.
  package func isFinished(_ window: Int) -> Bool { finished[window] != nil }

  /// Windows that are finished.
  package var finishedCount: Int { finished.count }

  /// Keeps the sums of a window at the input of some matrices.
  func add(window: Int, name: String, columns: Int, sums: [Float], counts: [Int64]) throws {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(4 * sums.count)
    for matrix in counts.indices where counts[matrix] > 0 {
      for value in sums[(matrix * columns)..<((matrix + 1) * columns)] {
        bytes.appendLittleEndian(value.bitPattern)
      }
    }
    let hash = bytes.withUnsafeBytes { XXHash64.hash($0) }
    var record = WindowSums(
      window: window, name: name, columns: columns, counts: counts, offset: end, hash: hash)
    let known = latest.first {
      $0.hash == hash && $0.sums.window == window && $0.sums.columns == columns && $0.sums.counts == counts
    }
    if let known {
      record.offset = known.sums.offset
    } else {
      try bytes.withUnsafeBytes { try file.write($0, at: end) }
      end += bytes.count
      latest.append((hash, record))
      if latest.count > Self.mostLatest { latest.removeFirst() }
    }
    try log.append(.sums(record))
  }

  private static let mostLatest = 64

  /// Notes that all sums of a window are there.
  func finish(window: Int, surprises: [Double]) throws {
    try log.append(.finished(window: window, surprises: surprises))
    finished[window] = surprises
  }

  /// Reads sums back; `nil` when they are not what was recorded.
  static func read(_ sums: WindowSums, from file: WritableFile) throws -> [Float]? {
    guard let count = sums.byteCount, sums.offset + count <= file.currentByteCount() else { return nil }
    var bytes = [UInt8](repeating: 0, count: count)
    guard try bytes.withUnsafeMutableBytes({ try file.read(at: sums.offset, into: $0) }),
      bytes.withUnsafeBytes({ XXHash64.hash($0) }) == sums.hash
    else { return nil }
    return bytes.withUnsafeBytes { bytes in
      (0..<(count / 4)).map {
        Float(
          bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)))
      }
    }
  }
}

/// What the records of a state say.
struct StoredSums {
  /// The sums of each window, each matrix once.
  private(set) var sums: [Int: [WindowSums]] = [:]
  /// The surprises of finished windows.
  private(set) var surprises: [Int: [Double]] = [:]
  /// Where the next sums go.
  private(set) var end = 0

  init(_ records: [WindowSumsRecord]) {
    var latest: [Int: [String: WindowSums]] = [:]
    for record in records {
      switch record {
      case .sums(let sums):
        latest[sums.window, default: [:]][sums.name] = sums
        if let count = sums.byteCount { end = max(end, sums.offset + count) }
      case .finished(let window, let values): surprises[window] = values
      }
    }
    sums = latest.mapValues { $0.values.sorted { ($0.offset, $0.name) < ($1.offset, $1.name) } }
  }
}
