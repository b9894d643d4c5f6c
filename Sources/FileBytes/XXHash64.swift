/// The 64-bit xxHash, which `llama-gguf-hash` prints and logs of finished work use.
///
/// Written from the specification by Yann Collet (xxHash fast digest algorithm, XXH64). ``XXHash64Stream`` takes bytes in
/// pieces, with the same steps.
package struct XXHash64: Sendable {
  /// The four running sums of inputs of at least one stripe.
  typealias Lanes = (UInt64, UInt64, UInt64, UInt64)

  private static let prime1: UInt64 = 0x9E37_79B1_85EB_CA87
  private static let prime2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
  private static let prime3: UInt64 = 0x1656_67B1_9E37_79F9
  private static let prime4: UInt64 = 0x85EB_CA77_C2B2_AE63
  private static let prime5: UInt64 = 0x27D4_EB2F_1656_67C5

  /// Hashes `bytes` in one go.
  package static func hash(_ bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) -> UInt64 {
    var lanes = start(seed)
    let whole = bytes.count / 32 * 32
    addStripes(UnsafeRawBufferPointer(rebasing: bytes[..<whole]), to: &lanes)
    return digest(
      lanes, seed: seed, count: bytes.count, rest: UnsafeRawBufferPointer(rebasing: bytes[whole...]))
  }

  /// A hash as it is written: sixteen hexadecimal digits.
  package static func text(_ hash: UInt64) -> String {
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// The lanes before the first byte.
  static func start(_ seed: UInt64) -> Lanes {
    (seed &+ prime1 &+ prime2, seed &+ prime2, seed, seed &- prime1)
  }

  /// Takes in stripes of 32 bytes; `bytes` holds whole ones.
  static func addStripes(_ bytes: UnsafeRawBufferPointer, to lanes: inout Lanes) {
    var (a, b, c, d) = lanes
    var offset = 0
    while offset + 32 <= bytes.count {
      a = round(a, load64(bytes, offset))
      b = round(b, load64(bytes, offset + 8))
      c = round(c, load64(bytes, offset + 16))
      d = round(d, load64(bytes, offset + 24))
      offset += 32
    }
    lanes = (a, b, c, d)
  }

  /// The hash of `count` bytes, of which `rest`, fewer than 32, are not in the lanes.
  static func digest(_ lanes: Lanes, seed: UInt64, count: Int, rest: UnsafeRawBufferPointer) -> UInt64 {
    var result: UInt64
    if count >= 32 {
      result = rotate(lanes.0, 1) &+ rotate(lanes.1, 7) &+ rotate(lanes.2, 12) &+ rotate(lanes.3, 18)
      for lane in [lanes.0, lanes.1, lanes.2, lanes.3] {
        result = (result ^ round(0, lane)) &* prime1 &+ prime4
      }
    } else {
      // Short inputs never touch the lanes.
      result = seed &+ prime5
    }
    result = result &+ UInt64(count)
    var offset = 0
    while offset + 8 <= rest.count {
      result = rotate(result ^ round(0, load64(rest, offset)), 27) &* prime1 &+ prime4
      offset += 8
    }
    if offset + 4 <= rest.count {
      let word = UInt64(UInt32(littleEndian: rest.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
      result = rotate(result ^ (word &* prime1), 23) &* prime2 &+ prime3
      offset += 4
    }
    while offset < rest.count {
      result = rotate(result ^ (UInt64(rest[offset]) &* prime5), 11) &* prime1
      offset += 1
    }
    result = (result ^ (result >> 33)) &* prime2
    result = (result ^ (result >> 29)) &* prime3
    return result ^ (result >> 32)
  }

  @inline(__always)
  private static func load64(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
    UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
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
