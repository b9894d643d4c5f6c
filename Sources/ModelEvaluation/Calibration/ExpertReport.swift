package import ImportanceData

/// How often the experts of each layer were used by a calibration text.
package struct ExpertReport: Hashable, Sendable, Codable {
  /// One layer.
  package struct Layer: Hashable, Sendable, Codable {
    /// The layer's number.
    package var layer: Int
    /// Routed experts.
    package var expertCount: Int
    /// Tokens that passed the layer; `nil` when it is not known how many experts each one used.
    package var tokenCount: Int64?
    /// Experts without data: no token reached them, or the importance of one of their matrices is zero in every
    /// column, whatever its count says.
    package var blind: [Int]
    /// Experts that some tokens reached, but fewer than the threshold.
    package var thin: [Int]
    /// The share of tokens that each expert saw, or the share of all uses where the tokens are not known.
    package var shares: [Double]
    /// Tokens that each expert saw, 0 for blind ones.
    ///
    /// Where matrices of a layer differ, the smallest number.
    package var counts: [Int64]
  }

  /// Below how many tokens an expert is thin.
  package var threshold: Int64
  /// The layers with experts.
  package var layers: [Layer]
  /// Matrices outside of experts that the data says nothing of: no token, or an importance of zero in every column.
  package var emptyTensors: [String]

  /// Reads the counts of importance data.
  ///
  /// - Parameters:
  ///   - file: The data.
  ///   - threshold: Experts with fewer tokens than this, but at least one, are thin.
  ///   - usedPerToken: Experts per token; `nil` when no model says.
  package init(_ file: ImportanceFile, threshold: Int64, usedPerToken: Int?) {
    self.threshold = threshold
    emptyTensors = file.records.filter { $0.counts.count == 1 && Self.countsWithData($0) == [0] }.map(\.name)
    var byLayer: [Int: [Int64]] = [:]
    // Tokens are counted by what the file says, also where an expert's importance is zero.
    var usesByLayer: [Int: Int64] = [:]
    for record in file.records where record.name.contains("_exps.") && record.counts.count > 1 {
      let parts = record.name.split(separator: ".")
      guard parts.count > 1, let number = Int(parts[1]) else { continue }
      let counts = Self.countsWithData(record)
      let others = byLayer[number] ?? counts
      usesByLayer[number] = usesByLayer[number] ?? record.counts.reduce(0, +)
      byLayer[number] = others.count == counts.count ? zip(others, counts).map { min($0, $1) } : others
    }
    layers = byLayer.sorted { $0.key < $1.key }.map { number, counts in
      let uses = usesByLayer[number] ?? 0
      let tokens = usedPerToken.map { uses / Int64(max($0, 1)) }
      let whole = tokens ?? uses
      return Layer(
        layer: number, expertCount: counts.count, tokenCount: tokens,
        blind: counts.indices.filter { counts[$0] == 0 },
        thin: counts.indices.filter { counts[$0] > 0 && counts[$0] < threshold },
        shares: counts.map { whole > 0 ? Double($0) / Double(whole) : 0 }, counts: counts)
    }
  }

  /// Tokens per expert, 0 for experts that the data says nothing of.
  private static func countsWithData(_ record: ImportanceRecord) -> [Int64] {
    let columns = record.sums.count / record.counts.count
    return record.counts.enumerated().map { expert, count in
      record.sums[(expert * columns)..<((expert + 1) * columns)].contains { $0 > 0 } ? count : 0
    }
  }

  /// Experts, over all layers, that saw fewer tokens than a number.
  package func expertCount(below tokens: Int64) -> Int {
    layers.reduce(0) { $0 + $1.counts.count { $0 < tokens } }
  }
}
