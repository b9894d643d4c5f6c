package import ImportanceData

/// The importance data that a plan uses.
package struct PlannedImportance: Hashable, Sendable, Codable {
  /// The file as named by the user.
  package var file: String
  /// Entries in use, after filters.
  package var entries: Int
  /// What happens to experts without data.
  package var blindExperts: BlindExpertPolicy
  /// Whether the file says how many tokens each expert saw; legacy files do not.
  package var hasExpertCounts: Bool
  /// Experts with fewer tokens than this, but at least one, are thin.
  package var thinBelow: Int64
  /// The layers with blind or thin experts, among tensors that are quantized with this data.
  package var layers: [LayerCoverage]
  /// Tensors that use the data of another tensor with the same input.
  package var shared: [Shared]

  /// A tensor that uses the data of another one.
  package struct Shared: Hashable, Sendable, Codable {
    /// The tensor in the output.
    package var tensor: String
    /// The tensor in the importance data.
    package var source: String
  }

  /// Blind experts, each counted once per layer, and blind matrices that are no experts.
  package var blindCount: Int { Self.count(layers, \.blind) }
  /// Of these, the matrices that are no experts.
  package var blindMatrixCount: Int { Self.count(layers.filter { $0.expertCount == 1 }, \.blind) }
  /// Thin experts, each counted once per layer, and thin matrices that are no experts.
  package var thinCount: Int { Self.count(layers, \.thin) }

  /// The words for what blind experts get.
  package var blindOutcome: String {
    switch blindExperts {
    case .ones: "their columns weigh alike"
    case .layerMean: "they get the mean of the other experts of their tensor"
    case .error: "they are refused"
    }
  }

  private static func count(_ layers: [LayerCoverage], _ experts: KeyPath<LayerCoverage, [Int]>) -> Int {
    var seen: Set<String> = []
    for layer in layers {
      for expert in layer[keyPath: experts] {
        if layer.expertCount == 1 {
          seen.formUnion(layer.tensors)
        } else {
          seen.insert("\(layer.layer.map(String.init) ?? layer.tensors.first ?? "")/\(expert)")
        }
      }
    }
    return seen.count
  }

  /// A line on tensors that use the data of others; `nil` when there are none.
  package var sharedLine: String? {
    guard let first = shared.first else { return nil }
    let others = shared.count > 1 ? " and \(shared.count - 1) more" : ""
    return "\(first.tensor)\(others): importance of \(first.source), which has the same input"
  }

  /// One line per layer: how many experts are blind or thin, and which.
  package var lines: [String] {
    layers.map { layer in
      guard layer.expertCount > 1 else {
        return "\(layer.matrixTitle): "
          + (layer.blind.isEmpty
            ? "only \(layer.mostTokens ?? 0) calibration tokens"
            : layer.allZero.isEmpty ? "no calibration tokens" : "importance is zero in every column")
      }
      var parts: [String] = []
      if !layer.blind.isEmpty {
        let zeros =
          layer.allZero.isEmpty
          ? "" : " (importance is zero in every column: \(LayerCoverage.list(layer.allZero)))"
        parts.append("\(layer.blind.count) blind: \(LayerCoverage.list(layer.blind))\(zeros)")
      }
      if !layer.thin.isEmpty { parts.append("\(layer.thin.count) thin: \(LayerCoverage.list(layer.thin))") }
      return "\(layer.title): of \(layer.expertCount) experts, " + parts.joined(separator: "; ")
    }
  }
}
