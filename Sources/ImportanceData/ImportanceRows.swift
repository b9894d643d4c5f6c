/// The weights that a quantizer gets: importance data, with a policy for experts that have none.
///
/// Weights are read from the file when they are asked for. Held are names, counts, the numbers of blind experts, and
/// under ``BlindExpertPolicy/layerMean`` one row per tensor with blind experts.
package struct ImportanceRows: Sendable {
  /// The data.
  package let matrix: ImportanceMatrix
  /// How well each tensor is covered, in the order of the uses.
  package let coverage: [ExpertCoverage]
  private var substitutes: [String: Substitute] = [:]

  /// What blind experts of one tensor get.
  private struct Substitute {
    var experts: Set<Int>
    var weights: [Float]
  }

  /// Looks at the data of the tensors that will be quantized.
  ///
  /// - Parameters:
  ///   - matrix: The data.
  ///   - policy: What blind experts get; ``BlindExpertPolicy/error`` gives the same as ``BlindExpertPolicy/ones``.
  ///   - uses: The tensors; each has data that fits.
  ///   - thinBelow: Experts with fewer tokens than this are thin.
  /// - Throws: Errors of reading.
  package init(
    _ matrix: ImportanceMatrix, policy: BlindExpertPolicy, uses: [ImportanceUse], thinBelow: Int64 = 0
  ) throws {
    self.matrix = matrix
    coverage = try matrix.coverage(of: uses, thinBelow: thinBelow)
    let byName = Dictionary(uses.map { ($0.tensor, $0) }) { first, _ in first }
    for item in coverage where !item.blind.isEmpty {
      guard let use = byName[item.tensor], let entry = matrix.entry(serving: item.tensor) else { continue }
      let ones = [Float](repeating: 1, count: use.columnCount)
      switch policy {
      case .layerMean:
        let mean = try matrix.layerMean(of: entry, columnCount: use.columnCount)
        substitutes[item.tensor] = Substitute(experts: Set(item.blind), weights: mean ?? ones)
      case .ones, .error:
        // Experts with a count of 0 have ones already.
        guard !item.allZero.isEmpty, use.zeroGroup != nil else { continue }
        substitutes[item.tensor] = Substitute(experts: Set(item.allZero), weights: ones)
      }
    }
  }

  /// The weights of one matrix of a tensor.
  ///
  /// - Parameters:
  ///   - tensor: The name under which data is looked up.
  ///   - index: The matrix (expert).
  ///   - columnCount: Its columns.
  /// - Returns: `columnCount` weights; `nil` when there are none for this tensor.
  /// - Throws: As ``ImportanceMatrix/weights(of:matrix:columnCount:)``.
  package func weights(tensor: String, matrix index: Int, columnCount: Int) throws -> [Float]? {
    if let substitute = substitutes[tensor], substitute.experts.contains(index) { return substitute.weights }
    guard let entry = matrix.entry(serving: tensor) else { return nil }
    return try matrix.weights(of: entry, matrix: index, columnCount: columnCount)
  }
}
