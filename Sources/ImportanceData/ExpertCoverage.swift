/// How well calibration text exercised the experts of one tensor.
public struct ExpertCoverage: Hashable, Sendable {
  /// The name of the tensor.
  public var tensor: String
  /// Experts, or 1 for dense tensors.
  public var matrixCount: Int
  /// Experts that no token reached; their columns all weigh 1.
  public var blind: [Int]
  /// Experts that some tokens reached, but fewer than the threshold.
  public var thin: [Int]
  /// The smallest and the largest number of rows an expert saw.
  public var countRange: ClosedRange<Int64>

  /// Creates a report.
  public init(tensor: String, matrixCount: Int, blind: [Int], thin: [Int], countRange: ClosedRange<Int64>) {
    self.tensor = tensor
    self.matrixCount = matrixCount
    self.blind = blind
    self.thin = thin
    self.countRange = countRange
  }
}

extension ImportanceMatrix {
  /// True when the file says how often each expert was used; legacy files do not.
  public var hasExpertCounts: Bool { format == .gguf }

  /// The tensors with experts that were never or seldom used, sorted by name.
  ///
  /// - Parameter thinBelow: Experts with fewer rows than this, but at least one, are thin.
  /// - Returns: Nothing for legacy files, which do not hold the counts.
  public func coverage(thinBelow: Int64) -> [ExpertCoverage] {
    entries.compactMap { entry in
      guard let counts = entry.counts, let low = counts.min(), let high = counts.max() else { return nil }
      let blind = counts.indices.filter { counts[$0] == 0 }
      let thin = counts.indices.filter { counts[$0] > 0 && counts[$0] < thinBelow }
      guard !blind.isEmpty || !thin.isEmpty else { return nil }
      return ExpertCoverage(
        tensor: entry.name, matrixCount: counts.count, blind: blind, thin: thin, countRange: low...high)
    }
  }
}
