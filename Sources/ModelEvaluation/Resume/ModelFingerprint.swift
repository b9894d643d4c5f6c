internal import FileBytes
internal import Foundation
internal import GGUFFormat

/// A hash that tells one model, or one base file, from another without reading all of it.
///
/// Of every file: size, modification time, and 64 pieces of 4 KB spread evenly, the first and the last included. Of a
/// checkpoint folder, names too.
public enum ModelFingerprint {
  private static let pieceCount = 64
  private static let pieceSize = 4096
  private static let kinds: Set<String> = ["safetensors", "zst", "json", "model", "txt", "jinja"]

  /// The fingerprint of a GGUF model, all shards of it, or of a checkpoint folder.
  ///
  /// - Throws: `FileError`, `GGUFError`.
  public static func ofModel(_ path: String) throws -> String {
    var bytes: [UInt8] = []
    if FileSystem.kind(of: path) == .folder {
      let names = try FileManager.default.contentsOfDirectory(atPath: path).sorted()
      for name in names where kinds.contains((name as NSString).pathExtension) {
        let file = path + "/" + name
        guard FileSystem.kind(of: file) == .file else { continue }
        bytes += Array(name.utf8) + [0]
        try append(file, to: &bytes)
      }
    } else {
      for shard in try GGUFSplitSet(path: path).files { try append(shard.file.path, to: &bytes) }
    }
    return hexadecimal(bytes.withUnsafeBytes { XXHash64.hash($0) })
  }

  /// The fingerprint of one file.
  ///
  /// - Throws: `FileError`.
  public static func ofFile(_ path: String) throws -> String {
    var bytes: [UInt8] = []
    try append(path, to: &bytes)
    return hexadecimal(bytes.withUnsafeBytes { XXHash64.hash($0) })
  }

  private static func append(_ path: String, to bytes: inout [UInt8]) throws {
    let file = try ReadableFile(path: path)
    bytes.appendLittleEndian(UInt64(file.byteCount))
    bytes.appendLittleEndian(file.modificationTime)
    let last = max(0, file.byteCount - pieceSize)
    var next = 0
    for piece in 0..<pieceCount {
      // Small files give fewer pieces, without overlap.
      let offset = last / (pieceCount - 1) * piece
      let start = piece == pieceCount - 1 ? last : max(next, offset)
      let end = min(start + pieceSize, file.byteCount)
      guard end > start else { continue }
      bytes += try file.bytes(at: start, count: end - start)
      next = end
    }
  }
}
