internal import FileBytes
internal import QuantRecipes
internal import TensorTypes

extension TypeDecision {
  /// A few words on what decided the type.
  func summary(recipe: Recipe?) -> Wording {
    let base: Wording =
      switch reason {
      case .notQuantizable(let why): why.summary
      case .tokenEmbeddingOption: "\(.tokenEmbeddingType)"
      case .outputOption: "\(.outputTensorType)"
      case .rule(let index): "\(.tensorTypeRules) rule \(index + 1)"
      case .mixDefault: "default of the mix"
      case .mixture(let why): Wording(why)
      case .typeOverride(let role): "\(.typeOverrides) \(role)"
      case .recipe(let index):
        recipe.map { "\($0.rules[index].place): \($0.rules[index].why)" } ?? "recipe rule \(index + 1)"
      }
    guard let wanted = fallbackFrom else { return base }
    return base + "; row length does not fit \(wanted.name)"
  }
}

extension KeepReason {
  /// A few words on why a tensor is never quantized.
  var summary: Wording {
    switch self {
    case .copy: "copied"
    case .vector: "kept: a vector"
    case .notAWeight: "kept: not a weight"
    case .outputLeft: "kept: \(.leaveOutputTensor)"
    case .marked(let text): "kept: \(text)"
    }
  }
}
