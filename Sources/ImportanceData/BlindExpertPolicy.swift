/// Which weights an expert gets for which calibration text brought no data.
///
/// An expert is blind in a tensor when its count there is 0. Policies differ for blind experts alone; all other
/// experts have their own data.
public enum BlindExpertPolicy: String, Hashable, Sendable, CaseIterable, Codable {
  /// All columns weigh 1, as llama-quantize has it.
  case ones
  /// The mean over the experts of the same tensor that saw data.
  ///
  /// With S the experts whose count is above 0, column j weighs `(sum over e in S of w[e][j]) / |S|`, where
  /// `w[e][j] = sums[e][j] / counts[e]` is expert e's own f32 weight: every expert with data has the same say,
  /// however many tokens it saw. The sum runs in f64 over ascending e and is rounded to f32 once at the end. Where
  /// no expert of a tensor has data, all columns weigh 1.
  case layerMean = "layer-mean"
  /// Such data is refused.
  case error
}

extension ImportanceMatrix {
  /// The weights of ``BlindExpertPolicy/layerMean``.
  ///
  /// - Parameters:
  ///   - entry: The entry of a tensor; its counts are known.
  ///   - columnCount: Columns per expert.
  /// - Returns: `columnCount` weights; `nil` when no expert has data, or the file does not say which ones have.
  /// - Throws: As ``weights(of:matrix:columnCount:)``.
  public func layerMean(of entry: Entry, columnCount: Int) throws -> [Float]? {
    guard let counts = entry.counts, counts.contains(where: { $0 > 0 }) else { return nil }
    var sums = [Double](repeating: 0, count: columnCount)
    var experts = 0.0
    for (expert, count) in counts.enumerated() where count > 0 {
      let weights = try weights(of: entry, matrix: expert, columnCount: columnCount)
      for column in sums.indices { sums[column] += Double(weights[column]) }
      experts += 1
    }
    return sums.map { Float($0 / experts) }
  }
}
