/// A dense gated feed-forward network.
package struct Dense: Hashable, Sendable {
  /// The inner width.
  package var width: Int
  /// Biases on all three projections.
  package var hasBias = false

  /// Creates a network.
  package init(width: Int, hasBias: Bool = false) {
    self.width = width
    self.hasBias = hasBias
  }
}

/// The mixture of experts of a layer.
package struct Experts: Hashable, Sendable {
  /// Routed experts.
  package var count: Int
  /// Routed experts per token.
  package var usedCount: Int
  /// The inner width of a routed expert.
  package var width: Int
  /// Biases on all three projections of each routed expert.
  package var hasBias = false
  /// The inner width of the shared expert, `nil` without one; several shared experts are one of their joint width.
  package var sharedWidth: Int?
  /// Whether a sigmoid of the input weighs the shared expert.
  package var hasSharedGate = true
  /// How experts are chosen and weighed.
  package var router: Router

  /// Creates a mixture whose shared expert, if any, has a gate.
  package init(count: Int, usedCount: Int, width: Int, sharedWidth: Int? = nil, router: Router) {
    self.count = count
    self.usedCount = usedCount
    self.width = width
    self.sharedWidth = sharedWidth
    self.router = router
  }
}
