internal import FileBytes

/// Which bytes of a compressed shard are in memory, and how its stream is read for those that are not: from front to
/// back, starting over for what lies before its place.
struct LateRanges {
  /// What is never given back.
  let kept: [Range<Int>]
  private var held: [Range<Int>] = []
  /// How far the stream was read; `nil` before it is started.
  private var position: Int?
  /// How often the stream was started at its front.
  private(set) var startCount = 0
  /// Bytes that came out of it, those that were skipped included.
  private(set) var inflatedByteCount = 0

  /// Keeps track of a shard of which nothing is there.
  init(keeping kept: [Range<Int>]) { self.kept = kept.merged() }

  /// Brings bytes into memory.
  ///
  /// - Parameters:
  ///   - ranges: The bytes that are needed.
  ///   - inflate: Reads a range, after starting the stream if it says so. When it throws, the next one starts over.
  mutating func load(
    _ ranges: [Range<Int>], inflate: (_ range: Range<Int>, _ startsOver: Bool) throws -> Void
  ) rethrows {
    for range in ranges.subtracting(held) {
      let place = position.flatMap { $0 <= range.lowerBound ? $0 : nil }
      position = nil
      if place == nil { startCount += 1 }
      try inflate(range, place == nil)
      inflatedByteCount += range.upperBound - (place ?? 0)
      position = range.upperBound
    }
    held = (held + ranges).merged()
  }

  /// Forgets bytes that are not kept.
  ///
  /// - Returns: What can be given back.
  mutating func release(_ ranges: [Range<Int>]) -> [Range<Int>] {
    let given = ranges.subtracting(kept)
    held = held.subtracting(given)
    return given
  }
}
