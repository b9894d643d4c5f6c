internal import FileBytes

extension PlanExecutor {
  /// Checks everything outside the plans that could stop the run: names, free space, memory limit.
  ///
  /// Where some outputs are missing, those that are complete are kept if their headers prove that they are of the same
  /// plan; any other file in the way is refused. Without anything to make, or with `force`, nothing is kept.
  ///
  /// - Returns: The indices of the outputs that are kept.
  /// - Throws: ``ConversionError``; nothing has been written then.
  @discardableResult
  package func preflight(_ options: ExecutionOptions) throws -> Set<Int> {
    let finished = options.force ? [] : outputs.indices.filter { outputs[$0].isFinished }
    let kept = finished.count == outputs.count ? [] : Set(finished)
    let wanted = outputs.indices.filter { !kept.contains($0) }.map { outputs[$0] }
    _ = try bufferSizes(WorkUnion(wanted), options)
    for output in wanted {
      for file in output.plan.files { try Self.refuseUnwritable(file) }
      if output.plan.folder != nil { try output.refuseFolder(options) }
      if options.part == nil, !options.force { try output.refuseParts() }
    }
    try refuseExisting(wanted, options)
    guard let part = options.part else {
      try Self.refuseFullDisk(wanted.flatMap(\.plan.files))
      return kept
    }
    let shares = PartShares(outputs, count: part.count)
    try Self.refuseFullDisk(
      outputs.indices.filter { !kept.contains($0) }.flatMap { index in
        shares.files(of: part, output: index).map { outputs[index].plan.files[$0] }
      })
    return kept
  }

  private static func refuseUnwritable(_ file: PlannedFile) throws {
    let folder = file.place
    guard FileSystem.kind(of: folder) == .folder else {
      throw ConversionError(
        .outputNotWritable,
        Fault(
          file: file.path, expected: "an existing folder \(folder)", found: "none",
          remedy: "create it first"))
    }
    guard FileSystem.canCreate(file.folder ?? file.path) else {
      throw ConversionError(
        .outputNotWritable,
        Fault(file: file.path, expected: "permission to write in \(folder)", found: "none"))
    }
    guard file.folder == nil else { return }
    switch FileSystem.kind(of: file.path) {
    case .missing, .file: break
    case .folder, .other:
      throw ConversionError(
        .outputExists, Fault(file: file.path, expected: "a file name", found: "a folder or device"))
    }
  }

  /// Refuses files in the way, but for those that are replaced.
  func refuseExisting(_ wanted: [PreparedConversion], _ options: ExecutionOptions) throws {
    guard !options.force else { return }
    let existing = wanted.flatMap { output in
      output.plan.folder != nil
        ? [] : output.plan.files.filter { FileSystem.kind(of: $0.path) == .file && !output.wasRenamed($0) }
    }
    guard let first = existing.first else { return }
    let others = existing.count > 1 ? ", as do \(existing.count - 1) more" : ""
    throw ConversionError(
      .outputExists,
      Fault(
        file: first.path, expected: "no file of this name", found: "one that exists\(others)",
        remedy: outputs.count == 1
          ? "choose another output, or replace it with \(.overwrites)"
          : "remove it to have it made with the others, choose other names, or replace all outputs with \(.overwrites)"
      ))
  }

  /// Refuses outputs for which there is no room, the sum of them on each file system.
  private static func refuseFullDisk(_ files: [PlannedFile]) throws {
    let volumes = Dictionary(grouping: files) { FileSystem.volume(of: $0.place) }
    for file in files {
      // In the order of the files, each file system once.
      guard let group = volumes[FileSystem.volume(of: file.place)], group.first == file
      else {
        continue
      }
      let missing = group.reduce(0) {
        $0 + max(0, $1.byteCount - FileSystem.allocatedByteCount(of: $1.partialPath))
      }
      // The journal takes 60 bytes a tile; a margin of 1 MiB and 1/1000 covers it and file-system overhead.
      let needed = missing + 1 << 20 + missing / 1000
      guard let free = FileSystem.freeByteCount(near: file.folder ?? file.path), free < needed else {
        continue
      }
      throw ConversionError(
        .notEnoughDisk,
        Fault(
          file: file.path,
          expected: "\(needed) bytes free" + (group.count > 1 ? " for \(group.count) files" : ""),
          found: "\(free), which is \(needed - free) too few",
          remedy: "free some space or choose another folder with \(.outputName)"))
    }
  }
}
