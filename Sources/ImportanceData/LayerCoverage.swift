/// How well calibration text exercised the experts of one layer.
package struct LayerCoverage: Hashable, Sendable, Codable {
  /// The layer's number; `nil` for tensors outside of layers.
  package var layer: Int?
  /// The tensors that share these counts, in the order of their names.
  package var tensors: [String]
  /// Experts, or 1 for a single matrix.
  package var expertCount: Int
  /// Experts without data: no token reached them, or their importance is zero in every column.
  package var blind: [Int]
  /// Of the blind experts, those whose importance is zero although the file does not say that no token reached them.
  package var allZero: [Int]
  /// Experts that some tokens reached, but fewer than the threshold.
  package var thin: [Int]
  /// The smallest number of rows an expert saw; `nil` when the file does not say.
  package var fewestTokens: Int64?
  /// The largest number of rows an expert saw; `nil` when the file does not say.
  package var mostTokens: Int64?

  /// The layer as the text of a message: `layer 3`, or the tensor's name.
  ///
  /// Tensors are named where experts of one layer differ from tensor to tensor.
  package var title: String {
    guard let layer, tensors.count > 1 else { return tensors.first ?? "" }
    return "layer \(layer)"
  }

  /// The tensors as the text of a message, for matrices that are no experts.
  package var matrixTitle: String {
    tensors.prefix(4).joined(separator: ", ") + (tensors.count > 4 ? " and \(tensors.count - 4) more" : "")
  }

  /// Experts as text, shortened after a number of them: `3, 5, 9 and 4 more`.
  ///
  /// - Parameters:
  ///   - experts: Their numbers.
  ///   - limit: The most that are listed.
  /// - Returns: The numbers, and how many more there are.
  package static func list(_ experts: [Int], limit: Int = 12) -> String {
    let shown = experts.prefix(limit).map(String.init).joined(separator: ", ")
    return experts.count > limit ? "\(shown) and \(experts.count - limit) more" : shown
  }
}

extension LayerCoverage {
  /// Groups tensors of one layer whose experts saw the same numbers of tokens.
  ///
  /// - Parameter coverage: Tensors; those without blind or thin experts are left out.
  /// - Returns: Groups ordered by layer, those outside of layers last.
  package static func byLayer(_ coverage: [ExpertCoverage]) -> [LayerCoverage] {
    var groups: [LayerCoverage] = []
    for item in coverage where !item.blind.isEmpty || !item.thin.isEmpty {
      let parts = item.tensor.split(separator: ".")
      let layer = parts.count > 2 && parts[0] == "blk" ? Int(parts[1]) : nil
      let same = groups.firstIndex {
        layer != nil && $0.layer == layer && $0.expertCount == item.matrixCount && $0.blind == item.blind
          && $0.allZero == item.allZero && $0.thin == item.thin
          && $0.fewestTokens == item.countRange?.lowerBound && $0.mostTokens == item.countRange?.upperBound
      }
      if let same {
        groups[same].tensors.append(item.tensor)
      } else {
        groups.append(
          LayerCoverage(
            layer: layer, tensors: [item.tensor], expertCount: item.matrixCount, blind: item.blind,
            allZero: item.allZero, thin: item.thin, fewestTokens: item.countRange?.lowerBound,
            mostTokens: item.countRange?.upperBound))
      }
    }
    func rank(_ group: LayerCoverage) -> (Int, String) { (group.layer ?? .max, group.tensors.first ?? "") }
    return groups.sorted { rank($0) < rank($1) }
  }
}
