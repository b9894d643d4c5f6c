package import ModelDescriptions

/// What a rule of a recipe calls a group of tensors by: a ``TensorRole``, or a part of one such as `attention.v`.
///
/// The tensors of linear-attention layers count as linear attention, even where their names are those of ordinary
/// attention (`attn_qkv`), and so do the two projections of short convolutions.
package struct RecipeRole: Hashable, Sendable {
  /// The name as it is written in recipes.
  package let name: String
  /// The role that a tensor must have; `nil` for any.
  private let role: TensorRole?
  /// The slots of the tensors that belong to the group; empty for all of the role.
  private let slots: [TensorSlot]

  private init(_ name: String, _ role: TensorRole?, _ slots: TensorSlot...) {
    self.name = name
    self.role = role
    self.slots = slots
  }

  /// Finds a role by its name.
  package init?(name: String) {
    guard let found = Self.all.first(where: { $0.name == name }) else { return nil }
    self = found
  }

  /// Every role that recipes know.
  package static let all: [RecipeRole] = [
    RecipeRole("any", nil),
    RecipeRole("embedding", .tokenEmbedding),
    RecipeRole("output", .output),
    RecipeRole("attention", .attention),
    RecipeRole("attention.q", .attention, .query, .queryBias, .queryDown, .queryUp),
    RecipeRole("attention.k", .attention, .key, .keyBias, .latentKey),
    RecipeRole("attention.v", .attention, .value, .valueBias, .latentValue),
    RecipeRole("attention.kv", .attention, .latentDown, .latentKeyValue),
    RecipeRole("attention.qkv", .attention, .queryKeyValue, .queryKeyValueBias),
    RecipeRole("attention.output", .attention, .attentionOutput, .attentionOutputBias),
    RecipeRole("linear-attention", .linearAttention),
    RecipeRole(
      "linear-attention.in", .linearAttention, .deltaNetInput, .deltaNetInputGate, .shortConvolutionInput),
    RecipeRole(
      "linear-attention.gates", .linearAttention, .deltaNetGate, .deltaNetAlpha, .deltaNetBeta, .deltaNetGates
    ),
    RecipeRole("linear-attention.out", .linearAttention, .deltaNetOutput, .shortConvolutionOutput),
    RecipeRole("router", .router),
    RecipeRole("routed-experts", .routedExperts),
    RecipeRole("routed-experts.gate", .routedExperts, .expertGate, .expertGateUp),
    RecipeRole("routed-experts.up", .routedExperts, .expertUp, .expertGateUp),
    RecipeRole("routed-experts.down", .routedExperts, .expertDown),
    RecipeRole("shared-experts", .sharedExperts),
    RecipeRole("shared-experts.gate", .sharedExperts, .sharedGate),
    RecipeRole("shared-experts.up", .sharedExperts, .sharedUp),
    RecipeRole("shared-experts.down", .sharedExperts, .sharedDown),
    RecipeRole("feed-forward", .feedForward),
    RecipeRole("feed-forward.gate", .feedForward, .gate, .gateBias),
    RecipeRole("feed-forward.up", .feedForward, .up, .upBias),
    RecipeRole("feed-forward.down", .feedForward, .down, .downBias),
    RecipeRole("norms", .norm),
    RecipeRole("next-token-prediction", .nextToken),
    RecipeRole("other", .other),
  ]

  /// True when the tensor belongs to the group.
  ///
  /// - Parameters:
  ///   - tensor: What the tensor is for.
  ///   - isTied: Whether the model has no output tensor, so that the token embedding is the output, too.
  /// - Returns: Whether it does.
  package func covers(_ tensor: TensorPurpose, isTied: Bool) -> Bool {
    guard let role else { return true }
    guard role == tensor.role || (role == .output && isTied && tensor.role == .tokenEmbedding) else {
      return false
    }
    return slots.isEmpty || tensor.slot.map(slots.contains) ?? false
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
