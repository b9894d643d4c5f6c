internal import FileBytes

/// The residual streams of an unperturbed model at every boundary between branches, on disk.
///
/// The stream of a window is `[tokens, width]` in f32; those of one boundary follow each other, boundary after boundary.
struct StreamFile {
  let file: WritableFile
  /// Windows that are kept.
  let windowCount: Int
  /// Bytes of a window's stream.
  let windowByteCount: Int
  /// Boundaries: one more than branches.
  let boundaryCount: Int

  /// Opens or creates the file.
  ///
  /// - Throws: `FileError`.
  init(path: String, windowCount: Int, length: Int, width: Int, boundaryCount: Int) throws {
    file = try WritableFile(path: path, mode: .keep)
    self.windowCount = windowCount
    windowByteCount = 4 * length * width
    self.boundaryCount = boundaryCount
  }

  /// The size of a complete file.
  var byteCount: Int { boundaryCount * windowCount * windowByteCount }

  private func offset(_ boundary: Int, _ window: Int) -> Int {
    (boundary * windowCount + window) * windowByteCount
  }

  /// Keeps a window's stream.
  ///
  /// - Throws: `FileError`.
  func write(_ values: UnsafeBufferPointer<Float>, boundary: Int, window: Int) throws {
    try file.write(UnsafeRawBufferPointer(values), at: offset(boundary, window))
  }

  /// Reads a window's stream.
  ///
  /// - Throws: `FileError`; ``TuningError`` with `badTable` where the file ends before.
  func read(_ values: UnsafeMutableBufferPointer<Float>, boundary: Int, window: Int) throws {
    guard
      try file.read(at: offset(boundary, window), into: UnsafeMutableRawBufferPointer(values))
    else {
      throw FileError(
        .truncated,
        Fault(
          file: file.path, expected: "\(byteCount) bytes of residual streams", found: "an earlier end",
          remedy: "remove the file and start over"))
    }
  }
}
