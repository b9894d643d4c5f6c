internal import SafetensorsFormat

/// Addresses for weights of which only sizes are known: nothing is behind them, and nothing is read from them.
///
/// What is foretold of a model is counted by the code that runs it, so that code needs places of weights.
final class OutlineMemory: WeightRegion, @unchecked Sendable {
  let bytes: UnsafeRawBufferPointer
  let compressed: CompressedShard?
  var isThere: Bool { true }
  private let memory: ZeroedMemory

  /// Reserves addresses.
  ///
  /// - Throws: ``RuntimeError`` with `outOfMemory` where the system counts addresses as memory.
  init(byteCount: Int, purpose: String, compressed: CompressedShard? = nil) throws {
    memory = try ZeroedMemory(
      byteCount: byteCount, purpose: purpose,
      remedy: "let processes reserve addresses without memory (vm.overcommit_memory, ulimit -v)",
      isReserved: false)
    bytes = UnsafeRawBufferPointer(start: memory.base, count: byteCount)
    self.compressed = compressed
  }

  /// Nothing.
  func load(_ ranges: [Range<Int>]) {}

  /// Nothing.
  func release(_ ranges: [Range<Int>]) {}
}
