public import ModelDescriptions
public import TensorTypes

/// What the user asked for on top of a stock mix.
public struct MixOptions: Hashable, Sendable {
  /// Every quantizable tensor gets the default type; the mixture rules are skipped.
  public var pure = false
  /// `output.weight` keeps its type.
  public var leaveOutputTensor = false
  /// The type of `output.weight`, and of a tied embedding unless ``tokenEmbeddingType`` is set.
  public var outputTensorType: TensorType?
  /// The type of `token_embd.weight` and `per_layer_token_embd.weight`.
  public var tokenEmbeddingType: TensorType?
  /// Types by name, first match first.
  public var tensorTypeRules: [TensorTypeRule] = []
  /// The recipe whose rules take the place of the stock mix's; the rules above go before it.
  public var recipe: Recipe?
  /// An importance matrix with at least one entry is given; a few rules depend on it, whatever it covers.
  public var importanceSupplied = false
  /// Sources that already are quantized may be quantized to another type.
  public var allowRequantize = false
  /// Tensors are processed in the order given (by shard and offset, for `--keep-split`) and not sorted by name.
  public var keepsGivenOrder = false

  /// Creates options; all off.
  public init() {}
}

/// A tensor that needs a type.
public struct MixTensor: Hashable, Sendable {
  /// The GGUF name that it has in the output.
  public var name: String
  /// The shape in GGUF order, fastest dimension first; one to four dimensions.
  public var ggmlShape: [Int]
  /// The type it has in the source: for a checkpoint, the type it would have in a 16-bit GGUF.
  public var type: TensorType
  /// What it is for, by which recipes call it.
  public var purpose: TensorPurpose

  /// Creates a description.
  public init(name: String, ggmlShape: [Int], type: TensorType, purpose: TensorPurpose) {
    self.name = name
    self.ggmlShape = ggmlShape
    self.type = type
    self.purpose = purpose
  }
}

/// What decided the type of a tensor.
public enum DecisionReason: Hashable, Sendable {
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
public struct TypeDecision: Hashable, Sendable {
  /// The type in the output.
  public var type: TensorType
  /// What decided it.
  public var reason: DecisionReason
  /// The type that was meant, when the row length does not allow it; `type` is the substitute.
  public var fallbackFrom: TensorType?
  /// The type is useless without importance data for this tensor.
  public var importanceRequired: Bool

  /// Creates a decision.
  public init(
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
public enum MixNote: Hashable, Sendable {
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
