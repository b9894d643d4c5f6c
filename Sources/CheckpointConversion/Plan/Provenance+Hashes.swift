extension Provenance {
  /// The hash that `pouch.config.hash` holds for a checkpoint: XXH64 of its `config.json`.
  ///
  /// - Throws: `FileError` when the file cannot be read.
  package static func configHash(ofCheckpoint folder: String) throws -> UInt64 {
    try wholeHash(of: folder + "/config.json")
  }

  /// The hash that `pouch.imatrix.hash` holds: XXH64 of each mebibyte, seeded with that of the one before.
  ///
  /// - Throws: `FileError` when the file cannot be read.
  package static func importanceHash(of path: String) throws -> UInt64 {
    try ImportanceProvider.hash(path)
  }
}
