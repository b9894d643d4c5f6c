internal import FileBytes
internal import ModelDescriptions
package import QuantRecipes
internal import TensorTypes

/// Whether a model fits, and how much of it.
public struct Fit: Codable, Hashable, Sendable {
  /// The machine.
  public var machine: Machine
  /// The engine.
  public var engine: RunOptions.Engine
  /// What the model takes at the context asked for.
  public var neededBytes: Int
  /// What is left; negative when it does not fit.
  public var marginBytes: Int
  /// Whether it fits.
  public var fits: Bool
  /// The largest context that fits, up to the model's own limit; `nil` when none does.
  public var largestContext: Int?
  /// Whether the largest context is the model's own limit.
  public var isLimitedByModel: Bool

  /// A cell of the table of mixes and contexts.
  public struct Cell: Codable, Hashable, Sendable {
    /// The mix.
    public var mix: String
    /// The context.
    public var context: Int
    /// What it takes.
    public var bytes: Int
    /// Whether it fits; `nil` without a machine.
    public var fits: Bool?
  }
}

extension PricedModel {
  /// Contexts are searched in steps of llama.cpp's padding.
  private static let contextStep = 256

  /// The longest context the search tries: the model's own, or 1 Mi tokens for models that name none.
  package var longestContext: Int {
    min(max(model.contextLength ?? 1 << 20, Self.contextStep), RunOptions.longestContext)
  }

  /// The largest context that fits `available` bytes, a multiple of 256 or the model's own limit; `nil` when none does.
  ///
  /// - Throws: ``EstimationError``.
  /// - Complexity: some 20 estimates.
  package func largestContext(
    in available: Int, engine: RunOptions.Engine, _ options: RunOptions, atLeast: Int = 1
  ) throws -> Int? {
    func fits(_ context: Int) throws -> Bool {
      var options = options
      options.contextLength = context
      return try memory(of: engine, options).totalBytes <= available
    }
    let longest = longestContext
    if try fits(longest) { return longest }
    var low = 0
    var high = (longest + Self.contextStep - 1) / Self.contextStep
    while high - low > 1 {
      let middle = low + (high - low) / 2
      if try fits(middle * Self.contextStep) { low = middle } else { high = middle }
    }
    let found = low * Self.contextStep
    return found >= max(atLeast, 1) ? found : nil
  }

  /// The verdict for one machine.
  ///
  /// - Throws: ``EstimationError``.
  package func fit(
    _ machine: Machine, engine: RunOptions.Engine, _ options: RunOptions, minimumContext: Int = 1
  ) throws -> Fit {
    let needed = try memory(of: engine, options).totalBytes
    let largest = try largestContext(
      in: machine.availableBytes, engine: engine, options, atLeast: minimumContext)
    return Fit(
      machine: machine, engine: engine, neededBytes: needed, marginBytes: machine.availableBytes - needed,
      fits: needed <= machine.availableBytes, largestContext: largest,
      isLimitedByModel: largest == longestContext)
  }
}

extension PricedModel {
  /// What to change so that it fits: a shorter context, 8-bit caches, windowed caches, another mix.
  ///
  /// - Throws: ``EstimationError``.
  func advice(_ fit: Fit, best: EstimateReport.BestMix, _ run: RunOptions) throws -> Wording {
    var ways: [Wording] = []
    var small = run
    (small.keyType, small.valueType) = (.q8_0, .q8_0)
    if run.keyType == .f16 || run.keyType == .f32 || run.keyType == .bf16,
      try memory(of: fit.engine, small).totalBytes <= fit.machine.availableBytes
    {
      ways.append("caches of q8_0 (\(.keyType) q8_0 \(.valueType) q8_0)")
    }
    if fit.engine == .llamaCpp, run.keepsFullWindows, let forms = try windowForms(run),
      forms.windowedTotalBytes <= fit.machine.availableBytes
    {
      ways.append("caches of what windows reach (without \(.keepsFullWindows))")
    }
    if let context = fit.largestContext {
      ways.append("a context of \(context) tokens (\(.contextLength) \(context))")
    }
    if let mix = best.mix, mix != self.mix {
      let setting = best.isRecipe ? Setting.recipe : .mix
      ways.append("\(mix) (\(setting) \(mix.lowercased()))")
    }
    guard !ways.isEmpty else {
      return "with \(fit.engine.rawValue), no context and no common mix fits; it takes a larger machine"
    }
    return "with \(fit.engine.rawValue), what fits: " + ways.joined(separator: ", or ")
  }
}

extension ModelSource {
  /// The mixes of tables and searches, the largest first.
  package static let commonMixes: [StockMix] = [
    .bf16, .q8_0, .q6_K, .q5_K_M, .q4_K_M, .q4_K_S, .iq4_XS, .q3_K_M, .q2_K,
  ]

}

extension Sequence<PricedModel> {
  /// What a model takes with several mixes, one per element, and contexts.
  ///
  /// - Throws: ``EstimationError``.
  func table(
    contexts: [Int], engine: RunOptions.Engine, options: RunOptions, machine: Machine?
  ) throws -> [Fit.Cell] {
    try flatMap { model in
      try contexts.map { context in
        var options = options
        options.contextLength = context
        let bytes = try model.memory(of: engine, options).totalBytes
        return Fit.Cell(
          mix: model.mix, context: context, bytes: bytes, fits: machine.map { bytes <= $0.availableBytes })
      }
    }
  }

  /// The first model, in order of preference, that fits.
  ///
  /// - Throws: ``EstimationError``.
  func best(on machine: Machine, engine: RunOptions.Engine, _ run: RunOptions) throws
    -> EstimateReport.BestMix
  {
    for model in self {
      let bytes = try model.memory(of: engine, run).totalBytes
      guard bytes <= machine.availableBytes else { continue }
      return .init(
        engine: engine, mix: model.mix, isRecipe: model.recipe != nil, bytes: bytes,
        largestContext: try model.largestContext(in: machine.availableBytes, engine: engine, run))
    }
    return .init(engine: engine, mix: nil, isRecipe: false, bytes: nil, largestContext: nil)
  }
}
