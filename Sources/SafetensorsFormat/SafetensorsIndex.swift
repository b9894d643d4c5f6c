public import FileBytes

/// The index of a sharded checkpoint, `model.safetensors.index.json`.
///
/// An object with `weight_map`, from tensor names to shard file names, and usually
/// `metadata` with `total_size`, the sum of all tensor bytes.
public struct SafetensorsIndex: Hashable, Sendable {
  /// The name of the file in a checkpoint folder.
  public static let fileName = "model.safetensors.index.json"

  /// The name of one of several shards, such as `model-00001-of-00026.safetensors`.
  package static func shardName(_ number: Int, of count: Int) -> String {
    ShardDiscovery.shardName(number, of: count)
  }
  /// The longest index accepted, in bytes; those of the largest models have about 10 MB.
  public static let maximumByteCount = 100_000_000

  /// The shard that holds each tensor, by file name.
  public var weightMap: [String: String]
  /// The shard file names, sorted.
  public var shardNames: [String]
  /// The sum of all tensor bytes as the index states it; known to be wrong in some published models.
  public var totalSize: Int?

  /// Parses and checks an index.
  ///
  /// - Parameters:
  ///   - bytes: The whole file.
  ///   - file: The name used in messages.
  /// - Throws: ``SafetensorsError`` with `badIndex`, `badShardName`, `duplicateKey` or a code for malformed JSON.
  public init(parsing bytes: UnsafeRawBufferPointer, file: String) throws(SafetensorsError) {
    var scanner = JSONScanner.strict(bytes, file: file)
    guard scanner.next() == UInt8(ascii: "{") else {
      throw scanner.refusal(.badIndex, expected: "an object with a weight_map")
    }
    var map: [String: String]?
    var total: Int?
    var seen: Set<String> = []
    try SafetensorsError.translating {
      try scanner.forEachMember { key, scanner in
        guard seen.insert(key).inserted else {
          throw SafetensorsError(
            .duplicateKey, Fault(file: file, subject: key, expected: "each key once", found: "a second one"))
        }
        switch key {
        case "weight_map": map = try Self.weightMap(&scanner)
        case "metadata": total = try Self.totalSize(&scanner)
        default: try scanner.skipValue()
        }
      }
      try scanner.finish()
    }
    guard let map else {
      throw SafetensorsError(
        .badIndex,
        Fault(
          file: file, subject: "weight_map", expected: "an object from tensor names to file names",
          found: "none",
          remedy: "the index is damaged; fetch it again"))
    }
    weightMap = map
    shardNames = Set(map.values).sorted()
    totalSize = total
  }

  /// Parses and checks an index; see ``init(parsing:file:)``.
  ///
  /// - Throws: ``SafetensorsError``.
  public init(parsing bytes: [UInt8], file: String) throws(SafetensorsError) {
    let result = bytes.withUnsafeBytes { buffer in
      Result { () throws(SafetensorsError) in try Self(parsing: buffer, file: file) }
    }
    self = try result.get()
  }

  private static func weightMap(_ scanner: inout JSONScanner) throws -> [String: String] {
    guard scanner.next() == UInt8(ascii: "{") else {
      throw scanner.refusal(
        .badIndex, subject: "weight_map", expected: "an object from tensor names to file names")
    }
    var map: [String: String] = [:]
    var safe: Set<String> = []
    try scanner.forEachMember { tensor, scanner in
      guard scanner.next() == UInt8(ascii: "\"") else {
        throw scanner.refusal(.badIndex, subject: tensor, expected: "a file name in quotes")
      }
      let name = try scanner.string("a file name")
      if safe.insert(name).inserted, !isPlainFileName(name) {
        throw SafetensorsError(
          .badShardName,
          Fault(
            file: scanner.file, subject: tensor,
            expected: "the name of a .safetensors file in the same folder",
            found: "\"\(name)\"", remedy: "the index is damaged or hostile; do not use it"))
      }
      guard map.updateValue(name, forKey: tensor) == nil else {
        throw SafetensorsError(
          .duplicateKey,
          Fault(
            file: scanner.file, subject: tensor, expected: "each tensor once in weight_map",
            found: "a second one"))
      }
    }
    return map
  }

  /// True for names that cannot lead out of the folder.
  private static func isPlainFileName(_ name: String) -> Bool {
    name.hasSuffix(".safetensors") && name.utf8.count <= 255 && !name.contains("..")
      && !name.utf8.contains {
        $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "\\") || $0 < 0x20 || $0 == 0x7F
      }
      && name.utf8.first != UInt8(ascii: ".")
  }

  /// Reads `metadata`; anything but a whole `total_size` is passed over, since published indexes vary.
  private static func totalSize(_ scanner: inout JSONScanner) throws -> Int? {
    guard scanner.next() == UInt8(ascii: "{") else {
      try scanner.skipValue()
      return nil
    }
    var total: Int?
    try scanner.forEachMember { key, scanner in
      let next = scanner.next() ?? 0
      if key == "total_size",
        next == UInt8(ascii: "-") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(next)
      {
        total = Int(exactly: try scanner.number().value)
      } else {
        try scanner.skipValue()
      }
    }
    return total
  }
}
