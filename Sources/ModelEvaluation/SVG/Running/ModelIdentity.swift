internal import FileBytes
internal import Foundation

/// What tells one model's weights from another's without reading them all.
public enum ModelIdentity {
  /// A hash of sizes, modification times, and the first and last mebibyte of each file.
  ///
  /// - Parameter path: A GGUF file or a checkpoint folder.
  /// - Returns: Sixteen hexadecimal digits.
  /// - Throws: `FileError`.
  public static func hash(of path: String) throws -> String {
    var files = [path]
    if FileSystem.kind(of: path) == .folder {
      let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
      files = names.sorted().map { path + "/" + $0 }.filter { FileSystem.kind(of: $0) == .file }
    }
    var bytes: [UInt8] = []
    for path in files {
      let file = try ReadableFile(path: path)
      bytes += Array("\(FileSystem.name(of: path)) \(file.byteCount)\n".utf8)
      let length = min(1 << 20, file.byteCount)
      for start in [0, file.byteCount - length] {
        let part = try file.bytes(at: start, count: length)
        let hash = part.withUnsafeBytes { XXHash64.hash($0) }
        bytes += withUnsafeBytes(of: hash.littleEndian) { Array($0) }
      }
      // Sample sets are small enough to be hashed whole; a change in the middle of a large file shows in its time.
      bytes += Array((file.byteCount > 64 << 20 ? "\(file.modificationTime)" : "").utf8)
      if file.byteCount <= 64 << 20, file.byteCount > 2 << 20 {
        let whole = try file.bytes(at: 0, count: file.byteCount)
        let hash = whole.withUnsafeBytes { XXHash64.hash($0) }
        bytes += withUnsafeBytes(of: hash.littleEndian) { Array($0) }
      }
    }
    let digits = String(bytes.withUnsafeBytes { XXHash64.hash($0) }, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
