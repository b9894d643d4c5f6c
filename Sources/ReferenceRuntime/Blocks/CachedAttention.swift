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

  let cache: KeyValueCache
  /// Query heads for each head of the cache.
  let groupSize: Int
  /// What scores are multiplied by.
  let scale: Float
  /// The most positions that a token sees; `nil` for all before it.
  var window: Int?
  /// A score for each query head that no position has; `nil` without.
  var sinks: FloatBuffer?
  /// One row per worker: scores of four queries, and their results.
  let scores: FloatRows

  /// Cuts the queries that share a key head into fours, across the heads of its group and tokens.
  ///
  /// The results may take the place of the queries.
  func run(_ queries: Heads, into results: Heads, _ context: BlockContext) {
    let (level, first, group, headCount) = (
      context.level, context.firstPosition - cache.origin, groupSize, cache.shape.headCount
    )
    let queryCount = queries.rows.count * group
    let tileCount = (queryCount + 3) / 4
    context.engine.parallel(headCount * tileCount) { item, worker in
      // Late tokens first: theirs is the most work.
      let (tile, head) = (tileCount - 1 - item / headCount, item % headCount)
      let range = (tile * 4)..<min(tile * 4 + 4, queryCount)
      withUnsafeTemporaryAllocation(of: UnsafePointer<Float>?.self, capacity: 4) { inputs in
        withUnsafeTemporaryAllocation(of: UnsafeMutablePointer<Float>?.self, capacity: 4) { outputs in
          withUnsafeTemporaryAllocation(of: crk_span.self, capacity: 4) { spans in
            for (slot, index) in range.enumerated() {
              let (token, member) = (index / group, head * group + index % group)
              inputs[slot] = UnsafePointer(queries.head(member, of: token))
              outputs[slot] = results.head(member, of: token)
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
}
