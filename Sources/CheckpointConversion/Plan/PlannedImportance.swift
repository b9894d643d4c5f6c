public import ImportanceData

/// The importance data that a plan uses.
public struct PlannedImportance: Hashable, Sendable, Codable {
  /// The file as named by the user.
  public var file: String
  /// Entries in use, after filters.
  public var entries: Int
  /// What happens to experts without data.
  public var blindExperts: BlindExpertPolicy
  /// Whether the file says how many tokens each expert saw; legacy files do not.
  public var hasExpertCounts: Bool
  /// Experts with fewer tokens than this, but at least one, are thin.
  public var thinBelow: Int64
  /// The layers with blind or thin experts, among tensors that are quantized with this data.
  public var layers: [LayerCoverage]

  /// Blind experts, each counted once per layer.
  public var blindCount: Int { Self.count(layers, \.blind) }
  /// Thin experts, each counted once per layer.
  public var thinCount: Int { Self.count(layers, \.thin) }

  /// The words for what blind experts get.
  public var blindOutcome: String {
    switch blindExperts {
    case .ones: "their columns all weigh 1"
    case .layerMean: "they get the mean of the other experts of their tensor"
    case .error: "they are refused"
    }
  }

  private static func count(_ layers: [LayerCoverage], _ experts: KeyPath<LayerCoverage, [Int]>) -> Int {
    var seen: Set<String> = []
    for layer in layers {
      for expert in layer[keyPath: experts] {
        seen.insert("\(layer.layer.map(String.init) ?? layer.tensors.first ?? "")/\(expert)")
      }
    }
    return seen.count
  }

  /// One line per layer: how many experts are blind or thin, and which.
  public var lines: [String] {
    layers.map { layer in
      guard layer.expertCount > 1 else {
        return layer.blind.isEmpty
          ? "\(layer.title): only \(layer.mostTokens) calibration tokens"
          : "\(layer.title): no calibration tokens"
      }
      var parts: [String] = []
      if !layer.blind.isEmpty {
        parts.append("\(layer.blind.count) blind: \(LayerCoverage.list(layer.blind))")
      }
      if !layer.thin.isEmpty { parts.append("\(layer.thin.count) thin: \(LayerCoverage.list(layer.thin))") }
      return "\(layer.title): of \(layer.expertCount) experts, " + parts.joined(separator: "; ")
    }
  }
}
