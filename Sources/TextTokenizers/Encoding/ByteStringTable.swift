/// Byte strings with consecutive numbers from 0, found by content in O(length).
///
/// Swift strings are no keys for tokens: two that differ only in normalization are equal.
struct ByteStringTable: Sendable {
  /// The strings one after the other.
  private var arena: [UInt8] = []
  /// The offset of each string in `arena`, and the end of the last.
  private var offsets: [Int] = [0]
  /// Numbers by hash, open addressing; -1 is free, and the count is a power of two.
  private var slots: [Int32] = [Int32](repeating: -1, count: 16)
  // A hash that differs between runs, so that no file can be made to collide; no result depends on it.
  private let seed = UInt64.random(in: .min ... .max)

  /// The number of strings.
  var count: Int { offsets.count - 1 }

  /// Makes room for `count` strings.
  mutating func reserveCapacity(_ count: Int) {
    offsets.reserveCapacity(count + 1)
    var size = slots.count
    while size < count * 2 { size *= 2 }
    if size > slots.count { rehash(size) }
  }

  /// The bytes of the string with number `index`.
  subscript(index: Int) -> ArraySlice<UInt8> { arena[offsets[index]..<offsets[index + 1]] }

  /// The length of the string with number `index`.
  func length(_ index: Int) -> Int { offsets[index + 1] - offsets[index] }

  /// The number of the string equal to `bytes[range]`, or `nil`.
  func find(_ bytes: [UInt8], _ range: Range<Int>) -> Int? {
    let slot = slot(of: bytes, range)
    let found = slots[slot]
    return found >= 0 ? Int(found) : nil
  }

  /// The number of the string equal to `bytes`, or `nil`.
  func find(_ bytes: [UInt8]) -> Int? { find(bytes, bytes.indices) }

  /// The number of `text`, or `nil`.
  func find(_ text: String) -> Int? { find(Array(text.utf8)) }

  /// Adds `bytes[range]` unless it is there; returns its number and whether it is new.
  @discardableResult
  mutating func insert(_ bytes: [UInt8], _ range: Range<Int>) -> (index: Int, isNew: Bool) {
    if (count + 1) * 2 > slots.count { rehash(slots.count * 2) }
    let slot = slot(of: bytes, range)
    if slots[slot] >= 0 { return (Int(slots[slot]), false) }
    let index = count
    slots[slot] = Int32(truncatingIfNeeded: index)
    arena.append(contentsOf: bytes[range])
    offsets.append(arena.count)
    return (index, true)
  }

  private func slot(of bytes: [UInt8], _ range: Range<Int>) -> Int {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: Self.hash(bytes, range, seed)) & mask
    while true {
      let index = Int(slots[slot])
      if index < 0 || equals(index, bytes, range) { return slot }
      slot = (slot + 1) & mask
    }
  }

  private func equals(_ index: Int, _ bytes: [UInt8], _ range: Range<Int>) -> Bool {
    let start = offsets[index]
    guard offsets[index + 1] - start == range.count else { return false }
    for offset in 0..<range.count where arena[start &+ offset] != bytes[range.lowerBound &+ offset] {
      return false
    }
    return true
  }

  private mutating func rehash(_ size: Int) {
    slots = [Int32](repeating: -1, count: size)
    let mask = size - 1
    for index in 0..<count {
      let hash = Self.hash(arena, offsets[index]..<offsets[index + 1], seed)
      var slot = Int(truncatingIfNeeded: hash) & mask
      while slots[slot] >= 0 { slot = (slot + 1) & mask }
      slots[slot] = Int32(truncatingIfNeeded: index)
    }
  }

  /// A multiplicative hash; all bits of the result depend on all bytes.
  @inline(__always)
  static func hash(_ bytes: [UInt8], _ range: Range<Int>, _ seed: UInt64) -> UInt64 {
    var hash = seed ^ UInt64(truncatingIfNeeded: range.count)
    for index in range {
      hash = (hash ^ UInt64(bytes[index])) &* 0x9E37_79B9_7F4A_7C15
      hash ^= hash >> 29
    }
    hash = hash &* 0xBF58_476D_1CE4_E5B9
    return hash ^ hash >> 32
  }
}
