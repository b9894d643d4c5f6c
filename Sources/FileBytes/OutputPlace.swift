/// Whether a file can be written, asked before any work is done for it.
package enum OutputPlace {
  /// Makes sure that a file can be made, and that none is replaced unasked.
  ///
  /// - Parameters:
  ///   - path: The file to write.
  ///   - subject: What names it, for messages.
  ///   - replaces: Whether an existing file may be replaced.
  ///   - remedy: What to do about an existing file.
  /// - Throws: ``FileError`` with `alreadyExists` for a file (unless `replaces`), a folder, a pipe or a device, with
  ///   `noPlace` without a folder that can be written to.
  package static func check(
    _ path: String, subject: Wording = "", replaces: Bool,
    remedy: Wording = "replace it with \(.overwrites), or choose another name"
  ) throws(FileError) {
    func refusal(_ code: FileError.Code, _ expected: Wording, _ found: Wording, _ remedy: Wording = "")
      -> FileError
    {
      FileError(
        code, Fault(file: path, subject: subject, expected: expected, found: found, remedy: remedy))
    }
    guard path != "-", !path.isEmpty else {
      throw refusal(.noPlace, "the name of a file", path.isEmpty ? "an empty name" : "-", "name a file")
    }
    let folder = FileSystem.folder(of: path)
    switch FileSystem.kind(of: folder) {
    case .folder: break
    case .missing: throw refusal(.noPlace, "an existing folder \(folder)", "none", "create it first")
    case .file, .other: throw refusal(.noPlace, "a folder \(folder)", "a file or device of that name")
    }
    guard FileSystem.canCreate(path) else {
      throw refusal(.noPlace, "permission to write in \(folder)", "none")
    }
    switch FileSystem.kind(of: path) {
    case .missing: break
    case .file:
      if !replaces { throw refusal(.alreadyExists, "no file of this name", "one that exists", remedy) }
    case .folder: throw refusal(.alreadyExists, "a file name", "a folder")
    case .other: throw refusal(.alreadyExists, "a file name", "a pipe or device", "name a file")
    }
  }
}
