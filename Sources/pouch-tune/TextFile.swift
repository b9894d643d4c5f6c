import FileBytes

/// Small files that are written whole.
enum TextFile {
  /// Writes a file under a temporary name, and renames it.
  static func write(_ bytes: [UInt8], to path: String) throws {
    let temporary = path + ".partial"
    let target = try WritableFile(path: temporary, mode: .truncate)
    do {
      try bytes.withUnsafeBytes { try target.write($0, at: 0) }
      try target.synchronize()
      try FileSystem.rename(temporary, to: path)
    } catch {
      FileSystem.remove(temporary)
      throw error
    }
  }
}

/// The name of a recipe in the characters that it may have.
enum RecipeName {
  static func of(_ text: String) -> String {
    let allowed = "abcdefghijklmnopqrstuvwxyz0123456789_-."
    let name = String(text.lowercased().map { allowed.contains($0) ? $0 : "-" })
    let start = name.drop { "-._".contains($0) }
    // What tells budgets apart stands at the end.
    return String((start.isEmpty ? "tuned" : start).suffix(64).drop { "-._".contains($0) })
  }
}
