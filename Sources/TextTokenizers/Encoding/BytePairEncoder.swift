internal import FileBytes
internal import TensorTypes

/// Byte-level byte-pair encoding (`tokenizer.ggml.model` = `gpt2`).
///
/// A symbol is a text of the byte alphabet: a token, or a merge result that no token has. Symbol numbers below the
/// vocabulary's count are token ids.
struct BytePairEncoder: Sendable {
  private let rule: SplittingRule
  private let strings: ByteStringTable
  private let tokenCount: Int
  private let merges: MergeTable
  /// The symbol of every byte.
  private let byteSymbols: [Int32]

  /// Words longer than this are merged with a heap; shorter ones by looking through their pairs each time.
  private static let scanLimit = 32

  init(_ metadata: TokenizerMetadata, rule: SplittingRule, table: TokenTable) throws(TokenizerError) {
    guard let lines = try metadata.strings("tokenizer.ggml.merges") else {
      throw metadata.missing("tokenizer.ggml.merges", "an array of strings \"left right\"")
    }
    self.rule = rule
    var strings = table.strings
    tokenCount = table.count
    byteSymbols = ByteAlphabet.encoded.map { Int32(strings.insert($0, $0.indices).index) }
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

  /// Reused memory of one call.
  struct Scratch {
    fileprivate var symbols: [Int32] = []
    fileprivate var pairs: [MergeTable.Merge] = []
    fileprivate var next: [Int32] = []
    fileprivate var previous: [Int32] = []
    fileprivate var cache: WordCache

    init(byteCount: Int) { cache = WordCache(byteCount: byteCount) }
  }

  /// Appends the tokens of `range` of `bytes`, which is any bytes; `isIntact` says that nothing needs repair.
  func encode(
    _ bytes: [UInt8], _ range: Range<Int>, isIntact: Bool, scratch: inout Scratch, to output: inout [Int32]
  ) {
    if isIntact {
      encodeRepaired(bytes, range, &scratch, &output)
    } else {
      let repaired = RepairedText.repaired(bytes, range)
      scratch.cache.clear()
      encodeRepaired(repaired, repaired.indices, &scratch, &output)
    }
  }

  private func encodeRepaired(
    _ bytes: [UInt8], _ range: Range<Int>, _ scratch: inout Scratch, _ output: inout [Int32]
  ) {
    // The cache is out of the scratch space while a closure changes the rest.
    var cache = scratch.cache
    scratch.cache = WordCache(byteCount: 0)
    rule.forEachWord(in: bytes, range) { word in
      cache.append(word, of: bytes, to: &output) { encodeWord(bytes, word, &scratch, &$0) }
    }
    scratch.cache = cache
  }

  private func encodeWord(
    _ bytes: [UInt8], _ word: Range<Int>, _ scratch: inout Scratch, _ output: inout [Int32]
  ) {
    if word.count == 1 { return emit(byteSymbols[Int(bytes[word.lowerBound])], &output) }
    if rule.ignoresMerges, let token = wholeToken(bytes, word) {
      output.append(token)
      return
    }
    scratch.symbols.removeAll(keepingCapacity: true)
    for index in word { scratch.symbols.append(byteSymbols[Int(bytes[index])]) }
    if word.count <= Self.scanLimit {
      mergeByScanning(&scratch)
      for symbol in scratch.symbols { emit(symbol, &output) }
    } else {
      mergeByQueue(&scratch)
      var position: Int32 = 0
      while position >= 0 {
        emit(scratch.symbols[Int(position)], &output)
        position = scratch.next[Int(position)]
      }
    }
  }

  private func wholeToken(_ bytes: [UInt8], _ word: Range<Int>) -> Int32? {
    var text: [UInt8] = []
    text.reserveCapacity(word.count * 2)
    for index in word { text.append(contentsOf: ByteAlphabet.encoded[Int(bytes[index])]) }
    guard let index = strings.find(text), index < tokenCount else { return nil }
    return Int32(index)
  }

  /// A symbol without a token becomes the tokens of the single bytes of its text, if there are any.
  private func emit(_ symbol: Int32, _ output: inout [Int32]) {
    if Int(symbol) < tokenCount {
      output.append(symbol)
      return
    }
    for byte in strings[Int(symbol)] {
      if let token = strings.find([byte]), token < tokenCount { output.append(Int32(token)) }
    }
  }

  /// Merges the pair of lowest rank, the leftmost of equals, until no pair has a merge.
  ///
  /// O(n²) for n symbols.
  private func mergeByScanning(_ scratch: inout Scratch) {
    scratch.pairs.removeAll(keepingCapacity: true)
    var count = scratch.symbols.count
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
  /// Merged symbols are chained by `next`.
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
      // A symbol that was merged away is -1 and equals no state.
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
  }
}
