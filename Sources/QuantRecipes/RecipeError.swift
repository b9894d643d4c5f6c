public import FileBytes

/// What is wrong.
public enum RecipeErrorCode: FaultCode {
  /// No mix has this name or number.
  case unknownMix
  /// The mix exists elsewhere, but Pouch cannot write it.
  case mixNotSupported
  /// No tensor type has this name.
  case unknownType
  /// A rule is not of the form `PATTERN=TYPE`.
  case malformedRule
  /// A rule's pattern is not a valid regular expression.
  case badPattern
  /// A pattern uses a construct that would be read differently here than by llama.cpp.
  case patternNotSupported
  /// One or more rules match no tensor at all.
  case ruleMatchesNothing
  /// One or more rules match tensors, but nothing in the output would depend on them.
  case ruleHasNoEffect
  /// The row length fits neither the wanted type nor any substitute.
  case noFallback
  /// A tensor's layer cannot be read from its name, or lies outside the model.
  case badLayer
  /// A tensor's shape has no dimensions, more than four, or one below 1.
  case badShape
  /// A tensor already is quantized and would have to be quantized again.
  case requantizationNotAllowed
  /// A tensor's values cannot be converted to another type.
  case sourceNotConvertible
  /// A metadata key that the rules need is missing or has the wrong type.
  case badMetadata
  /// An override is not of the form `KEY=TYPE:VALUE`.
  case malformedOverride
  /// Two overrides name the same key.
  case duplicateOverride
  /// A list of layers cannot be read.
  case malformedLayerList
  /// A layer to be pruned does not exist, or none would be left.
  case layerNotPrunable
  /// No built-in recipe has this name.
  case unknownRecipe
  /// A recipe file, or one of its lists, is larger than any recipe needs to be.
  case recipeTooLarge
  /// A recipe file nests too deeply.
  case recipeTooNested
  /// A recipe file uses anchors.
  case recipeAnchor
  /// A recipe file is not YAML.
  case recipeSyntax
  /// A key of a recipe file does not exist.
  case recipeKeyUnknown
  /// A key of a recipe file is missing.
  case recipeKeyMissing
  /// A key, a rule or an item stands in a recipe file twice.
  case recipeKeyDuplicate
  /// A value in a recipe file is not what its key needs.
  case recipeValue
  /// A rule of a recipe names a role or category that does not exist.
  case recipeRoleUnknown
  /// A rule of a recipe gives a type that does not exist or cannot be written.
  case recipeTypeUnknown
  /// A pattern in a recipe file is not a regular expression, or one that would be read differently elsewhere.
  case recipePattern
  /// A list of layers in a recipe file cannot be read.
  case recipeLayers
  /// The base of a recipe does not exist.
  case recipeBaseUnknown
  /// Recipes stand on each other in a circle, or too many do.
  case recipeBaseCycle
  /// A recipe has the name of another one.
  case recipeNameTaken

  /// What the user typed is wrong usage; what a model holds is rejected input.
  public var faultClass: FaultClass {
    switch self {
    case .unknownMix, .mixNotSupported, .unknownType, .malformedRule, .badPattern, .patternNotSupported,
      .malformedOverride, .duplicateOverride, .malformedLayerList, .unknownRecipe:
      .usage
    case .ruleMatchesNothing, .ruleHasNoEffect, .noFallback, .badLayer, .badShape, .requantizationNotAllowed,
      .sourceNotConvertible, .badMetadata, .layerNotPrunable, .recipeTooLarge, .recipeTooNested,
      .recipeAnchor,
      .recipeSyntax, .recipeKeyUnknown, .recipeKeyMissing, .recipeKeyDuplicate, .recipeValue,
      .recipeRoleUnknown, .recipeTypeUnknown, .recipePattern, .recipeLayers, .recipeBaseUnknown,
      .recipeBaseCycle, .recipeNameTaken:
      .rejected
    }
  }
}

/// A mix, rule or override that cannot be used.
public typealias RecipeError = CodedError<RecipeErrorCode>
