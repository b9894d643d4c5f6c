internal import FileBytes

/// SentencePiece-style encoding as llama.cpp does it (`tokenizer.ggml.model` = `llama`).
///
/// Spaces become U+2581. Starting from characters, the two neighbours whose joined text is the token of the highest
/// score are joined, the leftmost of equals, until no joined text is a token. A character that is no token becomes
/// the tokens of its bytes (`<0xNN>`).
struct SentencePieceEncoder: Sendable {
  private let table: TokenTable
  /// The token of every byte: `<0xNN>`, else the byte itself as text, else the unknown token.
  private let byteTokens: [Int32?]
  private let marks: MarkBoundaries

  /// Parts of more characters than this are joined with a heap; shorter ones by looking through their pairs.
  private static let scanLimit = 24

  init(_ table: TokenTable) {
    self.table = table
    let digits = Array("0123456789ABCDEF".utf8)
    byteTokens = (0..<256).map { byte in
      let text = Array("<0x".utf8) + [digits[byte >> 4], digits[byte & 15]] + Array(">".utf8)
      let index = table.strings.find(text) ?? table.strings.find([UInt8(byte)])
      return index.map { Int32($0) } ?? table.roles.unknown
    }
    marks = MarkBoundaries(table.strings)
  }

  /// A text of several fragments with its marks, and reused memory.
  struct Scratch {
    fileprivate var escaped: [UInt8] = []
    fileprivate var starts: [Int] = []
    fileprivate var pairs: [(token: Int32, score: Float)] = []
    fileprivate var cache: WordCache

    init(byteCount: Int) {
      cache = WordCache(byteCount: byteCount)
      escaped.reserveCapacity(byteCount + byteCount / 2)
    }
  }

  /// Appends the tokens of `range` of `bytes`, which is any bytes.
  func encode(
    _ bytes: [UInt8], _ range: Range<Int>, spacePrefix: Bool, scratch: inout Scratch, to output: inout [Int32]
  ) {
    var escaped = scratch.escaped
    scratch.escaped = []
    let start = escaped.count
    if spacePrefix { escaped.append(contentsOf: MarkBoundaries.mark) }
    for index in range {
      if bytes[index] == 0x20 {
        escaped.append(contentsOf: MarkBoundaries.mark)
      } else {
        escaped.append(bytes[index])
      }
    }
    var cache = scratch.cache
    scratch.cache = WordCache(byteCount: 0)
    var partStart = start
    var position = start
    while position < escaped.count {
      if position > partStart, marks.allowsCut(escaped, at: position) {
        cache.append(partStart..<position, of: escaped, to: &output) {
          encodePart(escaped, partStart..<position, &scratch, &$0)
        }
        partStart = position
      }
      position += characterLength(escaped, position)
    }
    if partStart < escaped.count {
      cache.append(partStart..<escaped.count, of: escaped, to: &output) {
        encodePart(escaped, partStart..<escaped.count, &scratch, &$0)
      }
    }
    scratch.cache = cache
    scratch.escaped = escaped
  }

  /// The length that the first byte announces, whatever follows it; not past the end.
  private func characterLength(_ bytes: [UInt8], _ position: Int) -> Int {
    let first = bytes[position]
    let length = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
    return min(length, bytes.count - position)
  }

  private func encodePart(
    _ bytes: [UInt8], _ part: Range<Int>, _ scratch: inout Scratch, _ output: inout [Int32]
  ) {
    scratch.starts.removeAll(keepingCapacity: true)
    var position = part.lowerBound
    while position < part.upperBound {
      scratch.starts.append(position)
      position += characterLength(bytes, position)
    }
    let count = scratch.starts.count
    scratch.starts.append(part.upperBound)
    if count <= Self.scanLimit {
      joinByScanning(bytes, &scratch)
      for index in 0..<scratch.starts.count - 1 {
        emit(bytes, scratch.starts[index]..<scratch.starts[index + 1], &output)
      }
    } else {
      joinByQueue(bytes, scratch.starts, &output)
    }
  }

  private func emit(_ bytes: [UInt8], _ symbol: Range<Int>, _ output: inout [Int32]) {
    if let token = table.strings.find(bytes, symbol) {
      output.append(Int32(token))
      return
    }
    for index in symbol {
      if let token = byteTokens[Int(bytes[index])] { output.append(token) }
    }
  }

  private func pair(_ bytes: [UInt8], _ range: Range<Int>) -> (token: Int32, score: Float) {
    guard let token = table.strings.find(bytes, range) else { return (-1, 0) }
    return (Int32(token), table.score(token))
  }

  /// Joins until no pair is a token; `starts` are the boundaries of the symbols.
  private func joinByScanning(_ bytes: [UInt8], _ scratch: inout Scratch) {
    scratch.pairs.removeAll(keepingCapacity: true)
    var count = scratch.starts.count - 1
    guard count > 1 else { return }
    for index in 0..<count - 1 {
      scratch.pairs.append(pair(bytes, scratch.starts[index]..<scratch.starts[index + 2]))
    }
    while true {
      var best = -1
      var score: Float = 0
      for index in 0..<count - 1 where scratch.pairs[index].token >= 0 {
        if best < 0 || scratch.pairs[index].score > score {
          best = index
          score = scratch.pairs[index].score
        }
      }
      guard best >= 0 else { return }
      scratch.starts.remove(at: best + 1)
      scratch.pairs.remove(at: best)
      count -= 1
      if best > 0 {
        scratch.pairs[best - 1] = pair(bytes, scratch.starts[best - 1]..<scratch.starts[best + 1])
      }
      if best + 1 < count {
        scratch.pairs[best] = pair(bytes, scratch.starts[best]..<scratch.starts[best + 2])
      }
    }
  }

  /// The same with a heap, for long parts; a symbol that was joined to its left neighbour has length 0.
  private func joinByQueue(_ bytes: [UInt8], _ starts: [Int], _ output: inout [Int32]) {
    let count = starts.count - 1
    var lengths = (0..<count).map { Int32(starts[$0 + 1] - starts[$0]) }
    var next = (0..<count).map { $0 + 1 < count ? Int32($0 + 1) : -1 }
    var previous = (0..<count).map { Int32($0 - 1) }
    var queue = MergeQueue<NegatedScore>()
    queue.reserveCapacity(count)
    func consider(_ left: Int32, _ right: Int32) {
      guard left >= 0, right >= 0 else { return }
      let start = starts[Int(left)]
      let sizes = (lengths[Int(left)], lengths[Int(right)])
      let found = pair(bytes, start..<start + Int(sizes.0) + Int(sizes.1))
      guard found.token >= 0 else { return }
      queue.push(
        .init(
          priority: NegatedScore(score: found.score), left: left, right: right, leftState: sizes.0,
          rightState: sizes.1, result: found.token))
    }
    for index in 1..<count { consider(Int32(index - 1), Int32(index)) }
    while let candidate = queue.pop() {
      let (left, right) = (Int(candidate.left), Int(candidate.right))
      guard lengths[left] == candidate.leftState, lengths[right] == candidate.rightState else { continue }
      lengths[left] += lengths[right]
      lengths[right] = 0
      let after = next[right]
      next[left] = after
      if after >= 0 { previous[Int(after)] = candidate.left }
      consider(previous[left], candidate.left)
      consider(candidate.left, after)
    }
    var position: Int32 = 0
    while position >= 0 {
      let start = starts[Int(position)]
      emit(bytes, start..<start + Int(lengths[Int(position)]), &output)
      position = next[Int(position)]
    }
  }
}

/// A score as a priority: the highest is first.
private struct NegatedScore: Comparable {
  var score: Float

  static func < (left: NegatedScore, right: NegatedScore) -> Bool { left.score > right.score }
  static func == (left: NegatedScore, right: NegatedScore) -> Bool { left.score == right.score }
}
