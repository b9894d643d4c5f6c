public import FileBytes

/// A mix, rule or override that cannot be used.
public struct RecipeError: FaultError, Hashable {
  /// What is wrong.
  public enum Code: Hashable, Sendable {
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
  }

  /// The kind, for comparison in code and tests.
  public var code: Code
  /// The message.
  public var fault: Fault

  /// Creates an error.
  public init(_ code: Code, _ fault: Fault) {
    self.code = code
    self.fault = fault
  }

  /// What the user typed is wrong usage; what a model holds is rejected input.
  public var faultClass: FaultClass {
    switch code {
    case .unknownMix, .mixNotSupported, .unknownType, .malformedRule, .badPattern, .patternNotSupported,
      .malformedOverride, .duplicateOverride, .malformedLayerList:
      .usage
    case .ruleMatchesNothing, .ruleHasNoEffect, .noFallback, .badLayer, .badShape, .requantizationNotAllowed,
      .sourceNotConvertible, .badMetadata, .layerNotPrunable:
      .rejected
    }
  }
}
