package import FileBytes

/// Adds up what the parts of a calibration run kept, as one run would have.
package struct ImportanceJoin {
  private let windows: TokenWindows
  private var files: [RunPart: (stored: StoredSums, sums: WritableFile, path: String)] = [:]
  private let count: Int

  /// Reads the states of all parts, which stay as they are.
  ///
  /// - Parameters:
  ///   - paths: The states, in any order.
  ///   - fingerprint: What the run depends on.
  ///   - windows: All windows of the text.
  ///   - command: The command that makes a part, for messages.
  /// - Throws: ``EvaluationError`` with `partsMissing`, naming all parts that are not complete, or `partsMismatch`;
  ///   `ResumeLogError`, `FileError`.
  package init(
    _ paths: [String], fingerprint: Fingerprint, windows: TokenWindows,
    command: (_ part: RunPart, _ state: String?) -> String
  ) throws {
    self.windows = windows
    var stored: [String: StoredSums] = [:]
    let states = try PartStates(paths, fingerprint) { path in
      let (found, records) = try ResumeLog<WindowSumsRecord>.read(path: path, words: .state)
      stored[path] = StoredSums(records)
      return found
    }
    count = states.count
    var problems: [String] = []
    for part in RunPart.all(of: states.count) {
      let own = windows.part(part)
      guard own.count > 0 else { continue }
      guard let path = states.paths[part], let found = stored[path] else {
        problems.append("part \(part) has no state: \(command(part, nil))")
        continue
      }
      let missing = (0..<own.count).count { found.surprises[own.number($0)] == nil }
      let sumsPath = ImportanceState.sumsPath(path)
      if missing > 0 {
        problems.append("part \(part) lacks \(missing) of \(own.count) windows: \(command(part, path))")
      } else if !FileSystem.isFile(sumsPath) {
        problems.append("part \(part) lacks \(sumsPath): \(command(part, path))")
      } else {
        files[part] = (found, try WritableFile(path: sumsPath, mode: .keep), path)
      }
    }
    try PartStates.refuse(problems, of: states.count, file: paths.first ?? "")
  }

  /// Adds all windows, in order.
  ///
  /// - Parameters:
  ///   - collector: Receives the sums.
  ///   - onWindow: Called after each window with the number of windows done and the perplexity so far.
  /// - Returns: The perplexity over all windows.
  /// - Throws: ``EvaluationError`` with `damagedState` for sums that are not what was recorded, `importanceMismatch` or
  ///   `nonFinite`; `FileError`.
  package func run(
    _ collector: ImportanceCollector, onWindow: (_ done: Int, _ soFar: PerplexityStatistics) -> Void
  ) throws -> PerplexityStatistics {
    var result = PerplexityStatistics(windowsPerUnit: windows.windowsPerUnit)
    for index in 0..<windows.count {
      guard let part = RunPart(number: index % count + 1, count: count), let file = files[part] else {
        preconditionFailure("a window of no part")
      }
      for sums in file.stored.sums[index] ?? [] {
        guard let values = try ImportanceState.read(sums, from: file.sums) else {
          throw EvaluationError(
            .damagedState,
            Fault(
              file: ImportanceState.sumsPath(file.path), subject: sums.name,
              expected: "sums of window \(index + 1) as they were recorded", found: "others",
              remedy: "run part \(part) again: it makes them again, and keeps the rest"))
        }
        try collector.add(window: values, columns: sums.columns, counts: sums.counts, name: sums.name)
      }
      for surprise in file.stored.surprises[index] ?? [] { result.add(surprise) }
      result.endWindow()
      try collector.check()
      onWindow(index + 1, result)
    }
    return result
  }
}
