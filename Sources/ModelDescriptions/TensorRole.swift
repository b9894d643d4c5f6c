/// What a tensor does in a model, told from its GGUF name alone.
public enum TensorRole: String, CaseIterable, Hashable, Sendable, Codable {
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

  /// Classifies a GGUF tensor name.
  ///
  /// - Parameters:
  ///   - name: The name, such as `blk.3.attn_qkv.weight`.
  ///   - isRecurrentLayer: Whether the tensor's layer is a linear-attention layer. `attn_qkv`, `attn_gate` and
  ///     `attn_norm` occur in both kinds of layers; without the answer they count as attention.
  public init(name: String, isRecurrentLayer: Bool = false) {
    let parts = name.split(separator: ".")
    guard parts.first == "blk", parts.count > 2 else {
      switch name {
      case "token_embd.weight", "per_layer_token_embd.weight": self = .tokenEmbedding
      case "output.weight": self = .output
      default:
        switch GGUFLayout.Extra(name: name) {
        case .vision: self = .vision
        case .nextToken: self = .nextToken
        case nil: self = name.contains("_norm") ? .norm : .other
        }
      }
      return
    }
    let stem = String(parts[2])
    switch stem {
    case "nextn": self = .nextToken
    case _ where stem.hasSuffix("norm"): self = .norm
    case "ffn_gate_inp", "ffn_gate_inp_shexp", "exp_probs_b": self = .router
    case _ where stem.hasPrefix("ffn_") && stem.hasSuffix("_exps"): self = .routedExperts
    case _ where stem.hasPrefix("ffn_") && stem.hasSuffix("_shexp"): self = .sharedExperts
    case _ where stem.hasPrefix("ffn_"): self = .feedForward
    case _ where stem.hasPrefix("ssm_"): self = .linearAttention
    case "attn_gate": self = .linearAttention
    case "attn_qkv": self = isRecurrentLayer ? .linearAttention : .attention
    case _ where stem.hasPrefix("attn_"): self = .attention
    default: self = .other
    }
  }
}
