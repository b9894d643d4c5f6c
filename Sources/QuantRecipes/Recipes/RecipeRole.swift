internal import ModelDescriptions

/// What a rule of a recipe calls a group of tensors by: a ``TensorRole``, or a part of one such as `attention.v`.
///
/// The tensors of linear-attention layers count as linear attention, even where their names are those of ordinary
/// attention (`attn_qkv`).
public struct RecipeRole: Hashable, Sendable {
  /// The name as it is written in recipes.
  public let name: String
  /// The role that a tensor must have; `nil` for any.
  private let role: TensorRole?
  /// The third parts of `blk.N.….weight` names that belong to the group; empty for all.
  private let stems: [String]

  private init(_ name: String, _ role: TensorRole?, _ stems: [String] = []) {
    self.name = name
    self.role = role
    self.stems = stems
  }

  /// Finds a role by its name.
  public init?(name: String) {
    guard let found = Self.all.first(where: { $0.name == name }) else { return nil }
    self = found
  }

  /// Every role that recipes know.
  public static let all: [RecipeRole] = [
    RecipeRole("any", nil),
    RecipeRole("embedding", .tokenEmbedding),
    RecipeRole("output", .output),
    RecipeRole("attention", .attention),
    RecipeRole("attention.q", .attention, ["attn_q", "attn_q_a", "attn_q_b"]),
    RecipeRole("attention.k", .attention, ["attn_k", "attn_k_b"]),
    RecipeRole("attention.v", .attention, ["attn_v", "attn_v_b"]),
    RecipeRole("attention.kv", .attention, ["attn_kv_a_mqa", "attn_kv_b"]),
    RecipeRole("attention.qkv", .attention, ["attn_qkv"]),
    RecipeRole("attention.output", .attention, ["attn_output"]),
    RecipeRole("linear-attention", .linearAttention),
    RecipeRole("linear-attention.in", .linearAttention, ["attn_qkv", "ssm_in"]),
    RecipeRole(
      "linear-attention.gates", .linearAttention, ["attn_gate", "ssm_alpha", "ssm_beta", "ssm_ba"]),
    RecipeRole("linear-attention.out", .linearAttention, ["ssm_out"]),
    RecipeRole("router", .router),
    RecipeRole("routed-experts", .routedExperts),
    RecipeRole("routed-experts.gate", .routedExperts, ["ffn_gate_exps", "ffn_gate_up_exps"]),
    RecipeRole("routed-experts.up", .routedExperts, ["ffn_up_exps", "ffn_gate_up_exps"]),
    RecipeRole("routed-experts.down", .routedExperts, ["ffn_down_exps"]),
    RecipeRole("shared-experts", .sharedExperts),
    RecipeRole("shared-experts.gate", .sharedExperts, ["ffn_gate_shexp"]),
    RecipeRole("shared-experts.up", .sharedExperts, ["ffn_up_shexp"]),
    RecipeRole("shared-experts.down", .sharedExperts, ["ffn_down_shexp"]),
    RecipeRole("feed-forward", .feedForward),
    RecipeRole("feed-forward.gate", .feedForward, ["ffn_gate"]),
    RecipeRole("feed-forward.up", .feedForward, ["ffn_up"]),
    RecipeRole("feed-forward.down", .feedForward, ["ffn_down"]),
    RecipeRole("norms", .norm),
    RecipeRole("next-token-prediction", .nextToken),
    RecipeRole("other", .other),
  ]

  /// True when the tensor belongs to the group.
  ///
  /// - Parameters:
  ///   - tensorName: The GGUF name.
  ///   - tensorRole: The role that the name has in its model.
  ///   - isTied: Whether the model has no output tensor, so that the token embedding is the output, too.
  /// - Returns: Whether it does.
  func covers(_ tensorName: String, role tensorRole: TensorRole, isTied: Bool) -> Bool {
    guard let role else { return true }
    guard role == tensorRole || (role == .output && isTied && tensorRole == .tokenEmbedding) else {
      return false
    }
    guard !stems.isEmpty else { return true }
    let parts = tensorName.split(separator: ".", maxSplits: 3)
    return parts.count > 2 && stems.contains { $0 == parts[2] }
  }
}

extension TensorCategory {
  /// The categories that rules can name, by name.
  ///
  /// They are llama-quantize's own groups, told from parts of names alone; its mixes are made of them.
  static let named: [(name: String, category: TensorCategory)] = [
    ("values", .attentionValue), ("keys", .attentionKey), ("queries", .attentionQuery),
    ("attention-output", .attentionOutput), ("up", .up), ("gate", .gate), ("down", .down),
  ]

  /// Whether llama-quantize numbers the tensors of this category.
  var isNumbered: Bool {
    switch self {
    case .attentionValue, .up, .gate, .down: true
    case .output, .tokenEmbedding, .attentionKey, .attentionQuery, .attentionOutput, .other: false
    }
  }

  /// The name in recipes.
  var recipeName: String { Self.named.first { $0.category == self }?.name ?? "other" }
}
