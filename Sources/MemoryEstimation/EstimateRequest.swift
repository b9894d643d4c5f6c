public import CheckpointConversion
public import QuantRecipes

/// What output a model is priced for.
public struct EstimateRequest: Sendable {
  /// The mix; `nil` for a GGUF as it is.
  public var mix: StockMix?
  /// Rules, overrides, splits, names: all that a conversion could be asked for; source and type in it are ignored.
  public var wishes = ConversionRequest(source: "", outputType: .auto)

  /// Creates a request.
  public init(mix: StockMix?, wishes: ConversionRequest? = nil) {
    self.mix = mix
    if let wishes { self.wishes = wishes }
  }

  /// The same wishes as a conversion of `source`.
  func conversion(of source: String) -> ConversionRequest {
    var request = wishes
    request.source = source
    request.outputType = mix.map { .mix($0) } ?? .auto
    // A GGUF that is quantized already is priced all the same.
    request.mixOptions.allowRequantize = true
    request.headersOnly = true
    request.outputPath = "estimate.gguf"
    return request
  }
}
