/// What the entries on shards in an output's provenance may take when the names of the shards are not known.
///
/// Per shard: its name (8 bytes of length and the text), its size (8 bytes), and two hashes (8 bytes of length and 22
/// of text each). Published shards have names of 17 (`model.safetensors`) to 32 characters and hold 1 to 5 GB.
enum ShardNames {
  /// One shard with the shortest name, which stands in the plan for those not known.
  static let leanest = ["a.safetensors"]
  /// The longest name counted with.
  static let longestName = 64
  /// The smallest shards counted with, beyond the first ``smallShardCount``.
  static let smallestShardByteCount = 500_000_000
  /// Shards of any size.
  static let smallShardCount = 16

  /// The most shards counted with for a checkpoint of `sourceByteCount` bytes.
  static func highestCount(sourceByteCount: Int) -> Int {
    smallShardCount + sourceByteCount / smallestShardByteCount
  }

  /// The bytes that metadata grow by over those with ``leanest``.
  static func interval(sourceByteCount: Int) -> ClosedRange<Int> {
    let perShard = 8 + longestName + 8 + 2 * (8 + 22)
    let shorter = longestName - (leanest.first?.utf8.count ?? 0)
    return 0...(highestCount(sourceByteCount: sourceByteCount) * perShard - (perShard - shorter))
  }
}
