public import TensorTypes

/// A mix of tensor types as data: ordered rules over a default, with the reasons.
///
/// For every tensor that is quantized at all, the first rule that catches it gives its type. The rules of the
/// recipe's base follow its own; what no rule catches gets the default.
public struct Recipe: Hashable, Sendable {
  /// Whether a recipe is meant to be used with an importance matrix.
  public enum ImportanceUse: String, CaseIterable, Hashable, Sendable {
    /// It was made for one; running without is worth a notice.
    case expected
    /// Both are fine.
    case optional
    /// It was made without; running with one is worth a notice.
    case none
  }

  /// A file that the recipe comes from.
  package struct Origin: Hashable, Sendable {
    /// The name of the recipe in the file.
    public var name: String
    /// The path, or `name.yaml` for a built-in recipe.
    package var file: String
    /// Whether the recipe is built in.
    package var isBuiltIn: Bool
    /// XXH64 of the file.
    package var hash: UInt64
  }

  /// The name.
  public var name: String
  /// What it is for, in a sentence or two.
  public var description: String
  /// Whether an importance matrix is expected.
  public var importanceUse: ImportanceUse
  /// All rules in the order in which they are tried: its own, then those of its base, and so on.
  public var rules: [RecipeRule]
  /// The type of what no rule catches.
  public var defaultType: TensorType
  /// The stock mix at the end of the chain of bases, whose number becomes `general.file_type`.
  package var stockMix: StockMix
  /// The recipe's file, then that of its base, and so on.
  package var origins: [Origin]
  /// What the recipe itself was made from, by keys such as `model` and `text`; only tools write it, nothing follows from it.
  package var provenance: [String: String] = [:]

  /// The rules that this recipe adds to its base.
  package var ownRules: ArraySlice<RecipeRule> { rules.prefix { $0.recipe == name } }
  /// The recipe that this one stands on, with rules that all may catch nothing; `nil` for a recipe with a default of
  /// its own.
  package var base: Recipe? {
    guard origins.count > 1 else { return nil }
    var base = self
    base.origins.removeFirst()
    base.name = base.origins[0].name
    base.rules.removeFirst(ownRules.count)
    for index in base.rules.indices { base.rules[index].isOptional = true }
    return base
  }
  /// XXH64 of the recipe's own file.
  package var hash: UInt64 { origins.first?.hash ?? 0 }
}

/// A rule of a recipe: which tensors it catches, the type they get, and why.
public struct RecipeRule: Hashable, Sendable {
  /// What a rule looks at first.
  enum Subject: Hashable, Sendable {
    case pattern(RulePattern)
    case roles([RecipeRole])
    case categories([TensorCategory])
  }

  /// The name of the recipe that it is written in.
  public var recipe: String
  /// The file that it is written in.
  package var file: String
  /// The line on which it starts, from 1.
  public var line: Int
  /// The type that it gives.
  public var type: TensorType
  /// The reason.
  public var why: String
  /// The rule may catch nothing.
  public var isOptional: Bool
  var subject: Subject
  /// The layers whose tensors it catches.
  var layers: PlaceSelection?
  /// The tensors of a numbered category that it catches, as llama-quantize counts them.
  var nth: PlaceSelection?
  /// Whether it catches stacks of matrices alone (true), or all but these.
  var stacked: Bool?
  var condition = RecipeCondition()
  /// What it catches, as written.
  public var selection: String

  /// Where it is written: `file:line`.
  package var place: String { "\(file):\(line)" }
}
