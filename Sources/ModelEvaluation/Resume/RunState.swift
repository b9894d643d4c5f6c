package import FileBytes

/// The finished windows of a run on disk, so that an interrupted run goes on and ends with the same numbers.
///
/// A record holds what every scored position gave, not sums: read back in order, sums, percentiles and the line of
/// each window come out bit for bit as they would have without the interruption. The file is a `ResumeLog`.
package final class RunState {
  /// The path as given; that of the first one where several are joined.
  package let path: String
  /// Windows that were finished when the file was opened, over all parts.
  package var resumedWindowCount: Int { contents.count }
  /// `nil` where states are joined, which are read alone.
  private let log: ResumeLog<WindowRecord>?
  private let contents: [WindowRecord.Place: [UInt8]]

  /// Opens the state at `path`, or starts one.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - fingerprint: What the run depends on.
  ///   - part: The part of the windows that it measures; `nil` for all of them.
  ///   - onWait: Called with the name of a process on another machine before it is watched whether it still lives.
  /// - Throws: `ResumeLogError` when it is in use, of another run (naming what changed) or no state; `FileError`.
  package init(
    path: String, fingerprint: Fingerprint, part: RunPart? = nil, onWait: (String) -> Void = { _ in }
  ) throws {
    let log = try ResumeLog<WindowRecord>(
      path: path, fingerprint: part.map(fingerprint.of) ?? fingerprint, words: .state,
      isShared: part != nil, onWait: onWait)
    self.path = path
    self.log = log
    contents = Self.contents(log.existing)
  }

  /// Takes the states of all parts of a run together; they stay as they are.
  ///
  /// - Parameters:
  ///   - paths: The files, in any order.
  ///   - fingerprint: What the run depends on.
  ///   - windows: The windows of each model that is measured on its own.
  ///   - command: The command that makes a part, for messages.
  /// - Throws: ``EvaluationError`` with `partsMissing`, naming all parts that are not complete; `ResumeLogError` for
  ///   states of other runs; `FileError`.
  package init(
    joining paths: [String], fingerprint: Fingerprint, windows: [TokenWindows],
    command: (_ part: RunPart, _ state: String?) -> String
  ) throws {
    var records: [WindowRecord] = []
    let states = try PartStates(paths, fingerprint) { path in
      let (found, own) = try ResumeLog<WindowRecord>.read(path: path, words: .state)
      records += own
      return found
    }
    let contents = Self.contents(records)
    let problems = RunPart.all(of: states.count).compactMap { part -> String? in
      let places = windows.enumerated().flatMap { index, windows in
        let own = windows.part(part)
        return (0..<own.count).map { WindowRecord.Place(part: index, window: own.number($0)) }
      }
      let missing = places.count { contents[$0] == nil }
      guard missing > 0 else { return nil }
      guard let path = states.paths[part] else { return "part \(part) has no state: \(command(part, nil))" }
      return "part \(part) lacks \(missing) of \(places.count) windows: \(command(part, path))"
    }
    try PartStates.refuse(problems, of: states.count, file: paths.first ?? "")
    path = paths.first ?? ""
    log = nil
    self.contents = contents
  }

  private static func contents(_ records: [WindowRecord]) -> [WindowRecord.Place: [UInt8]] {
    Dictionary(records.map { ($0.place, $0.content) }, uniquingKeysWith: { _, last in last })
  }

  deinit {
    // A state without a window is of no use to anybody.
    if log?.isEmpty == true { finish() }
  }

  /// The error for a window that no state has.
  static func missing(window: Int) -> EvaluationError {
    EvaluationError(
      .partsMissing,
      Fault(expected: "all windows in the states of the parts", found: "no window \(window + 1)"))
  }

  /// Whether a window was finished when the file was opened.
  package func isRecorded(part: Int, window: Int) -> Bool { content(part: part, window: window) != nil }

  /// What was recorded of a window.
  private func content(part: Int, window: Int) -> [UInt8]? {
    contents[WindowRecord.Place(part: part, window: window)]
  }

  /// Adds a window; it is kept even if the process is killed right after.
  private func append(part: Int, window: Int, content: [UInt8]) throws {
    try log?.append(WindowRecord(WindowRecord.Place(part: part, window: window), content: content))
  }

  /// Removes the file; the run is complete.
  package func finish() { log?.remove() }

  /// A record whose content is of another size than its window's.
  private func misfit() -> EvaluationError {
    EvaluationError(
      .damagedState,
      Fault(
        file: path, expected: "windows of this run", found: "one of another size",
        remedy: ResumeLogWords.state.startOver))
  }
}

extension RunState {
  /// The surprises of a window, or `nil` when it is not finished.
  func surprises(part: Int, window: Int, count: Int) throws -> (values: [Double], mark: BaseMark)? {
    guard let content = content(part: part, window: window) else { return nil }
    guard content.count == 16 + 8 * count else { throw misfit() }
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
    guard content.count == 17 * models * positions else { throw misfit() }
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
