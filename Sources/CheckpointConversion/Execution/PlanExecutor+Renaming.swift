internal import FileBytes

extension PlanExecutor {
  /// Whether `file` got its final name from a run of this plan that ended before it could remove the journal.
  ///
  /// Renaming the shards of a split output and removing the journal are several steps. A run killed between them
  /// leaves a complete file under its final name, no partial file, and the journal.
  func wasRenamed(_ file: PlannedFile) -> Bool {
    guard FileSystem.kind(of: journalPath) == .file, FileSystem.kind(of: file.partialPath) == .missing,
      FileSystem.kind(of: file.path) == .file, let found = try? ReadableFile(path: file.path),
      found.byteCount == file.byteCount,
      let header = try? found.bytes(at: 0, count: file.header.count)
    else { return false }
    return header == file.header
  }

  /// Takes such files back under their partial names, so that the run continues as after any other kill.
  ///
  /// Call it with the journal open: its fingerprint has to be this plan's.
  func takeBackRenamed() throws {
    for file in plan.files where wasRenamed(file) {
      try FileSystem.rename(file.path, to: file.partialPath)
    }
  }
}
