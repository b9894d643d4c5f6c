internal import FileBytes
internal import SafetensorsFormat

extension PreparedConversion {
  /// Refuses a name that is in use for the folder of an output, and parts of a run.
  ///
  /// A folder is replaced when that is asked for and it holds nothing but files of a model.
  ///
  /// - Throws: ``ConversionError`` with `outputExists` or `badOption`.
  func refuseFolder(_ options: ExecutionOptions) throws {
    guard let folder = plan.folder else { return }
    guard options.part == nil else {
      throw ConversionError(
        .badOption,
        Fault(subject: "\(.part)", expected: "an output that is a GGUF", found: "a folder for MLX"))
    }
    switch FileSystem.kind(of: folder.path) {
    case .missing: break
    case .folder where !options.force && plan.files.allSatisfy(wasRenamed): break
    case .folder where options.force:
      let others = FileSystem.contents(of: folder.path).filter {
        !plan.isFileOfModel($0) || !FileSystem.isFile(folder.path + "/" + $0)
      }.sorted()
      guard let first = others.first else { break }
      throw ConversionError(
        .outputExists,
        Fault(
          file: folder.path, expected: "a folder with files of a model alone, which \(.overwrites) replaces",
          found: "\(first)" + (others.count > 1 ? " and \(others.count - 1) more" : ""),
          remedy: "choose another output, or remove the folder"))
    case .folder, .file, .other:
      throw ConversionError(
        .outputExists,
        Fault(
          file: folder.path, expected: "no file or folder of this name", found: "one that exists",
          remedy: "choose another output, or replace it with \(.overwrites)"))
    }
  }
}

extension ConversionPlan {
  /// Whether a name in a folder is that of weights or of a file that such folders have beside them.
  fileprivate func isFileOfModel(_ name: String) -> Bool {
    name.hasPrefix("model") && name.hasSuffix(".safetensors")
      || folder?.companions.contains { $0.name == name } == true
      || MLXFiles.copied.contains(name)
  }
}

extension OutputWriter {
  /// Completes a folder whose weights are written, checks it and gives it its name.
  ///
  /// - Throws: `FileError`; ``ConversionError`` with `selfCheckFailed`.
  func finish(_ folder: PlannedFolder) throws {
    for companion in folder.companions {
      let path = folder.partialPath + "/" + companion.name
      let bytes =
        switch companion.content {
        case .bytes(let bytes): bytes
        case .copy(let source): try ReadableFile.contents(of: source, limit: MLXFiles.largestCompanion)
        }
      let file = try WritableFile(path: path, mode: .truncate)
      try bytes.withUnsafeBytes { try file.write($0, at: 0) }
      try file.synchronize()
    }
    // What an earlier plan of this name left would be read with the rest.
    let names = Set(plan.files.map { FileSystem.name(of: $0.path) } + folder.companions.map(\.name))
    for name in FileSystem.contents(of: folder.partialPath) where !names.contains(name) {
      FileSystem.remove(folder.partialPath + "/" + name)
    }
    try checkShards()
    if FileSystem.kind(of: folder.path) == .folder {
      // Two names cannot be exchanged at once everywhere; for a moment there is no folder of this name.
      let old = folder.path + ".replaced"
      try FileSystem.rename(folder.path, to: old)
      try FileSystem.rename(folder.partialPath, to: folder.path)
      for name in FileSystem.contents(of: old) { FileSystem.remove(old + "/" + name) }
      FileSystem.removeFolder(old)
    } else {
      try FileSystem.rename(folder.partialPath, to: folder.path)
    }
  }

  /// Reads the headers back, as any reader would.
  private func checkShards() throws {
    for file in plan.files {
      let written = try ReadableFile(path: file.partialPath)
      do {
        _ = try SafetensorsHeader(
          parsing: try written.bytes(at: 0, count: file.header.count), fileByteCount: written.byteCount,
          file: file.partialPath)
      } catch let error as SafetensorsError {
        throw ConversionError(
          .selfCheckFailed,
          Fault(
            file: file.partialPath, expected: "a readable safetensors file", found: error.fault.description,
            remedy: "this is a defect of Pouch or of the disk; the folder was not given its name"))
      }
    }
  }
}
