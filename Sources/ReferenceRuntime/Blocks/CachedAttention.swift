internal import CRuntimeKernels

/// Softmax attention of queries over a cache, by heads that share a key.
///
/// ```
/// o_h = softmax(scale * q_h . k_(h div group)) v        over the positions up to the token's own,
///                                                       the last ones alone where there is a window
/// ```
///
/// With sinks, `exp` of a score of the head's own joins the sum that the softmax divides by.
///
/// Every score is one sum in a fixed order, the softmax is taken over the whole row of scores, and values are
/// added in an order that positions alone determine: nothing depends on how tokens are batched.
struct CachedAttention {
  /// The heads of a token's row, each `step` values after the one before.
  struct Heads {
    var rows: FloatRows
    var step: Int

    /// The first value of one head.
    func head(_ index: Int, of token: Int) -> UnsafeMutablePointer<Float> { rows.row(token) + index * step }
  }

  /// Tokens of one sequence.
  struct Part {
    /// What has them, and those before them.
    var cache: KeyValueCache
    var rows: Range<Int>
    /// The place of the first one in the cache.
    var firstPlace: Int

    /// Pairs the parts of a batch with their caches.
    static func all(_ caches: [KeyValueCache], _ context: BlockContext) -> [Part] {
      zip(caches, context.parts).map {
        Part(cache: $0, rows: $1.rows, firstPlace: $1.firstPosition - $0.origin)
      }
    }
  }

  /// The sequences of the batch, at least one.
  let parts: [Part]
  /// Query heads for each head of the cache.
  let groupSize: Int
  /// What scores are multiplied by.
  let scale: Float
  /// The most positions that a token sees; `nil` for all before it.
  var window: Int?
  /// A score for each query head that no position has; `nil` without.
  var sinks: FloatBuffer?
  /// One row per worker: scores of a tile's queries, and their results.
  let scores: FloatRows

  /// The queries that are computed together at most.
  static let mostQueries = Int(CRK_MOST_QUERIES)

  /// The queries that are computed together: fewer where there are few, so that there is work for all threads.
  private static func tileSize(queries: Int) -> Int { queries < 64 ? 4 : mostQueries }

  /// Cuts the queries that share a key head into tiles, across the heads of its group and tokens.
  ///
  /// The results may take the place of the queries.
  func run(_ queries: Heads, into results: Heads, _ context: BlockContext) {
    let (level, group, headCount) = (context.level, groupSize, parts[0].cache.shape.headCount)
    func tileCount(_ part: Part) -> Int {
      let (count, size) = (part.rows.count * group, Self.tileSize(queries: part.rows.count * group))
      return (count + size - 1) / size
    }
    // Where the items of each part start; one more than there are parts.
    let starts = parts.reduce(into: [0]) { $0.append(($0.last ?? 0) + headCount * tileCount($1)) }
    context.engine.parallel(starts[parts.count]) { item, worker in
      let number = Self.part(of: item, starts)
      let (part, local) = (parts[number], item - starts[number])
      let (cache, first, firstRow) = (part.cache, part.firstPlace, part.rows.lowerBound)
      let queryCount = part.rows.count * group
      // Late tokens first: theirs is the most work.
      let size = Self.tileSize(queries: queryCount)
      let (tile, head) = ((queryCount + size - 1) / size - 1 - local / headCount, local % headCount)
      let range = (tile * size)..<min(tile * size + size, queryCount)
      withUnsafeTemporaryAllocation(of: UnsafePointer<Float>?.self, capacity: size) { inputs in
        withUnsafeTemporaryAllocation(of: UnsafeMutablePointer<Float>?.self, capacity: size) { outputs in
          withUnsafeTemporaryAllocation(of: crk_span.self, capacity: size) { spans in
            for (slot, index) in range.enumerated() {
              let (token, member) = (index / group, head * group + index % group)
              inputs[slot] = UnsafePointer(queries.head(member, of: firstRow + token))
              outputs[slot] = results.head(member, of: firstRow + token)
              let end = first + token + 1
              spans[slot] = crk_span(
                start: window.map { max(0, end - $0) } ?? 0, end: end,
                sink: sinks.map { $0.base[member] } ?? -.infinity)
            }
            var view = cache.view(head)
            crk_attend(
              level, &view, inputs.baseAddress, spans.baseAddress, range.count, scale, scores.row(worker),
              outputs.baseAddress)
          }
        }
      }
    }
  }

  /// The part that an item belongs to.
  private static func part(of item: Int, _ starts: [Int]) -> Int {
    var (low, high) = (0, starts.count - 1)
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= item { low = middle } else { high = middle }
    }
    return low
  }
}
