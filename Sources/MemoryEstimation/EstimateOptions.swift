package import CheckpointConversion
public import QuantRecipes

/// Everything that an estimate can be asked for.
public struct EstimateOptions: Sendable {
  /// A path or a name.
  public var source: String
  /// Where tokenizer and model card are taken from instead of the source.
  public var tokenizerFolder: String?
  /// The mixes; empty for Q4_K_M, or a GGUF as it is, unless there are ``recipes``.
  public var mixes: [StockMix] = []
  /// The recipes; each is an output of its own, before those of the mixes.
  public var recipes: [Recipe] = []
  /// Rules, overrides, splits, names; a recipe in them is ignored.
  package var wishes = ConversionRequest(source: "", outputType: .auto)
  /// How the model is run; its context is replaced by ``contextLength``.
  public var run = RunOptions(contextLength: 4096)
  /// Tokens of context; 0 for the model's own; `nil` for the model's own up to 32,768.
  public var contextLength: Int?
  /// The engines.
  public var engines = RunOptions.Engine.allCases
  /// The machine, if any.
  public var machine: Machine?
  /// Bytes that stay free beyond the machine's reserve (`-fitt`).
  public var fitTargetBytes = 0
  /// Contexts below this do not count as fitting (`-fitc`).
  public var minimumContext = 1
  /// Whether mixes and contexts are tabulated.
  public var wantsTable = false
  /// Threads of a conversion.
  public var conversionThreads = 1
  /// The most bytes that its buffers may take.
  public var conversionMemory = 512_000_000
  /// Whether this machine's speed is measured.
  package var calibrates = false
  /// Bytes per second; `nil` for none, or the measured value.
  public var bandwidth: Double?
  /// Operations per second.
  public var operationsPerSecond: Double?
  /// Which measuring runs are priced; `nil` for none.
  package var measuring: MeasuringOptions?

  /// Creates options for a source.
  package init(source: String) { self.source = source }

  /// The longest context that is chosen without being asked for.
  static let defaultContext = 32_768
}
