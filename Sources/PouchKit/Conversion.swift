internal import CheckpointConversion
public import ImportanceData
public import QuantRecipes

/// Makes a quantized GGUF file of a model, in one pass over its weights.
///
/// A conversion is a wish. ``plan()`` turns it into a value that says everything about the file before any weight is read, and
/// ``PlannedConversion/write(to:threads:memoryLimit:replaces:onProgress:isCancelled:)`` makes the file.
public struct Conversion: Sendable {
  /// What is converted.
  public let model: any ModelOnDisk
  /// An importance matrix, which weighs errors by how much each column matters; `nil` without one.
  public var importanceMatrix: String?
  /// What experts get that the importance matrix has nothing for.
  public var blindExperts = BlindExpertPolicy.ones
  /// The most bytes of tensors per file; `nil` for one file.
  public var shardByteCount: Int?
  /// Whether the file says in `pouch.…` keys what it was made of.
  public var recordsProvenance = true
  private let choice: OutputChoice

  /// A conversion to the 16-bit type of a checkpoint.
  public init(of checkpoint: Checkpoint) {
    model = checkpoint
    choice = OutputChoice(.auto)
  }

  /// A conversion to a stock mix of types.
  public init(of model: any ModelOnDisk, mix: StockMix) {
    self.model = model
    choice = OutputChoice(.mix(mix))
  }

  /// A conversion by a recipe.
  public init(of model: any ModelOnDisk, recipe: Recipe) {
    self.model = model
    choice = OutputChoice(recipe)
  }

  /// Decides everything about the file: names, shapes, types with their reasons, sizes, offsets.
  ///
  /// Headers, tokenizer and importance matrix are read; all checks that need no weights are made.
  ///
  /// - Returns: The plan.
  /// - Throws: Errors of the readers, `DescriptionError` for a model that is not understood, `TokenizerError`, `RecipeError`,
  ///   `ConversionError`.
  public func plan() throws -> PlannedConversion {
    PlannedConversion(plan: try prepare(output: nil).plan, conversion: self)
  }

  /// Prepares the conversion with a place for the output.
  func prepare(output: String?) throws -> PreparedConversion {
    var request = ConversionRequest(source: model.path, outputType: choice.type)
    request.choice = choice
    request.outputPath = output
    request.importancePath = importanceMatrix
    request.blindExperts = blindExperts
    request.splitMaxByteCount = shardByteCount
    request.writesProvenance = recordsProvenance
    return model is Checkpoint
      ? try ConversionPlanner.prepareCheckpoint(request) : try ConversionPlanner.prepareGGUF(request)
  }
}
