internal import FileBytes
public import MemoryEstimation
public import QuantRecipes

/// Tells sizes of files before they exist, the memory that running them takes, and what fits a machine.
///
/// No weights are read; headers, an index or a `config.json` are enough.
public struct Estimation: Sendable {
  /// All that an estimate can be asked for.
  public var options: EstimateOptions

  /// An estimate of a model.
  ///
  /// - Parameters:
  ///   - model: The model.
  ///   - mixes: The mixes that are priced; without any, and without recipes, Q4_K_M, or a GGUF as it is.
  ///   - recipes: The recipes that are priced, before the mixes.
  ///   - context: Tokens of context, 0 for the model's own; `nil` for the model's own, at most 32,768.
  ///   - machine: What it has to fit; `nil` for none.
  public init(
    of model: any ModelOnDisk, mixes: [StockMix] = [], recipes: [Recipe] = [], context: Int? = nil,
    machine: Machine? = nil
  ) {
    self.init(ofModelNamed: model.path, mixes: mixes, recipes: recipes, context: context, machine: machine)
  }

  /// An estimate of a model that is not at hand.
  ///
  /// - Parameters:
  ///   - name: The name of a known model, such as `qwen3.6-35b-a3b`, or the path of a `config.json` or an index.
  ///   - mixes: The mixes that are priced; without any, and without recipes, Q4_K_M.
  ///   - recipes: The recipes that are priced, before the mixes.
  ///   - context: Tokens of context, 0 for the model's own; `nil` for the model's own, at most 32,768.
  ///   - machine: What it has to fit; `nil` for none.
  public init(
    ofModelNamed name: String, mixes: [StockMix] = [], recipes: [Recipe] = [], context: Int? = nil,
    machine: Machine? = nil
  ) {
    options = EstimateOptions(source: name)
    options.mixes = mixes
    options.recipes = recipes
    options.contextLength = context
    options.machine = machine
    // Sizes are those of files with provenance, as conversions write them; a plan that is not executed needs no samples.
    options.wishes.writesProvenance = true
    options.wishes.samplesSources = false
    options.conversionThreads = Processor.threadCount
    options.run.threadCount = Processor.threadCount
  }

  /// Makes the estimate.
  ///
  /// - Returns: An output for each recipe and mix: bytes of the file, memory by part, whether it fits.
  /// - Throws: `EstimationError`, errors of the readers.
  public func run() throws -> EstimateReport { try EstimateReport(options) }
}
