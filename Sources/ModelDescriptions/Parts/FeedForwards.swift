/// A dense gated feed-forward network.
public struct Dense: Hashable, Sendable {
  /// The inner width.
  public var width: Int
  /// Biases on all three projections.
  public var hasBias = false

  /// Creates a network.
  public init(width: Int, hasBias: Bool = false) {
    self.width = width
    self.hasBias = hasBias
  }
}

/// The mixture of experts of a layer.
public struct Experts: Hashable, Sendable {
  /// Routed experts.
  public var count: Int
  /// Routed experts per token.
  public var usedCount: Int
  /// The inner width of a routed expert.
  public var width: Int
  /// The inner width of the shared expert, `nil` without one.
  public var sharedWidth: Int?
  /// Whether the weights of the chosen experts are divided by their sum.
  public var normalizesTopK: Bool

  /// Creates a mixture.
  public init(count: Int, usedCount: Int, width: Int, sharedWidth: Int? = nil, normalizesTopK: Bool) {
    self.count = count
    self.usedCount = usedCount
    self.width = width
    self.sharedWidth = sharedWidth
    self.normalizesTopK = normalizesTopK
  }
}
