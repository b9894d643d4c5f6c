internal import FileBytes
package import ModelEvaluation
internal import ReferenceRuntime
internal import TensorCompute

/// What measuring a model and its outputs with Pouch takes, as the commands say it when they start.
package struct MeasuringReport: Codable, Sendable {
  /// What is measured.
  package enum Kind: String, Codable, Hashable, Sendable {
    /// pouch-perplexity of one model.
    case perplexity
    /// pouch-perplexity of an output against the source, in lock-step.
    case divergence
    /// pouch-imatrix of the source.
    case importance
  }

  /// Which of two bounds of time is the larger.
  package enum Bound: String, Codable, Hashable, Sendable {
    case disk
    case arithmetic
  }

  /// One run.
  package struct Run: Codable, Hashable, Sendable {
    /// perplexity, divergence (of an output from the source, in lock-step) or importance.
    package var kind: Kind
    /// The models; of a divergence, the base first.
    package var models: [String]
    /// exact or fast, the default of the command.
    package var mode: String
    /// The order of windows and layers, memory, and bytes that are read.
    package var cost: MeasuringCost
    /// Whether the machine has the memory.
    package var fits: Bool
    /// Weights times rows, those of 8-bit products counted less: twice as many operations.
    package var work: Double
    /// Seconds of reading at least; `nil` without the disk's speed.
    package var diskSeconds: Double?
    /// Seconds of products at least; `nil` without the speed of arithmetic.
    package var arithmeticSeconds: Double?
    /// The larger of both, disk or arithmetic, which go on at the same time; `nil` where one is not known.
    package var bound: Bound?
  }

  /// Tokens per window.
  package var windowLength: Int
  /// Windows.
  package var windows: Int
  /// Bytes per second of the disk.
  package var diskBytesPerSecond: Double?
  /// Whether they were measured here.
  package var isDiskMeasured: Bool
  /// Multiplications and additions per second.
  package var operationsPerSecond: Double?
  /// Whether they were measured here, with the runtime's own products.
  package var isArithmeticMeasured: Bool
  /// The runs.
  package var runs: [Run]
}

extension MeasuringReport {
  /// Plans the runs.
  ///
  /// - Parameters:
  ///   - source: The model.
  ///   - outputs: The outputs that were priced.
  ///   - options: Everything that was asked for.
  ///   - measuring: What was asked of these runs.
  ///   - calibration: The speed of this machine, if it was measured.
  /// - Throws: `RuntimeError` for a model that Pouch cannot run, `EvaluationError` for a limit that nothing keeps.
  init(
    _ source: ModelSource, _ outputs: [PricedModel], _ options: EstimateOptions,
    _ measuring: MeasuringOptions, calibration: Calibration?
  ) throws {
    try measuring.check()
    windowLength = measuring.windowLength
    windows = measuring.count
    diskBytesPerSecond = measuring.diskBytesPerSecond ?? calibration?.diskBytesPerSecond
    isDiskMeasured = measuring.diskBytesPerSecond == nil && diskBytesPerSecond != nil
    operationsPerSecond = options.operationsPerSecond ?? calibration?.operationsPerSecond
    isArithmeticMeasured = options.operationsPerSecond == nil && operationsPerSecond != nil
    runs = []
    let outline = try source.outline()
    guard let first = outputs.first else { return }
    let base = Subject(model: outline.model, name: source.name, heldByteCount: first.heldByteCount)
    try add(.perplexity, [base], options, measuring)
    for output in outputs where output.prepared != nil {
      let other = Subject(
        model: try outline.file(of: output.tensors.map(\.info), source: output.mix), name: output.mix,
        heldByteCount: output.heldByteCount)
      try add(.divergence, [base, other], options, measuring)
    }
    try add(.importance, [base], options, measuring)
  }

  private struct Subject {
    var model: LoadedModel
    var name: String
    /// What a process with the model open holds for it.
    var heldByteCount: Int
  }

  private mutating func add(
    _ kind: Kind, _ subjects: [Subject], _ options: EstimateOptions, _ measuring: MeasuringOptions
  ) throws {
    let mode: ComputeMode = kind == .importance ? .exact : .fast
    let models = subjects.map(\.model)
    var limits = measuring.limits
    limits.held = PricedModel.anonymousByteCount + subjects.reduce(0) { $0 + $1.heldByteCount }
    if kind == .importance {
      limits.held += models.reduce(0) {
        $0 + ImportanceCollector(expertCount: $1.expertCount ?? 0).byteCount(for: $1.store)
      }
    }
    let plan: MeasuringPlan
    do {
      plan = try MeasuringPlan(
        models, windowCount: windows, length: windowLength,
        options: EvaluationOptions(mode: mode, threads: options.conversionThreads), request: .auto,
        limits: limits)
    } catch var error as EvaluationError {
      error.fault.subject = "\(.measuringMemory), \(kind.rawValue)"
      throw error
    }
    let scored = TokenWindows.scoredCount(length: windowLength)
    let work = models.reduce(0) {
      $0 + $1.work(tokens: windows * windowLength, logits: windows * scored, mode: mode)
    }
    var run = Run(
      kind: kind, models: subjects.map(\.name), mode: mode.rawValue,
      cost: MeasuringCost(plan, windowCount: windows),
      fits: plan.memoryByteCount <= (limits.total ?? .max), work: work)
    run.diskSeconds = diskBytesPerSecond.map { Double(plan.diskByteCount) / $0 }
    run.arithmeticSeconds = operationsPerSecond.map { 2 * work / $0 }
    if let disk = run.diskSeconds, let arithmetic = run.arithmeticSeconds {
      run.bound = disk > arithmetic ? .disk : .arithmetic
    }
    runs.append(run)
  }
}
