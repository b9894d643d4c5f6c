internal import QuantRecipes
internal import TensorTypes

extension TypeDecision {
  /// A few words on what decided the type.
  func summary(recipe: Recipe?) -> String {
    let base =
      switch reason {
      case .notQuantizable(let why): why.summary
      case .tokenEmbeddingOption: "--token-embedding-type"
      case .outputOption: "--output-tensor-type"
      case .rule(let index): "--tensor-type rule \(index + 1)"
      case .mixDefault: "default of the mix"
      case .mixture(let why): why
      case .recipe(let index):
        recipe.map { "\($0.rules[index].place): \($0.rules[index].why)" } ?? "recipe rule \(index + 1)"
      }
    guard let wanted = fallbackFrom else { return base }
    return base + "; row length does not fit \(wanted.name)"
  }
}

extension KeepReason {
  /// A few words on why a tensor is never quantized.
  var summary: String {
    switch self {
    case .copy: "copied"
    case .vector: "kept: a vector"
    case .notAWeight: "kept: not a weight"
    case .outputLeft: "kept: --leave-output-tensor"
    case .marked(let text): "kept: \(text)"
    }
  }
}
