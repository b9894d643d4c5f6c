/// Damages files at random, the same way for the same seed.
public struct HeaderMutator: Sendable {
  private var random: SeededGenerator

  /// Starts from `seed`.
  public init(seed: UInt64) { random = SeededGenerator(seed: seed) }

  /// A copy of `bytes` with one to four changes: flipped bits, replaced, removed, repeated or cut-off bytes, and
  /// eight-byte lengths set to awkward values.
  public mutating func mutate(_ bytes: [UInt8]) -> [UInt8] {
    var result = bytes
    for _ in 0..<Int.random(in: 1...4, using: &random) { change(&result) }
    return result
  }

  private mutating func change(_ bytes: inout [UInt8]) {
    guard !bytes.isEmpty else { return }
    let place = Int.random(in: 0..<bytes.count, using: &random)
    switch Int.random(in: 0..<8, using: &random) {
    case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    case 1: bytes[place] = UInt8.random(in: .min ... .max, using: &random)
    case 2: bytes.removeLast(bytes.count - place)
    case 3: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 1...16, using: &random)))
    case 4:
      // A repeated piece makes duplicate keys, names and objects.
      let end = min(bytes.count, place + Int.random(in: 1...80, using: &random))
      bytes.insert(contentsOf: bytes[place..<end], at: end)
    case 5:
      let values: [UInt64] = [
        0, 1, 0xFF, 0xFFFF, 1 << 30, 1 << 31, 1 << 32, 1 << 62, 1 << 63, .max, .max - 7,
      ]
      let value = values[Int.random(in: 0..<values.count, using: &random)]
      let width = Bool.random(using: &random) ? 8 : 4
      for index in 0..<width where place + index < bytes.count {
        bytes[place + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
      }
    case 6:
      let marks = Array("{}[]\",:\\0123456789-.eu \u{0}\u{7F}".utf8)
      bytes[place] = marks[Int.random(in: 0..<marks.count, using: &random)]
    default:
      let other = Int.random(in: 0..<bytes.count, using: &random)
      bytes.swapAt(place, other)
    }
  }
}
