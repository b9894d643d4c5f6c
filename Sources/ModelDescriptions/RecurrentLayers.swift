/// Which layers of a model are linear-attention layers, told from the tensors they have.
public struct RecurrentLayers: Sendable {
  private let layers: Set<Substring>

  /// Looks for state-space tensors in `names`.
  public init(names: [String]) {
    var found: Set<Substring> = []
    for name in names {
      let parts = name.split(separator: ".")
      if parts.count > 2, parts[0] == "blk", parts[2].hasPrefix("ssm_") { found.insert(parts[1]) }
    }
    layers = found
  }

  /// The role of a tensor.
  public func role(of name: String) -> TensorRole {
    let parts = name.split(separator: ".")
    return TensorRole(name: name, isRecurrentLayer: parts.count > 1 && layers.contains(parts[1]))
  }
}
