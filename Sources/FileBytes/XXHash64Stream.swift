/// The 64-bit xxHash of bytes that come in pieces; the digest is that of ``XXHash64/hash(_:seed:)`` over all of them.
public struct XXHash64Stream: Sendable {
  private static let prime1: UInt64 = 0x9E37_79B1_85EB_CA87
  private static let prime2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
  private static let prime3: UInt64 = 0x1656_67B1_9E37_79F9
  private static let prime4: UInt64 = 0x85EB_CA77_C2B2_AE63

  private var lanes: (UInt64, UInt64, UInt64, UInt64)
  private let seed: UInt64
  private var totalCount = 0
  /// Bytes that do not make a stripe of 32 yet.
  private var rest: [UInt8] = []

  /// Starts a hash.
  public init(seed: UInt64 = 0) {
    self.seed = seed
    lanes = (seed &+ Self.prime1 &+ Self.prime2, seed &+ Self.prime2, seed, seed &- Self.prime1)
    rest.reserveCapacity(64)
  }

  /// Takes in more bytes.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    totalCount += bytes.count
    var offset = 0
    if !rest.isEmpty {
      offset = min(32 - rest.count, bytes.count)
      rest += bytes[0..<offset]
      guard rest.count == 32 else { return }
      let full = rest
      full.withUnsafeBytes { stripes($0) }
      rest.removeAll(keepingCapacity: true)
    }
    let whole = (bytes.count - offset) / 32 * 32
    stripes(UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + whole)]))
    rest += bytes[(offset + whole)...]
  }

  /// The hash of everything so far.
  public var digest: UInt64 {
    // Short inputs never touch the lanes; the one-shot function has their rules.
    if totalCount < 32 { return rest.withUnsafeBytes { XXHash64.hash($0, seed: seed) } }
    var result =
      Self.rotate(lanes.0, 1) &+ Self.rotate(lanes.1, 7) &+ Self.rotate(lanes.2, 12)
      &+ Self.rotate(lanes.3, 18)
    for lane in [lanes.0, lanes.1, lanes.2, lanes.3] {
      result = (result ^ Self.round(0, lane)) &* Self.prime1 &+ Self.prime4
    }
    result = result &+ UInt64(totalCount)
    return rest.withUnsafeBytes { Self.finish(result, $0) }
  }

  private static func finish(_ start: UInt64, _ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var result = start
    var offset = 0
    while offset + 8 <= bytes.count {
      let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
      result = rotate(result ^ round(0, word), 27) &* prime1 &+ prime4
      offset += 8
    }
    if offset + 4 <= bytes.count {
      let word = UInt64(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
      result = rotate(result ^ (word &* prime1), 23) &* prime2 &+ prime3
      offset += 4
    }
    while offset < bytes.count {
      result = rotate(result ^ (UInt64(bytes[offset]) &* 0x27D4_EB2F_1656_67C5), 11) &* prime1
      offset += 1
    }
    result = (result ^ (result >> 33)) &* prime2
    result = (result ^ (result >> 29)) &* prime3
    return result ^ (result >> 32)
  }

  private mutating func stripes(_ bytes: UnsafeRawBufferPointer) {
    var (a, b, c, d) = lanes
    var offset = 0
    while offset + 32 <= bytes.count {
      a = Self.round(a, UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
      b = Self.round(
        b, UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self)))
      c = Self.round(
        c, UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 16, as: UInt64.self)))
      d = Self.round(
        d, UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 24, as: UInt64.self)))
      offset += 32
    }
    lanes = (a, b, c, d)
  }

  @inline(__always)
  private static func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 {
    (value << count) | (value >> (64 - count))
  }

  @inline(__always)
  private static func round(_ accumulator: UInt64, _ lane: UInt64) -> UInt64 {
    rotate(accumulator &+ lane &* prime2, 31) &* prime1
  }
}
