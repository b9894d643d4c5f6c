/// The merges of a byte-pair vocabulary: for two symbols, the rank of their merge and the symbol it makes.
struct MergeTable: Sendable {
  /// A merge; a lower rank comes first.
  struct Merge: Sendable {
    var rank: Int32
    var result: Int32

    /// No merge; later than all.
    static let none = Merge(rank: .max, result: -1)
  }

  /// Left symbol in the high half, right symbol in the low half; all ones is free.
  private var keys: [UInt64]
  private var merges: [Merge]
  private let shift: UInt64
  // Differs between runs, so that no file can be made to collide; no result depends on it.
  private let multiplier = UInt64.random(in: .min ... .max) | 1
  private(set) var count = 0

  init(capacity: Int) {
    var size = 16
    while size < capacity * 2 { size *= 2 }
    keys = [UInt64](repeating: .max, count: size)
    merges = [Merge](repeating: .none, count: size)
    shift = UInt64(64 - size.trailingZeroBitCount)
  }

  @inline(__always)
  private func slot(_ key: UInt64) -> Int {
    var slot = Int(truncatingIfNeeded: ((key ^ (key >> 29)) &* multiplier) >> shift)
    let mask = keys.count &- 1
    while keys[slot] != key && keys[slot] != .max { slot = (slot &+ 1) & mask }
    return slot
  }

  /// The merge of two symbols.
  @inline(__always)
  func merge(_ left: Int32, _ right: Int32) -> Merge {
    let slot = slot(UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right)))
    return merges[slot]
  }

  /// Adds a merge unless the pair has one; the capacity given at the start must suffice.
  mutating func insert(_ left: Int, _ right: Int, _ merge: Merge) {
    precondition(count * 2 < keys.count, "more merges than the capacity")
    let key = UInt64(UInt32(truncatingIfNeeded: left)) << 32 | UInt64(UInt32(truncatingIfNeeded: right))
    let slot = slot(key)
    guard keys[slot] == .max else { return }
    keys[slot] = key
    merges[slot] = merge
    count += 1
  }
}
