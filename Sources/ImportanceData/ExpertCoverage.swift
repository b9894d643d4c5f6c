/// How well calibration text exercised the experts of one tensor.
package struct ExpertCoverage: Hashable, Sendable {
  /// The name of the tensor.
  package var tensor: String
  /// Experts, or 1 for dense tensors.
  package var matrixCount: Int
  /// Experts without data: no token reached them, or their importance is zero in every column.
  package var blind: [Int]
  /// Of the blind experts, those whose importance is zero although the file does not say that no token reached them.
  package var allZero: [Int]
  /// Experts that some tokens reached, but fewer than the threshold.
  package var thin: [Int]
  /// The smallest and the largest number of rows an expert saw; `nil` when the file does not say.
  package var countRange: ClosedRange<Int64>?
  /// Columns that the quantizer makes zeros of, in experts that have data; `nil` when there are none.
  package var emptyColumns: EmptyColumns?

  /// Runs of columns without importance that are as long as what the quantizer weighs together.
  package struct EmptyColumns: Hashable, Sendable {
    /// Columns, over all experts.
    package var count: Int
    /// Experts that have such columns.
    package var matrixCount: Int
    /// The first such expert.
    package var firstMatrix: Int
    /// Its first such columns.
    package var firstColumns: Range<Int>
  }

  /// Creates a report.
  package init(
    tensor: String, matrixCount: Int, blind: [Int], allZero: [Int] = [], thin: [Int],
    countRange: ClosedRange<Int64>?, emptyColumns: EmptyColumns? = nil
  ) {
    self.tensor = tensor
    self.matrixCount = matrixCount
    self.blind = blind
    self.allZero = allZero
    self.thin = thin
    self.countRange = countRange
    self.emptyColumns = emptyColumns
  }
}

/// A tensor that is quantized with importance data.
package struct ImportanceUse: Hashable, Sendable {
  /// The name under which data is looked up.
  package var tensor: String
  /// Columns of each matrix.
  package var columnCount: Int
  /// Matrices (experts).
  package var matrixCount: Int
  /// How many columns, counted from a multiple of this number, become zeros when none of them has importance;
  /// `nil` for types that keep their weights then.
  package var zeroGroup: Int?

  /// Creates a use.
  package init(tensor: String, columnCount: Int, matrixCount: Int, zeroGroup: Int?) {
    self.tensor = tensor
    self.columnCount = columnCount
    self.matrixCount = matrixCount
    self.zeroGroup = zeroGroup
  }
}

extension ImportanceMatrix {
  /// True when the file says how often each expert was used; legacy files do not.
  package var hasExpertCounts: Bool { format == .gguf }

  /// Looks at the data of some tensors, row by row.
  ///
  /// - Parameters:
  ///   - uses: Tensors for which ``lookup(tensor:storedName:ggmlShape:)`` finds data.
  ///   - thinBelow: Experts with fewer rows than this, but at least one, are thin.
  /// - Returns: One report for each use that has data, in their order.
  /// - Throws: As ``weights(of:matrix:columnCount:)``.
  /// - Complexity: Reads the values of these tensors once; what is held is 256 KiB and the lists of experts.
  package func coverage(of uses: [ImportanceUse], thinBelow: Int64) throws -> [ExpertCoverage] {
    try uses.compactMap { use in
      guard let entry = entry(serving: use.tensor), use.columnCount > 0,
        entry.valueCount == use.columnCount * use.matrixCount
      else { return nil }
      return try coverage(of: use, entry, thinBelow: thinBelow)
    }
  }

  private func coverage(of use: ImportanceUse, _ entry: Entry, thinBelow: Int64) throws -> ExpertCoverage {
    var result = ExpertCoverage(
      tensor: use.tensor, matrixCount: use.matrixCount, blind: [], thin: [],
      countRange: entry.counts.flatMap { counts in
        counts.min().flatMap { low in counts.max().map { low...$0 } }
      })
    let zeros = try matricesWithTinyValues(entry, columnCount: use.columnCount)
    for matrix in 0..<use.matrixCount {
      let count = count(of: entry, matrix: matrix, columnCount: use.columnCount)
      if count == 0 {
        result.blind.append(matrix)
        continue
      }
      if let count, count < thinBelow { result.thin.append(matrix) }
      guard zeros.contains(matrix) else { continue }
      let weights = try weights(of: entry, matrix: matrix, columnCount: use.columnCount)
      if weights.allSatisfy({ $0 == 0 }) {
        result.blind.append(matrix)
        result.allZero.append(matrix)
        result.thin.removeAll { $0 == matrix }
      } else if let group = use.zeroGroup {
        note(Self.emptyGroups(weights, group), matrix, group, in: &result)
      }
    }
    return result
  }

  private func note(_ groups: [Int], _ matrix: Int, _ group: Int, in result: inout ExpertCoverage) {
    guard let first = groups.first else { return }
    var empty =
      result.emptyColumns
      ?? ExpertCoverage.EmptyColumns(
        count: 0, matrixCount: 0, firstMatrix: matrix, firstColumns: first..<(first + group))
    empty.count += groups.count * group
    empty.matrixCount += 1
    result.emptyColumns = empty
  }

  /// The first columns of all groups without importance.
  private static func emptyGroups(_ weights: [Float], _ group: Int) -> [Int] {
    stride(from: 0, through: weights.count - group, by: group).filter { start in
      weights[start..<(start + group)].allSatisfy { $0 == 0 }
    }
  }

  /// Matrices with a value that may be a weight of zero; found without dividing, since hardly any file has one.
  private func matricesWithTinyValues(_ entry: Entry, columnCount: Int) throws -> Set<Int> {
    // Counts stay below 2^63, so that a quotient of a larger value cannot round to zero, which is below 2^-150.
    let limit: Float = 0x1p-80
    let step = max(1, 65536 / columnCount) * columnCount
    var result: Set<Int> = []
    for start in stride(from: 0, to: entry.valueCount, by: step) {
      let values = try entry.values.read(start..<min(start + step, entry.valueCount))
      guard Self.hasValue(values, below: limit) else { continue }
      for (index, value) in values.enumerated() where value < limit {
        result.insert((start + index) / columnCount)
      }
    }
    return result
  }

  private static func hasValue(_ values: [Float], below limit: Float) -> Bool {
    values.withUnsafeBufferPointer { values in
      var found: UInt32 = 0
      for value in values { found |= value < limit ? 1 : 0 }
      return found != 0
    }
  }
}
