public import CheckpointConversion
public import QuantRecipes

/// What output a model is priced for.
public struct EstimateRequest: Sendable {
  /// The mix; `nil` for a GGUF as it is.
  public var mix: StockMix?
  /// Rules on top of the mix.
  public var mixOptions = MixOptions()
  /// What happens to next-token-prediction blocks of checkpoints.
  public var nextTokenBlocks = ConversionRequest.NextTokenBlocks.ifPresent
  /// The value of `general.name`.
  public var modelName: String?
  /// The pre-tokenizer name to write instead of the recognised one.
  public var preTokenizer: String?

  /// Creates a request.
  public init(mix: StockMix?) { self.mix = mix }

  /// The same wishes as a conversion of `source`.
  func conversion(of source: String) -> ConversionRequest {
    var request = ConversionRequest(source: source, outputType: mix.map { .mix($0) } ?? .auto)
    request.mixOptions = mixOptions
    // Sizes do not depend on importance data, and a GGUF that is quantized already is priced all the same.
    request.mixOptions.allowRequantize = true
    request.nextTokenBlocks = nextTokenBlocks
    request.modelName = modelName
    request.preTokenizer = preTokenizer
    request.headersOnly = true
    request.outputPath = "estimate.gguf"
    return request
  }
}
