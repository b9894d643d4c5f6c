internal import ModelDescriptions

/// What memory bandwidth and arithmetic allow at most; real speeds are lower.
public struct SpeedBound: Codable, Hashable, Sendable {
  /// Bytes of weights that one token reads.
  public var activeWeightBytes: Int
  /// Bytes of caches and states that one token reads at the context given.
  public var cacheBytes: Int
  /// Bytes per second assumed.
  public var bandwidth: Double
  /// Whether the bandwidth was measured here.
  public var isMeasured: Bool
  /// Tokens per second of generation at most.
  public var decodeTokensPerSecond: Double
  /// Tokens per second of a prompt at most, as far as reading weights once per batch limits it.
  public var prefillTokensPerSecond: Double
  /// Tokens per second of a prompt at most, as far as arithmetic limits it; `nil` without `--compute`.
  public var prefillComputeTokensPerSecond: Double?
}

extension PricedModel {
  /// Bytes of weights that one token reads: one row of the embedding, the chosen experts, all else.
  package var activeWeightByteCount: Int {
    tensors.reduce(0) { sum, tensor in
      if tensor.isNextToken || tensor.isOutside { return sum }
      if tensor.role == .tokenEmbedding {
        return sum
          + (model.tiedEmbeddings ? tensor.byteCount : tensor.byteCount / max(1, model.vocabularySize))
      }
      guard tensor.isRouted, let experts = model.experts else { return sum + tensor.byteCount }
      return sum + tensor.byteCount / experts.count * experts.usedCount
    }
  }

  /// Upper bounds of speed.
  ///
  /// - Parameters:
  ///   - memory: The breakdown at the context in question; its caches are read once per token.
  ///   - batch: Tokens computed together in a prompt.
  ///   - bandwidth: Bytes per second.
  ///   - isMeasured: Whether that was measured.
  ///   - operationsPerSecond: Multiplications and additions per second, if known.
  /// - Returns: The bounds.
  package func speedBound(
    _ memory: MemoryBreakdown, batch: Int, bandwidth: Double, isMeasured: Bool, operationsPerSecond: Double?
  ) -> SpeedBound {
    let active = activeWeightByteCount
    let caches = memory.bytes(of: .keyValueCache) + 2 * memory.bytes(of: .recurrentState)
    // A batch reaches each expert with the probability that none of its tokens misses it.
    let missed: Double =
      if let experts = model.experts {
        power(1 - Double(experts.usedCount) / Double(experts.count), batch)
      } else { 0 }
    var perBatch = 0.0
    for tensor in tensors where !tensor.isNextToken && !tensor.isOutside && tensor.role != .tokenEmbedding {
      perBatch += Double(tensor.byteCount) * (tensor.isRouted ? 1 - missed : 1)
    }
    let operations = 2 * Double(activeParameterCount)
    return SpeedBound(
      activeWeightBytes: active, cacheBytes: caches, bandwidth: bandwidth, isMeasured: isMeasured,
      decodeTokensPerSecond: bandwidth / Double(max(1, active + caches)),
      prefillTokensPerSecond: Double(batch) * bandwidth / max(1, perBatch),
      prefillComputeTokensPerSecond: operationsPerSecond.map { $0 / max(1, operations) })
  }

  private func power(_ base: Double, _ exponent: Int) -> Double {
    var result = 1.0
    for _ in 0..<min(exponent, 1 << 16) where result > 1e-12 { result *= base }
    return result
  }
}
