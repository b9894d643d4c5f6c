package import FileBytes

/// A request that passed every check that needs no reading of weights.
package struct PreparedConversion: Sendable {
  /// What will be written.
  package let plan: ConversionPlan
  let importance: (any ImportanceSource)?
  let fingerprint: Fingerprint
  /// Whether the header says what the output is made of: an output with an equal one is the same job's.
  let isTraceable: Bool

  package init(
    plan: ConversionPlan, importance: (any ImportanceSource)?, fingerprint: Fingerprint,
    isTraceable: Bool = false
  ) {
    self.plan = plan
    self.importance = importance
    self.fingerprint = fingerprint
    self.isTraceable = isTraceable
  }

  /// Runs it alone.
  package var executor: PlanExecutor { PlanExecutor([self]) }

  /// The path of the output, that of the first shard where it is split.
  package var path: String { plan.path }
  /// The name that the output, or its first file, has until it is complete.
  var partialPath: String { plan.folder?.partialPath ?? plan.files.first?.partialPath ?? "" }
  /// Where the journal lives.
  package var journalPath: String { path + ".journal" }

  /// Whether the output is complete and of this very job.
  ///
  /// A file gets its name when it is complete, and its header holds, beside all names, types and shapes, where it comes
  /// from: names, sizes and hashes of the source files, of the importance data and of the recipe, and the flags. Without
  /// these entries an equal header proves nothing, since another training has the same shapes.
  var isFinished: Bool {
    isTraceable && FileSystem.kind(of: journalPath) == .missing && partsWithJournal.isEmpty && isJoined
  }

  /// Whether all files have their names, sizes and headers, and nothing is left of how they were made.
  var isJoined: Bool {
    plan.files.allSatisfy { FileSystem.kind(of: $0.partialPath) == .missing && $0.isComplete }
  }

  /// Whether all files are complete.
  var isComplete: Bool { plan.files.allSatisfy(\.isComplete) }

  /// Whether `file` got its final name from a run of this plan that ended before it could remove the journal.
  ///
  /// Renaming the files of a run and removing the journals are several steps. A run killed between them leaves a
  /// complete file under its final name, no partial file, and the journal.
  func wasRenamed(_ file: PlannedFile) -> Bool {
    hasJournal && FileSystem.kind(of: file.partialPath) == .missing && file.isComplete
  }

  private var hasJournal: Bool {
    FileSystem.kind(of: journalPath) == .file || !partsWithJournal.isEmpty
  }

  /// Takes such files back under their partial names, so that the run continues as after any other kill.
  ///
  /// Call it with the journal open: its fingerprint has to be this plan's.
  func takeBackRenamed() throws {
    if let folder = plan.folder {
      if plan.files.allSatisfy(wasRenamed) { try FileSystem.rename(folder.path, to: folder.partialPath) }
      return
    }
    for file in plan.files where wasRenamed(file) {
      try FileSystem.rename(file.path, to: file.partialPath)
    }
  }
}

extension PlannedFile {
  /// Whether a file of this size with this header is under the final name.
  fileprivate var isComplete: Bool {
    guard FileSystem.kind(of: path) == .file, let found = try? ReadableFile(path: path),
      found.byteCount == byteCount, let start = try? found.bytes(at: 0, count: header.count)
    else { return false }
    return start == header
  }
}
