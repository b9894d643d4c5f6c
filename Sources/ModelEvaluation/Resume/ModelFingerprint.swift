internal import FileBytes
internal import GGUFFormat

/// A hash that tells one model, or one base file, from another.
///
/// Files of at most 64 MiB in all are hashed whole, so that copies are equal. Of larger ones it takes size,
/// modification time, and 64 pieces of 4 KB spread evenly over each file, the first and the last included. Of a checkpoint
/// folder, names count, too. For weights on a hub the hash stands that the hub states; the small files beside them are
/// hashed whole, so that nothing of such a model is fetched twice; a copy of it on disk counts as another one. What a
/// result keeps of its model (``ofContent(_:)``) is without the time, which a copy does not share.
package enum ModelFingerprint {
  private static let wholeLimit = 64 << 20
  private static let pieceCount = 64
  private static let pieceSize = 4096
  private static let endings = ["safetensors", "zst", "json", "model", "txt", "jinja"].map { "." + $0 }

  /// The fingerprint of a GGUF model, all shards of it, or of a checkpoint folder.
  ///
  /// - Throws: `FileError`, `GGUFError`.
  package static func ofModel(_ path: String) throws -> String {
    try of(try files(of: path), usesTime: true)
  }

  /// The same of a model that may have been copied since: content alone, whatever the names of GGUF files and the time.
  ///
  /// - Throws: `FileError`, `GGUFError`.
  package static func ofContent(_ path: String) throws -> String {
    try of(try files(of: path), usesTime: false)
  }

  /// The fingerprint of one file by its content alone.
  ///
  /// - Throws: `FileError`.
  package static func ofFileContent(_ path: String) throws -> String { try of([("", path)], usesTime: false) }

  /// Bytes of the files of weights of a GGUF model or a checkpoint folder.
  ///
  /// - Throws: `FileError`, `GGUFError`.
  package static func weightByteCount(_ path: String) throws -> Int {
    try files(of: path).reduce(0) { sum, file in
      let isWeights = file.name.isEmpty || [".safetensors", ".zst"].contains(where: file.name.hasSuffix)
      return try sum + (isWeights ? ReadableFile(path: file.path).byteCount : 0)
    }
  }

  private static func files(of path: String) throws -> [(name: String, path: String)] {
    guard FileSystem.kind(of: path) == .folder else {
      return try GGUFSplitSet(path: path).files.map { ("", $0.file.path) }
    }
    let names = FileSystem.contents(of: path).sorted().filter { name in
      endings.contains(where: name.hasSuffix) && FileSystem.isFile(path + "/" + name)
    }
    return names.map { ($0, path + "/" + $0) }
  }

  /// The fingerprint of one file.
  ///
  /// - Throws: `FileError`.
  package static func ofFile(_ path: String) throws -> String { try of([("", path)], usesTime: true) }

  private static func of(_ paths: [(name: String, path: String)], usesTime: Bool) throws -> String {
    let files = try paths.map { (name: $0.name, file: try ReadableFile(path: $0.path)) }
    let isSmall = files.reduce(0) { $0 + $1.file.byteCount } <= wholeLimit
    let isRemote = files.contains { $0.file.remote != nil }
    var hash = FieldHash()
    for (name, file) in files {
      hash.add(name)
      hash.add(file.byteCount)
      if file.remote != nil {
        hash.add(Int(file.modificationTime))
      } else if isSmall || isRemote && file.byteCount <= wholeLimit {
        hash.add(try file.bytes(at: 0, count: file.byteCount))
      } else {
        if usesTime { hash.add(Int(file.modificationTime)) }
        try addPieces(of: file, to: &hash)
      }
    }
    return hash.text
  }

  private static func addPieces(of file: ReadableFile, to hash: inout FieldHash) throws {
    let last = max(0, file.byteCount - pieceSize)
    var next = 0
    for piece in 0..<pieceCount {
      // Small files give fewer pieces, without overlap.
      let offset = last / (pieceCount - 1) * piece
      let start = piece == pieceCount - 1 ? last : max(next, offset)
      let end = min(start + pieceSize, file.byteCount)
      guard end > start else { continue }
      hash.add(try file.bytes(at: start, count: end - start))
      next = end
    }
  }
}
