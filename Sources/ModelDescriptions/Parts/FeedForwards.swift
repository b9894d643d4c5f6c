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
  /// Biases on all three projections of each routed expert.
  public var hasBias = false
  /// The inner width of the shared expert, `nil` without one; several shared experts are one of their joint width.
  public var sharedWidth: Int?
  /// Whether a sigmoid of the input weighs the shared expert.
  public var hasSharedGate = true
  /// How experts are chosen and weighed.
  public var router: Router

  /// Creates a mixture whose shared expert, if any, has a gate.
  public init(count: Int, usedCount: Int, width: Int, sharedWidth: Int? = nil, router: Router) {
    self.count = count
    self.usedCount = usedCount
    self.width = width
    self.sharedWidth = sharedWidth
    self.router = router
  }
}
