internal import FileBytes

/// Writes rows of f32 as a NumPy array file (format 1.0), piece by piece.
///
/// The file holds the magic `\x93NUMPY`, version 1.0, a header length (u16) and the header, a Python dictionary padded
/// with spaces so that the data starts at a multiple of 64; then the values, little-endian, row after row. The file
/// has its name once it is complete, and a `.partial` ending until then.
package final class FloatTableWriter {
  private let path: String
  private let file: WritableFile
  private var offset: Int
  private let byteCount: Int

  /// Creates the file for exactly `rowCount` rows of `rowLength` values.
  ///
  /// - Throws: `FileError`.
  package init(path: String, rowCount: Int, rowLength: Int) throws {
    let file = try WritableFile(path: path + ".partial", mode: .truncate)
    self.path = path
    var header = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(rowCount), \(rowLength)), }"
    let padding = 64 - (10 + header.utf8.count + 1) % 64
    header += String(repeating: " ", count: padding % 64) + "\n"
    var bytes: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0]
    bytes += [UInt8(header.utf8.count & 255), UInt8(header.utf8.count >> 8)] + Array(header.utf8)
    try bytes.withUnsafeBytes { try file.write($0, at: 0) }
    self.file = file
    offset = bytes.count
    byteCount = bytes.count + rowCount * rowLength * 4
  }

  /// Appends rows.
  ///
  /// - Throws: `FileError`.
  package func append(_ rows: UnsafeBufferPointer<Float>) throws {
    let bytes = UnsafeRawBufferPointer(rows)
    precondition(offset + bytes.count <= byteCount, "no more rows than announced")
    try file.write(bytes, at: offset)
    offset += bytes.count
  }

  /// Gives the complete file its name.
  ///
  /// - Throws: `FileError`.
  package func finish() throws {
    precondition(offset == byteCount, "as many rows as announced")
    try FileSystem.rename(path + ".partial", to: path)
  }

  deinit { if offset != byteCount { FileSystem.remove(path + ".partial") } }
}
