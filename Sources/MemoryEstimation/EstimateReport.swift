public import CheckpointConversion
public import FileBytes
internal import ModelDescriptions
internal import QuantRecipes

/// The answer to all questions about a model's memory, for people and programs.
public struct EstimateReport: Codable, Sendable {
  /// A size that may be known as an interval alone.
  public struct Interval: Codable, Hashable, Sendable {
    /// The least.
    public var lowest: Int
    /// The most; equal to the least when the size is exact.
    public var highest: Int
    /// Whether both are equal.
    public var isExact: Bool

    init(_ range: ClosedRange<Int>) {
      lowest = range.lowerBound
      highest = range.upperBound
      isExact = lowest == highest
    }
  }

  /// One choice of types.
  public struct Output: Codable, Sendable {
    /// The mix, or the name of the recipe.
    public var mix: String
    /// The name of the recipe that chose the types; `nil` without one.
    public var recipe: String?
    /// Bytes of all files; `nil` when they are known as an interval alone.
    public var fileBytes: Int?
    /// Bytes of all files, least and most.
    public var fileBytesRange: Interval
    /// What keeps ``fileBytes`` from being exact.
    package var unknown: [PricedModel.Unknown]
    /// Whether ``fileBytesRange`` counts the `pouch.*` metadata that a conversion writes.
    public var includesProvenance: Bool
    /// The same without next-token-prediction blocks (`--no-mtp`); `nil` for models without them, and
    /// when a rule is about nothing else.
    public var fileBytesRangeWithoutNextToken: Interval?
    /// Bytes of the files that are not tensors: header, metadata, tensor table, padding.
    public var headerBytesRange: Interval
    /// Bytes of all tensors.
    public var tensorBytes: Int
    /// Bits per weight.
    public var bitsPerWeight: Double
    /// All weights.
    public var parameters: Int
    /// Weights that one token uses.
    public var activeParameters: Int
    /// Sums by type, largest first.
    public var byType: [PlanReport.Total]
    /// Sums by role, largest first.
    public var byRole: [PlanReport.Total]
    /// Run-time memory, one entry per engine.
    public var memory: [MemoryBreakdown]
    /// Both forms of the caches of layers with a window in llama.cpp; `nil` for models without such a cache, and when
    /// another engine alone was asked for.
    public var windowForms: WindowForms?
    /// What fits, one entry per engine; empty without a machine.
    public var fits: [Fit]
    /// What converting takes; `nil` for a GGUF as it is.
    public var conversion: ConversionCost?
    /// Bounds of speed; `nil` without a bandwidth.
    public var speed: SpeedBound?
    /// What the user should know.
    public var notices: [Wording]
    /// What would fit instead, one sentence for each engine with which it does not; empty without a machine.
    public var advice: [Wording] = []
  }

  /// The best mix for a machine.
  public struct BestMix: Codable, Hashable, Sendable {
    /// The engine.
    public var engine: RunOptions.Engine
    /// The first mix, in order of quality, that fits: the common stock mixes, and before its stock mix each built-in
    /// recipe; `nil` when none does.
    public var mix: String?
    /// Whether ``mix`` is the name of a recipe.
    public var isRecipe: Bool
    /// What it takes.
    public var bytes: Int?
    /// The largest context with it.
    public var largestContext: Int?
  }

  /// The source as given.
  public var source: String
  /// How sizes were found.
  public var basis: String
  /// The architecture string.
  public var architecture: String
  /// The context that run-time memory is for.
  public var contextLength: Int
  /// The context that the model was made for.
  public var modelContextLength: Int?
  /// Layers in all.
  public var layers: Int
  /// Layers with a KV cache.
  public var attentionLayers: Int
  /// One entry per mix.
  public var outputs: [Output]
  /// The best mix per engine; empty without a machine.
  public var bestMixes: [BestMix]
  /// Mixes and contexts for the first engine; empty unless asked for.
  public var table: [Fit.Cell]
  /// This machine's speed, if it was measured.
  package var calibration: Calibration?
  /// What measuring the model takes; `nil` unless asked for.
  package var measuring: MeasuringReport?

  /// Answers.
  ///
  /// - Throws: ``EstimationError`` and the errors of readers and planner.
  package init(_ options: EstimateOptions) throws {
    let source = try ModelSource(options.source, tokenizerFolder: options.tokenizerFolder)
    let requests = Self.requests(options, isGGUF: source.isGGUF)
    let priced = try requests.map { try source.price($0) }
    guard let first = priced.first else { preconditionFailure("there is at least one mix") }

    var run = options.run
    switch options.contextLength {
    case nil: run.contextLength = min(first.model.contextLength ?? 4096, EstimateOptions.defaultContext)
    case 0: run.contextLength = first.model.contextLength ?? 4096
    case let wanted?: run.contextLength = wanted
    }
    try run.check()
    if options.machine?.usesRepackedWeights == true { run.repacks = true }

    self.source = options.source
    basis = first.basis
    architecture = first.model.name
    contextLength = run.contextLength
    modelContextLength = first.model.contextLength
    layers = first.model.layers.count
    attentionLayers = first.model.layers.count { $0.mixer.hasCache }
    calibration =
      options.calibrates
      ? Calibration.measure(
        types: priced.flatMap { $0.tensors.map(\.type) }, threads: options.conversionThreads) : nil
    if options.measuring != nil { try calibration?.measureRuns(reading: source.weightFile) }
    if let wanted = options.measuring {
      measuring = try MeasuringReport(source, priced, options, wanted, calibration: calibration)
    }

    var machine = options.machine
    machine?.reserve(options.fitTargetBytes)
    outputs = []
    for (request, model) in zip(requests, priced) {
      var output = try Output(model, options, run: run, machine: machine, calibration: calibration)
      if model.tensors.contains(where: \.isNextToken), !source.isGGUF {
        var request = request
        request.wishes.nextTokenBlocks = .drop
        output.fileBytesRangeWithoutNextToken = try source.priceIfRulesWork(request).map {
          Interval($0.fileByteCount)
        }
      }
      outputs.append(output)
    }
    table = []
    bestMixes = []
    guard machine != nil || options.wantsTable else { return }
    let common = try ModelSource.commonMixes.map { mix in
      // What was priced already need not be planned again.
      try priced.first { $0.mix == mix.rawValue && $0.prepared != nil && $0.recipe == nil }
        ?? source.price(EstimateRequest(mix: mix, wishes: options.wishes))
    }
    if let machine {
      let candidates = try Self.withRecipes(common, source: source, wishes: options.wishes)
      bestMixes = try options.engines.map { try candidates.best(on: machine, engine: $0, run) }
      for index in outputs.indices {
        outputs[index].advice = try zip(outputs[index].fits, bestMixes).compactMap { fit, best in
          try fit.fits ? nil : priced[index].advice(fit, best: best, run)
        }
      }
    }
    if options.wantsTable, let engine = options.engines.first {
      let others = priced.filter { model in model.recipe != nil || !common.contains { $0.mix == model.mix } }
      table = try (common + others).table(
        contexts: Self.contexts(longest: first.longestContext), engine: engine, options: run, machine: machine
      )
    }
  }

  /// Mixes in order of quality with the built-in recipes that work for this model, each before the stock mix that it
  /// is measured against (recipes/README.md).
  private static func withRecipes(
    _ mixes: [PricedModel], source: ModelSource, wishes: ConversionRequest
  ) throws -> [PricedModel] {
    var result = mixes
    for name in RecipeLibrary.names where (try? StockMix(name: name)) == nil {
      let recipe = try RecipeLibrary.recipe(name)
      guard let model = try source.priceIfRulesWork(EstimateRequest(recipe: recipe, wishes: wishes)) else {
        continue
      }
      let place =
        result.firstIndex { $0.recipe == nil && $0.mix == recipe.stockMix.rawValue }
        ?? result.firstIndex { $0.bitsPerWeight < model.bitsPerWeight } ?? result.endIndex
      result.insert(model, at: place)
    }
    return result
  }

  /// What is priced: the recipes, then the mixes.
  private static func requests(_ options: EstimateOptions, isGGUF: Bool) -> [EstimateRequest] {
    var mixes = options.mixes.map { $0 == .copy ? nil : $0 }
    if mixes.isEmpty, options.recipes.isEmpty { mixes = [isGGUF ? nil : .q4_K_M] }
    return options.recipes.map { EstimateRequest(recipe: $0, wishes: options.wishes) }
      + mixes.map { EstimateRequest(mix: $0, wishes: options.wishes) }
  }

  /// Contexts for a table: powers of four up to the model's own.
  private static func contexts(longest: Int) -> [Int] {
    let usual = [4096, 16384, 32768, 131_072, 262_144].filter { $0 < longest }
    return Array((usual + [longest]).suffix(5))
  }
}

extension EstimateReport.Output {
  init(
    _ model: PricedModel, _ options: EstimateOptions, run: RunOptions, machine: Machine?,
    calibration: Calibration?
  ) throws {
    mix = model.mix
    recipe = model.recipe?.name
    fileBytesRange = .init(model.fileByteCount)
    fileBytes = fileBytesRange.isExact ? fileBytesRange.lowest : nil
    unknown = model.unknowns
    includesProvenance = model.prepared != nil && options.wishes.writesProvenance
    headerBytesRange = .init(model.headerByteCount)
    tensorBytes = model.tensorByteCount
    bitsPerWeight = model.bitsPerWeight
    parameters = model.parameterCount
    activeParameters = model.activeParameterCount
    byType = model.byType
    byRole = model.byRole
    memory = try options.engines.map { try model.memory(of: $0, run) }
    windowForms = options.engines.contains(.llamaCpp) ? try model.windowForms(run) : nil
    fits =
      try machine.map { machine in
        try options.engines.map {
          try model.fit(machine, engine: $0, run, minimumContext: options.minimumContext)
        }
      } ?? []
    conversion = try model.conversionCost(
      threadCount: options.conversionThreads, maxMemory: options.conversionMemory, calibration: calibration)
    let measured = calibration?.memoryBytesPerSecond
    notices = model.notices
    if let own = model.model.contextLength, own > 0, run.contextLength > own {
      notices.append(
        "context: \(run.contextLength) tokens are more than the \(own) that the model was made for; beyond those its text "
          + "gets worse, if it works at all")
    }
    if let bandwidth = options.bandwidth ?? measured, let breakdown = memory.first {
      speed = model.speedBound(
        breakdown, batch: min(run.microBatchLength, run.contextLength), bandwidth: bandwidth,
        isMeasured: options.bandwidth == nil, operationsPerSecond: options.operationsPerSecond)
    }
  }
}

extension Machine {
  /// Keeps more bytes free.
  mutating func reserve(_ bytes: Int) {
    guard bytes > 0 else { return }
    reservedBytes = min(installedBytes, reservedBytes + min(bytes, installedBytes))
    rule += ", and \(bytes) bytes kept free"
  }
}
