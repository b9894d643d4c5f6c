package import ModelDescriptions
package import TensorTypes

/// What the user asked for on top of a stock mix.
package struct MixOptions: Hashable, Sendable {
  /// Every quantizable tensor gets the default type; the mixture rules are skipped.
  package var pure = false
  /// `output.weight` keeps its type.
  package var leaveOutputTensor = false
  /// The type of `output.weight`, and of a tied embedding unless ``tokenEmbeddingType`` is set.
  package var outputTensorType: TensorType?
  /// The type of `token_embd.weight` and `per_layer_token_embd.weight`.
  package var tokenEmbeddingType: TensorType?
  /// Types by name, first match first.
  package var tensorTypeRules: [TensorTypeRule] = []
  /// The recipe whose rules take the place of the stock mix's; the rules above go before it.
  package var recipe: Recipe?
  /// An importance matrix with at least one entry is given; a few rules depend on it, whatever it covers.
  package var importanceSupplied = false
  /// Sources that already are quantized may be quantized to another type.
  package var allowRequantize = false
  /// Tensors are processed in the order given (by shard and offset, for `--keep-split`) and not sorted by name.
  package var keepsGivenOrder = false

  /// Creates options; all off.
  package init() {}
}

/// A tensor that needs a type.
package struct MixTensor: Hashable, Sendable {
  /// The GGUF name that it has in the output.
  package var name: String
  /// The shape in GGUF order, fastest dimension first; one to four dimensions.
  package var ggmlShape: [Int]
  /// The type it has in the source: for a checkpoint, the type it would have in a 16-bit GGUF.
  package var type: TensorType
  /// What it is for, by which recipes call it.
  package var purpose: TensorPurpose

  /// Creates a description.
  package init(name: String, ggmlShape: [Int], type: TensorType, purpose: TensorPurpose) {
    self.name = name
    self.ggmlShape = ggmlShape
    self.type = type
    self.purpose = purpose
  }
}

/// What decided the type of a tensor.
package enum DecisionReason: Hashable, Sendable {
  /// It is never quantized, or was asked to be left alone.
  case notQuantizable(KeepReason)
  /// The type for the token embedding.
  case tokenEmbeddingOption
  /// The type for the output tensor.
  case outputOption
  /// The rule with this index in ``MixOptions/tensorTypeRules``.
  case rule(Int)
  /// The default type of the mix.
  case mixDefault
  /// A rule of the stock mix; the text says which.
  case mixture(String)
  /// A rule by role, in an output for MLX; the text names the role.
  case typeOverride(String)
  /// The rule with this index in ``Recipe/rules``.
  case recipe(Int)
}

/// The type of one tensor and how it came about.
package struct TypeDecision: Hashable, Sendable {
  /// The type in the output.
  package var type: TensorType
  /// What decided it.
  package var reason: DecisionReason
  /// The type that was meant, when the row length does not allow it; `type` is the substitute.
  package var fallbackFrom: TensorType?
  /// The type is useless without importance data for this tensor.
  package var importanceRequired: Bool

  /// Creates a decision.
  package init(
    type: TensorType, reason: DecisionReason, fallbackFrom: TensorType? = nil,
    importanceRequired: Bool = false
  ) {
    self.type = type
    self.reason = reason
    self.fallbackFrom = fallbackFrom
    self.importanceRequired = importanceRequired
  }
}

/// Something about the rules that the user may not have meant, short of an error.
package enum MixNote: Hashable, Sendable {
  /// All tensors that the rule matches are never quantized.
  case ruleMatchesOnlyKept(rule: Int, tensors: [String])
  /// All quantizable tensors that the rule matches were decided by earlier rules.
  case ruleShadowed(rule: Int, by: [Int])
  /// All tensors that the rule of the recipe catches are never quantized.
  case recipeRuleMatchesOnlyKept(rule: Int, tensors: [String])
  /// All quantizable tensors that the rule of the recipe catches were decided by its earlier rules, or by flags
  /// when `by` is empty.
  case recipeRuleShadowed(rule: Int, by: [Int])
}
