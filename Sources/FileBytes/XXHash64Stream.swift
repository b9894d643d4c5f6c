/// The 64-bit xxHash of bytes that come in pieces; the digest is that of ``XXHash64/hash(_:seed:)`` over all of them.
package struct XXHash64Stream: Sendable {
  private var lanes: XXHash64.Lanes
  private let seed: UInt64
  private var totalCount = 0
  /// Bytes that do not make a stripe of 32 yet.
  private var rest: [UInt8] = []

  /// Starts a hash.
  package init(seed: UInt64 = 0) {
    self.seed = seed
    lanes = XXHash64.start(seed)
    rest.reserveCapacity(64)
  }

  /// Takes in more bytes.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    totalCount += bytes.count
    var offset = 0
    if !rest.isEmpty {
      offset = min(32 - rest.count, bytes.count)
      rest += bytes[0..<offset]
      guard rest.count == 32 else { return }
      rest.withUnsafeBytes { XXHash64.addStripes($0, to: &lanes) }
      rest.removeAll(keepingCapacity: true)
    }
    let whole = (bytes.count - offset) / 32 * 32
    XXHash64.addStripes(
      UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + whole)]), to: &lanes)
    rest += bytes[(offset + whole)...]
  }

  /// The hash of everything so far.
  package var digest: UInt64 {
    rest.withUnsafeBytes { XXHash64.digest(lanes, seed: seed, count: totalCount, rest: $0) }
  }
}
