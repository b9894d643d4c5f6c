public import ModelDescriptions

/// What a session allocates, foretold by the code that allocates it.
public struct RuntimeMemory: Sendable {
  /// Bytes of keys and values of all layers.
  public var cacheByteCount: Int
  /// Bytes of recurrent states of all layers.
  public var stateByteCount: Int
  /// Bytes of scratch rows whose number is that of a batch.
  public var rowByteCount: Int
  /// Bytes of attention scores, which grow with the context.
  public var scoreByteCount: Int

  /// Counts for a session whose context is filled; `nil` when an integer does not hold a sum.
  ///
  /// - Parameters:
  ///   - architecture: The layers; of sizes that can be multiplied.
  ///   - contextLength: The positions of the session.
  ///   - batchLength: Tokens computed together.
  ///   - threads: Threads that compute.
  ///   - cacheType: The type of keys and values.
  public init?(
    _ architecture: Architecture, contextLength: Int, batchLength: Int, threads: Int, cacheType: CacheType
  ) {
    let counter = ScratchCounter()
    let count = min(batchLength, contextLength)
    var (caches, states): (Int?, Int?) = (0, 0)
    func add(_ sum: inout Int?, _ value: Int?) {
      guard let a = sum, let b = value else { return sum = nil }
      let (result, overflow) = a.addingReportingOverflow(b)
      sum = overflow ? nil : result
    }
    _ = try? StreamScratch(counter, count: count, width: architecture.hiddenSize)
    var tables: Set<RotaryTableSize> = []
    var scores = 0
    for layer in architecture.layers {
      switch layer.mixer {
      case .attention(let part):
        let shape = CacheShape(part)
        add(
          &caches,
          shape.byteCount(contextLength: contextLength, batchLength: batchLength, type: cacheType))
        tables.insert(RotaryTableSize(rope: part.rope, dimensions: part.rotaryDimensions))
        let end = min(contextLength, shape.room(contextLength: contextLength, batchLength: batchLength))
        let counted = try? AttentionScratch(counter, part, count: count, end: end, workers: threads)
        scores = max(scores, (counted?.scores.width ?? 0) * threads)
      case .latent(let part):
        add(
          &caches,
          CacheShape(part).byteCount(
            contextLength: contextLength, batchLength: batchLength, type: cacheType))
        tables.insert(RotaryTableSize(rope: part.rope, dimensions: part.rotaryDim))
        let counted = try? LatentScratch(counter, part, count: count, end: contextLength, workers: threads)
        scores = max(scores, (counted?.scores.width ?? 0) * threads)
      case .deltaNet(let net):
        add(&states, DeltaNetState.byteCount(net))
        _ = try? DeltaNetScratch(counter, net, count: count)
      case .shortConvolution(let part):
        add(&states, ShortConvolutionState.byteCount(part))
        _ = try? ShortConvolutionScratch(counter, part, count: count)
      }
      if let part = layer.feedForward.dense {
        _ = try? DenseScratch(counter, name: "dense", width: part.width, count: count)
      }
      if let part = layer.feedForward.experts {
        _ = try? ExpertScratch(counter, part, count: count, width: architecture.hiddenSize)
      }
      if case .parallel = layer.feedForward {
        _ = try? ParallelScratch(counter, count: count, width: architecture.hiddenSize)
      }
    }
    var values: Int? = tables.reduce(0) { $0 + 2 * ($1.dimensions / 2) * count }
    for value in counter.counts.values { add(&values, value) }
    guard let caches, let states, let values, values < .max / 4 else { return nil }
    cacheByteCount = caches
    stateByteCount = states
    rowByteCount = 4 * (values - scores)
    scoreByteCount = 4 * scores
  }

  /// The positions that the cache of an attention layer has room for.
  ///
  /// - Parameters:
  ///   - attention: The attention, with its window.
  ///   - contextLength: The positions of the session.
  ///   - batchLength: Tokens computed together.
  /// - Returns: As many as the session has, or with a window those that a batch sees, and some to spare.
  public static func cachedPositions(
    of attention: Attention, contextLength: Int, batchLength: Int
  ) -> Int {
    CacheShape(attention).room(contextLength: contextLength, batchLength: batchLength)
  }

  private struct RotaryTableSize: Hashable {
    var rope: RopeParameters
    var dimensions: Int
  }
}
