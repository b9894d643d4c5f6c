extension MetadataKey {
  /// The keys under the name of a family's architecture that llama.cpp's loader reads.
  package static func keys(of family: ModelFamily) -> [MetadataKey] {
    let traits = family.traits
    var keys = HyperParameters.keys + Attention.keys(of: traits) + RopeParameters.keys(of: traits)
    keys += traits.isMixture ? Experts.keys(of: family) : Experts.keysOfDenseModels
    if traits.isHybrid { keys += GatedDeltaNet.keys }
    if traits.isLatent { keys += LatentAttention.keys }
    return keys + family.ownKeys.flatMap(\.table)
  }

  /// Keys that may hold a list of one number for each layer.
  static func layerwiseKeys(of family: ModelFamily) -> [MetadataKey] {
    keys(of: family).filter { $0.form == .singleOrPerBlock }
  }

  /// Widths of vectors.
  static let dimension = 1...(1 << 20)
  /// Inner widths of networks.
  static let innerWidth = 0...(1 << 24)
}

extension MetadataKey.Range {
  /// Factors; 0 stands for none.
  static let notNegative = MetadataKey.Range.numbers(from: 0, to: .infinity, isOpen: false)
}
