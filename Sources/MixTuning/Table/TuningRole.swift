/// What the tensors of a ``TuningGroup`` do in a model.
///
/// Raw values are written in tables and printed; ``recipeRoles`` are what a rule of a recipe lists to catch the same tensors.
package enum TuningRole: String, CaseIterable, Hashable, Sendable, Codable {
  case embedding
  /// The output matrix; a tied embedding is ``embedding``.
  case output
  case attentionQuery = "attention.q"
  case attentionKey = "attention.k"
  case attentionValue = "attention.v"
  /// Latent attention's common projection of keys and values.
  case attentionKeyValue = "attention.kv"
  /// Query, key and value as one tensor.
  case attentionQueryKeyValue = "attention.qkv"
  case attentionOutput = "attention.output"
  case linearAttentionIn = "linear-attention.in"
  case linearAttentionGates = "linear-attention.gates"
  case linearAttentionOut = "linear-attention.out"
  /// Gate and up projections of all routed experts of a layer, which have one input.
  case routedExpertsGateUp = "routed-experts.gate+up"
  case routedExpertsDown = "routed-experts.down"
  /// All three matrices of the shared expert.
  case sharedExperts = "shared-experts"
  case feedForwardGateUp = "feed-forward.gate+up"
  case feedForwardDown = "feed-forward.down"
  /// All tensors of the blocks that predict one token further, which no text reaches; one group for all these blocks.
  case nextToken = "next-token-prediction"
  /// Whatever else is quantized.
  case other

  /// The names that the `role:` of a rule lists.
  package var recipeRoles: [String] {
    switch self {
    case .routedExpertsGateUp: ["routed-experts.gate", "routed-experts.up"]
    case .feedForwardGateUp: ["feed-forward.gate", "feed-forward.up"]
    case .nextToken: ["any"]
    default: [rawValue]
    }
  }

  /// The value of a rule's `layers:` that the role itself needs; `nil` for roles whose groups are told apart by number.
  package var recipeLayers: String? { self == .nextToken ? "next-token" : nil }

  /// Whether every layer has a group of its own.
  package var isPerLayer: Bool {
    switch self {
    case .embedding, .output, .nextToken: false
    default: true
    }
  }

  /// The branch of its layer whose output the tensors change; `nil` outside of layers.
  package var branch: TuningBranch? {
    switch self {
    case .attentionQuery, .attentionKey, .attentionValue, .attentionKeyValue, .attentionQueryKeyValue,
      .attentionOutput, .linearAttentionIn, .linearAttentionGates, .linearAttentionOut:
      .mixer
    case .routedExpertsGateUp, .routedExpertsDown, .sharedExperts, .feedForwardGateUp, .feedForwardDown:
      .feedForward
    case .embedding, .output, .nextToken, .other: nil
    }
  }
}

/// One of the two branches of a layer, each of which is added to the residual stream.
package enum TuningBranch: String, CaseIterable, Hashable, Sendable, Codable {
  /// Attention of any kind, or a short convolution.
  case mixer
  /// The dense network, the experts, or both.
  case feedForward = "feed-forward"
}
