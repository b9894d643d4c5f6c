internal import FileBytes
internal import TensorTypes

/// The merges of a byte-pair vocabulary, applied to the symbols of a word.
///
/// A symbol is the number of a text: a token, whose number is its id, or what merges are made of or make and no token has.
/// Negative numbers from -2 down stand for texts that no merge has; they stay as they are.
struct SymbolMerger: Sendable {
  /// The texts of the symbols.
  private(set) var strings: ByteStringTable
  /// The number of tokens; symbols below are ids.
  let tokenCount: Int
  private let merges: MergeTable

  /// Words of more symbols than this are merged with a heap; shorter ones by looking through their pairs each time.
  private static let scanLimit = 32

  /// Reads the merges of `metadata`; without any, they are refused if `required`.
  init(_ metadata: TokenizerMetadata, table: TokenTable, required: Bool = true) throws(TokenizerError) {
    let found = try metadata.strings("tokenizer.ggml.merges")
    if required, found == nil {
      throw metadata.missing("tokenizer.ggml.merges", "an array of strings \"left right\"")
    }
    let lines = found ?? .text([])
    var strings = table.strings
    tokenCount = table.count
    var merges = MergeTable(capacity: lines.count + 1)
    var joined: [UInt8] = []
    for rank in 0..<lines.count {
      let line = lines[rank]
      guard let space = line.dropFirst().firstIndex(of: 0x20) else { continue }
      joined.removeAll(keepingCapacity: true)
      joined.append(contentsOf: line[..<space])
      joined.append(contentsOf: line[(space + 1)...])
      let left = strings.insert(line, 0..<space).index
      let right = strings.insert(line, space + 1..<line.count).index
      let result = strings.insert(joined, joined.indices).index
      merges.insert(
        left, right,
        MergeTable.Merge(rank: Int32(truncatingIfNeeded: rank), result: Int32(truncatingIfNeeded: result)))
    }
    self.strings = strings
    self.merges = merges
  }

  /// The symbol of a text, a new one if it has none.
  mutating func symbol(of text: [UInt8]) -> Int32 { Int32(strings.insert(text, text.indices).index) }

  /// Reused memory: the symbols of a word, and what merging needs.
  struct Scratch {
    /// Before merging the symbols of a word, afterwards what they are merged to.
    var symbols: [Int32] = []
    fileprivate var pairs: [MergeTable.Merge] = []
    fileprivate var next: [Int32] = []
    fileprivate var previous: [Int32] = []
  }

  /// Merges the pair of lowest rank, the leftmost of equals, until no pair has a merge.
  func merge(_ scratch: inout Scratch) {
    if scratch.symbols.count <= Self.scanLimit { mergeByScanning(&scratch) } else { mergeByQueue(&scratch) }
  }

  /// O(n²) for n symbols.
  private func mergeByScanning(_ scratch: inout Scratch) {
    scratch.pairs.removeAll(keepingCapacity: true)
    var count = scratch.symbols.count
    guard count > 1 else { return }
    for index in 1..<count {
      scratch.pairs.append(merges.merge(scratch.symbols[index - 1], scratch.symbols[index]))
    }
    while true {
      var best = -1
      var rank = Int32.max
      for index in 0..<(count - 1) where scratch.pairs[index].rank < rank {
        rank = scratch.pairs[index].rank
        best = index
      }
      guard best >= 0 else { break }
      scratch.symbols[best] = scratch.pairs[best].result
      scratch.symbols.remove(at: best + 1)
      scratch.pairs.remove(at: best)
      count -= 1
      if best > 0 { scratch.pairs[best - 1] = merges.merge(scratch.symbols[best - 1], scratch.symbols[best]) }
      if best + 1 < count {
        scratch.pairs[best] = merges.merge(scratch.symbols[best], scratch.symbols[best + 1])
      }
    }
  }

  /// The same with a heap, O(n log n).
  ///
  /// Symbols that remain are chained by `next`; merged ones are -1, which equals no state.
  private func mergeByQueue(_ scratch: inout Scratch) {
    let count = scratch.symbols.count
    scratch.next = (0..<count).map { $0 + 1 < count ? Int32($0 + 1) : -1 }
    scratch.previous = (0..<count).map { Int32($0 - 1) }
    var queue = MergeQueue<Int32>()
    queue.reserveCapacity(count)
    func consider(_ left: Int32, _ right: Int32) {
      guard left >= 0, right >= 0 else { return }
      let symbols = (scratch.symbols[Int(left)], scratch.symbols[Int(right)])
      let merge = merges.merge(symbols.0, symbols.1)
      guard merge.result >= 0 else { return }
      queue.push(
        .init(
          priority: merge.rank, left: left, right: right, leftState: symbols.0, rightState: symbols.1,
          result: merge.result))
    }
    for index in 1..<count { consider(Int32(index - 1), Int32(index)) }
    while let candidate = queue.pop() {
      let (left, right) = (Int(candidate.left), Int(candidate.right))
      guard scratch.symbols[left] == candidate.leftState, scratch.symbols[right] == candidate.rightState
      else {
        continue
      }
      scratch.symbols[left] = candidate.result
      scratch.symbols[right] = -1
      let after = scratch.next[right]
      scratch.next[left] = after
      if after >= 0 { scratch.previous[Int(after)] = candidate.left }
      consider(scratch.previous[left], candidate.left)
      consider(candidate.left, after)
    }
    scratch.symbols.removeAll { $0 == -1 }
  }
}
