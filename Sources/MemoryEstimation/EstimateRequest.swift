package import CheckpointConversion
package import QuantRecipes

/// What output a model is priced for.
package struct EstimateRequest: Sendable {
  /// The mix; `nil` for a GGUF as it is.
  package var mix: StockMix?
  /// The recipe that chooses types in the mix's place; `nil` without one.
  package var recipe: Recipe?
  /// Rules, overrides, splits, names: all that a conversion could be asked for; source, type and recipe in it are
  /// ignored.
  package var wishes = ConversionRequest(source: "", outputType: .auto)

  /// Creates a request for a stock mix.
  package init(mix: StockMix?, wishes: ConversionRequest? = nil) {
    self.mix = mix
    if let wishes { self.wishes = wishes }
  }

  /// Creates a request for a recipe.
  package init(recipe: Recipe, wishes: ConversionRequest? = nil) {
    self.init(mix: recipe.stockMix, wishes: wishes)
    self.recipe = recipe
  }

  /// The same wishes as a conversion of `source`.
  func conversion(of source: String) -> ConversionRequest {
    var request = wishes
    request.source = source
    request.outputType = mix.map { .mix($0) } ?? .auto
    request.mixOptions.recipe = recipe
    request.headersOnly = true
    request.outputPath = "estimate.gguf"
    return request
  }
}
