/// The tokens of words met before in the same call, found in the output itself.
struct WordCache {
  private struct Entry {
    var hash: UInt64
    var start: Int
    var length: Int32
    var outputCount: Int32
    var outputStart: Int
  }

  private static let slotCount = 1 << 13
  private var entries: [Entry] = []
  private let isEnabled: Bool

  /// - Parameter byteCount: The size of the whole text; short ones do without a cache.
  init(byteCount: Int) { isEnabled = byteCount > 4096 }

  /// Appends the tokens of the word at `range` of `bytes`, from the cache or by `encode`.
  ///
  /// All ranges given to one cache are of the same bytes.
  @inline(__always)
  mutating func append(
    _ range: Range<Int>, of bytes: [UInt8], to output: inout [Int32], encode: (inout [Int32]) -> Void
  ) {
    guard isEnabled, range.count <= 64 else { return encode(&output) }
    if entries.isEmpty {
      entries = Array(
        repeating: Entry(hash: 0, start: 0, length: -1, outputCount: 0, outputStart: 0), count: Self.slotCount
      )
    }
    let hash = ByteStringTable.hash(bytes, range, 0)
    let slot = Int(truncatingIfNeeded: hash) & (Self.slotCount - 1)
    let entry = entries[slot]
    if entry.hash == hash, Int(entry.length) == range.count, equal(bytes, entry.start, range) {
      for index in entry.outputStart..<entry.outputStart + Int(entry.outputCount) {
        output.append(output[index])
      }
      return
    }
    let before = output.count
    encode(&output)
    entries[slot] = Entry(
      hash: hash, start: range.lowerBound, length: Int32(range.count),
      outputCount: Int32(truncatingIfNeeded: output.count - before), outputStart: before)
  }

  /// Forgets everything: the bytes have changed.
  mutating func clear() { entries = [] }

  private func equal(_ bytes: [UInt8], _ start: Int, _ range: Range<Int>) -> Bool {
    for offset in 0..<range.count where bytes[start &+ offset] != bytes[range.lowerBound &+ offset] {
      return false
    }
    return true
  }
}
