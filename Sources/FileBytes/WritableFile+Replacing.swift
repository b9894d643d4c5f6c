extension WritableFile {
  /// Writes a small file whole under a temporary name and renames it, so that its name stands for all of it or for what was
  /// there before.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - bytes: Its content.
  /// - Throws: ``FileError``; nothing is left under the temporary name then.
  package static func replace(_ path: String, with bytes: [UInt8]) throws {
    let temporary = path + ".partial"
    let file = try WritableFile(path: temporary, mode: .truncate)
    do {
      try bytes.withUnsafeBytes { try file.write($0, at: 0) }
      try file.synchronize()
      try FileSystem.rename(temporary, to: path)
    } catch {
      FileSystem.remove(temporary)
      throw error
    }
  }
}
