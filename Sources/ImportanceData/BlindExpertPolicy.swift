/// Which weights an expert gets for which calibration text brought no data.
///
/// An expert is blind in a tensor when its count there is 0, or when its importance is zero in every column, whatever
/// its count says: older tools stored zeros for experts that no token reached, and legacy files hold no counts per
/// expert. A matrix that is no expert is blind in the same way. Policies differ for blind experts alone; all others
/// have their own data.
public enum BlindExpertPolicy: String, Hashable, Sendable, CaseIterable, Codable {
  /// All columns weigh alike.
  ///
  /// Experts with a count of 0 weigh 1 in every column, as llama-quantize has it. Where the importance is zero,
  /// llama-quantize makes zeros of all weights in most types; they weigh 1 here. Q4_1 and Q5_1 keep their weights with
  /// an importance of zero; it stays as it is for these types, and so do the bytes.
  case ones
  /// The mean over the experts of the same tensor that saw data.
  ///
  /// With S the experts that are not blind, column j weighs `(sum over e in S of w[e][j]) / |S|`, where
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
  ///   - entry: The entry of a tensor.
  ///   - columnCount: Columns per expert.
  /// - Returns: `columnCount` weights; `nil` when no expert has data, or nothing says which ones have: a legacy file
  ///   without an expert whose importance is zero.
  /// - Throws: As ``weights(of:matrix:columnCount:)``.
  package func layerMean(of entry: Entry, columnCount: Int) throws -> [Float]? {
    var sums = [Double](repeating: 0, count: columnCount)
    var experts = 0.0
    let matrixCount = entry.valueCount / max(1, columnCount)
    for matrix in 0..<matrixCount where count(of: entry, matrix: matrix, columnCount: columnCount) != 0 {
      let weights = try weights(of: entry, matrix: matrix, columnCount: columnCount)
      guard weights.contains(where: { $0 != 0 }) else { continue }
      for column in sums.indices { sums[column] += Double(weights[column]) }
      experts += 1
    }
    guard experts > 0, entry.counts != nil || Int(experts) < matrixCount else { return nil }
    return sums.map { Float($0 / experts) }
  }
}
