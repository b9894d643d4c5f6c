internal import SafetensorsFormat

/// The file that bytes of weights are inflated from.
struct CompressedShard: Hashable, Sendable {
  /// The name of the file, with its ending.
  var name: String
  /// Its size, inflated.
  var byteCount: Int
  /// Its size on disk.
  var storedByteCount: Int
  /// Bytes that are inflated when the model is opened, and stay.
  var kept: [Range<Int>]

  /// Takes over what a checkpoint says; `nil` for a file that is not compressed.
  init?(_ shard: CheckpointShard, kept: [Range<Int>]) {
    guard shard.isCompressed else { return nil }
    name = shard.path.split(separator: "/").last.map(String.init) ?? shard.path
    byteCount = shard.byteCount
    storedByteCount = shard.storedByteCount
    self.kept = kept
  }
}
