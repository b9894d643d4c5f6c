package import ModelDescriptions

/// What a session allocates, foretold by the code that allocates it.
package struct RuntimeMemory: Sendable {
  /// Bytes of keys and values of all layers.
  package var cacheByteCount: Int
  /// Bytes of recurrent states of all layers.
  package var stateByteCount: Int
  /// Bytes of scratch rows whose number is that of a batch.
  package var rowByteCount: Int
  /// Bytes of attention scores, which grow with the context.
  package var scoreByteCount: Int

  /// Counts for a session whose context is filled; `nil` when an integer does not hold a sum.
  ///
  /// - Parameters:
  ///   - architecture: The layers; of sizes that can be multiplied.
  ///   - contextLength: The positions of the session.
  ///   - batchLength: Tokens computed together.
  ///   - threads: Threads that compute.
  ///   - cacheType: The type of keys and values.
  package init?(
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
    for layer in architecture.layers {
      let bytes = LayerState.Shape(layer.mixer).byteCount(
        contextLength: contextLength, batchLength: batchLength, type: cacheType)
      if layer.mixer.hasCache { add(&caches, bytes) } else { add(&states, bytes) }
      counter.addMixer(
        layer.mixer, count: count, contextLength: contextLength, batchLength: batchLength, workers: threads)
      counter.addFeedForward(layer.feedForward, count: count, width: architecture.hiddenSize)
    }
    let scores = counter.scoreCount
    var values: Int? = RotaryTableSize.valueCount(architecture, positions: count)
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
  package static func cachedPositions(
    of attention: Attention, contextLength: Int, batchLength: Int
  ) -> Int {
    CacheShape(attention).room(contextLength: contextLength, batchLength: batchLength)
  }

  /// All of it; the largest integer when that is less.
  package var totalByteCount: Int {
    [cacheByteCount, stateByteCount, rowByteCount, scoreByteCount].reduce(0) { sum, count in
      let (result, overflow) = sum.addingReportingOverflow(count)
      return overflow ? .max : result
    }
  }
}

/// A kind of rotary embedding, which has one table.
struct RotaryTableSize: Hashable {
  private var rope: RopeParameters
  private var dimensions: Int

  /// Cosines and sines of all kinds in a model.
  static func valueCount(_ architecture: Architecture, positions: Int) -> Int {
    let tables = architecture.layers.reduce(into: Set<RotaryTableSize>()) { tables, layer in
      switch layer.mixer {
      case .attention(let part):
        tables.insert(RotaryTableSize(rope: part.rope, dimensions: part.rotaryDimensions))
      case .latent(let part): tables.insert(RotaryTableSize(rope: part.rope, dimensions: part.rotaryDim))
      case .deltaNet, .shortConvolution: break
      }
    }
    return tables.reduce(0) { $0 + 2 * ($1.dimensions / 2) * positions }
  }
}

extension ScratchCounter {
  /// Counts the rows of a mixer for `count` tokens of a session.
  func addMixer(_ mixer: Mixer, count: Int, contextLength: Int, batchLength: Int, workers: Int) {
    switch mixer {
    case .attention(let part):
      let room = CacheShape(part).room(contextLength: contextLength, batchLength: batchLength)
      _ = try? AttentionScratch(
        self, part, count: count, end: min(contextLength, room), workers: workers)
    case .latent(let part):
      _ = try? LatentScratch(self, part, count: count, end: contextLength, workers: workers)
    case .deltaNet(let net): _ = try? DeltaNetScratch(self, net, count: count)
    case .shortConvolution(let part): _ = try? ShortConvolutionScratch(self, part, count: count)
    }
  }

  /// Counts the rows of a feed-forward network.
  func addFeedForward(_ part: FeedForward, count: Int, width: Int) {
    if let dense = part.dense { _ = try? DenseScratch(self, name: "dense", width: dense.width, count: count) }
    if let experts = part.experts { _ = try? ExpertScratch(self, experts, count: count, width: width) }
    if case .parallel = part { _ = try? ParallelScratch(self, count: count, width: width) }
  }

  /// Values of attention scores.
  var scoreCount: Int { counts["attention.scores"] ?? 0 }
}
