/// What a tensor does in a model, as recipes and reports call it.
package enum TensorRole: String, CaseIterable, Hashable, Sendable, Codable {
  case tokenEmbedding = "token-embedding"
  case output = "output"
  case attention = "attention"
  case linearAttention = "linear-attention"
  case router = "router"
  case routedExperts = "routed-experts"
  case sharedExperts = "shared-experts"
  case feedForward = "feed-forward"
  case norm = "norms"
  case nextToken = "next-token-prediction"
  case vision = "vision"
  case other = "other"
}
