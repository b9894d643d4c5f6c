package import ImportanceData
package import QuantRecipes
package import TensorTypes

/// What a user asks for; the same for both kinds of source, as far as it applies.
package struct ConversionRequest: Sendable {
  /// The type of the output.
  package enum OutputType: Hashable, Sendable {
    /// The 16-bit type of the source.
    case auto
    case mix(StockMix)
  }

  /// What happens to next-token-prediction (MTP) blocks.
  package enum NextTokenBlocks: Hashable, Sendable {
    /// Kept when the checkpoint has them.
    case ifPresent
    /// Required.
    case keep
    /// Dropped.
    case drop
  }

  /// The checkpoint folder or GGUF file.
  package var source: String
  /// The type of the output.
  package var outputType: OutputType
  /// The output path, in which `{ftype}` and `{recipe}` stand for the type or recipe, or an existing folder; `nil`
  /// chooses a name beside the source.
  package var outputPath: String?
  /// Rules on top of the mix.
  package var mixOptions = MixOptions()
  /// The importance matrix file.
  package var importancePath: String?
  /// Keep only importance entries whose name contains one of these.
  package var includeWeights: [String] = []
  /// Drop importance entries whose name contains one of these.
  package var excludeWeights: [String] = []
  /// What weights experts get that the importance data has nothing for.
  package var blindExperts = BlindExpertPolicy.ones
  /// Start a new shard when the tensor data would exceed this many bytes.
  package var splitMaxByteCount: Int?
  /// Start a new shard after this many tensors.
  package var splitMaxTensorCount: Int?
  /// Whether the first shard of a split output holds no tensors, metadata alone.
  package var noTensorFirstSplit = false
  /// Write the same shards as the source (GGUF sources).
  package var keepSplit = false
  /// What happens to MTP blocks (checkpoints).
  package var nextTokenBlocks = NextTokenBlocks.ifPresent
  /// The pre-tokenizer name to write instead of the recognised one (checkpoints).
  package var preTokenizer: String?
  /// The value of `general.name` instead of the one derived from the folder (checkpoints).
  package var modelName: String?
  /// Metadata entries that replace or follow the model's own.
  package var overrides: [MetadataEntry] = []
  /// Layers to drop (GGUF sources).
  package var prunedLayers: LayerPruning?
  /// Whether tensors that a GGUF keeps as one are taken apart, also where llama.cpp reads them as they are.
  package var takesTensorsApart = false
  /// Whether the output's metadata say where it comes from.
  ///
  /// Without, it holds no `pouch.` keys, not even those of the source.
  package var writesProvenance = false
  /// Plan from headers alone; shards may end after their headers.
  package var headersOnly = false

  /// Whether the source files are sampled for the provenance; a plan that is not executed has the same size without.
  package var samplesSources = true

  /// Creates a request.
  package init(source: String, outputType: OutputType) {
    self.source = source
    self.outputType = outputType
  }
}

/// What chooses the types of one output.
///
/// Outputs that are made together differ in nothing else.
package struct OutputChoice: Sendable {
  /// The type.
  package var type: ConversionRequest.OutputType
  /// The recipe, which stands on ``type``; `nil` without one.
  package var recipe: Recipe?

  /// An output of a type.
  package init(_ type: ConversionRequest.OutputType) { self.type = type }

  /// An output by a recipe.
  package init(_ recipe: Recipe) {
    type = .mix(recipe.stockMix)
    self.recipe = recipe
  }
}

extension ConversionRequest {
  /// What chooses the types of the request's own output.
  package var choice: OutputChoice {
    get {
      var choice = OutputChoice(outputType)
      choice.recipe = mixOptions.recipe
      return choice
    }
    set {
      outputType = newValue.type
      mixOptions.recipe = newValue.recipe
    }
  }

  /// The same request for another output.
  func with(_ choice: OutputChoice) -> ConversionRequest {
    var request = self
    request.choice = choice
    return request
  }
}
