internal import FileBytes
internal import Foundation
public import ReferenceRuntime

/// How a measurement goes through windows and layers, chosen by memory.
public struct MeasuringPlan: Hashable, Sendable {
  /// Which order is wanted.
  public enum Request: String, CaseIterable, Sendable {
    /// Layer by layer where the models do not fit in memory, else window by window.
    case auto
    /// Layer by layer.
    case layers
    /// Window by window.
    case windows
  }

  /// The memory that a measurement may take.
  public struct Limits: Hashable, Sendable {
    /// What the user allows; `nil` for what there is.
    public var allowed: Int?
    /// What there is now, `nil` where it is not known.
    public var available: Int?
    /// What the machine has, `nil` where it is not known.
    public var total: Int?
    /// What the process holds already.
    public var held: Int

    /// Creates limits.
    public init(allowed: Int? = nil, available: Int? = nil, total: Int? = nil, held: Int = 0) {
      self.allowed = allowed
      self.available = available
      self.total = total
      self.held = held
    }

    /// The limit for all that the process takes, with what it holds.
    fileprivate var byteCount: Int {
      // A tenth stays for what is not counted: the allocator, threads, the page cache of other files.
      allowed ?? available.map { $0 / 10 * 9 + held } ?? .max
    }
  }

  /// Rows that a mixture of experts sees together when memory allows.
  ///
  /// With 128 experts, 8 used, they take some percent less of the processor's time than 512 do.
  static let expertRows = 4096

  /// The order.
  public var schedule: WindowSchedule
  /// Groups of windows, 1 for each window where they go one by one.
  public var groupCount: Int
  /// Bytes of weights that one group is multiplied with.
  public var weightByteCount: Int
  /// The most memory that the measurement takes, what the process holds now and weights in use included.
  public var memoryByteCount: Int

  /// Bytes of weights that are read in all, where windows go in groups.
  public var readByteCount: Int { weightByteCount * groupCount }

  /// Chooses the order, and the size of groups.
  ///
  /// - Parameters:
  ///   - models: The models that take turns with each group.
  ///   - windowCount: Windows to measure.
  ///   - length: Tokens per window.
  ///   - options: How models are run; the schedule in it is not looked at.
  ///   - request: The order that is wanted.
  ///   - limits: The memory.
  ///   - others: The least that measurements before or after this one need.
  /// - Throws: ``EvaluationError`` with `memoryLimit` when the allowed memory is less than the least that works, or more
  ///   than the machine has.
  public init(
    _ models: [LoadedModel], windowCount: Int, length: Int, options: EvaluationOptions, request: Request,
    limits: Limits, others: Int = 0
  ) throws {
    let count = max(1, windowCount)
    let groups = Groups(
      models: models, weights: models.map(GroupWeights.init), length: length, options: options,
      threads: options.threads ?? ProcessInfo.processInfo.activeProcessorCount, held: limits.held)
    if let allowed = limits.allowed, let total = limits.total, allowed > total {
      throw Self.error("at most \(total) bytes, which this machine or its control group has", allowed)
    }
    let limit = limits.byteCount
    let whole = groups.windowByteCount
    weightByteCount = groups.weights.reduce(0) { $0.clampedSum($1.all.readByteCount) }
    if request == .windows || (request == .auto && whole <= limit) {
      schedule = .windows
      groupCount = count
      memoryByteCount = whole
      return
    }
    // The most rows whose scratch memory leaves three quarters of what is there to the windows.
    var rows = groups.hasExperts ? max(Self.expertRows, options.batchLength) : options.batchLength
    while rows > options.batchLength {
      let left = limit - groups.byteCount(windows: 1, rows: options.batchLength)
      let more =
        groups.byteCount(windows: 1, rows: rows) - groups.byteCount(windows: 1, rows: options.batchLength)
      if more <= left / 4 { break }
      rows = max(rows / 2, options.batchLength)
    }
    let least = groups.byteCount(windows: 1, rows: rows)
    if max(least, others) > limit, limits.allowed != nil {
      // The same number from run to run, though not all runs hold the same to the page.
      let rounded = (max(least, others) + 3 * 65_536) / 65_536 * 65_536
      throw Self.error("at least \(rounded) bytes for groups of one window", limit)
    }
    let perWindow = groups.byteCount(windows: 2, rows: rows) - least
    let most = min(count, max(1, 1 + (limit - min(least, limit)) / max(1, perWindow)))
    groupCount = (count + most - 1) / most
    // Groups of one size, as far as that goes.
    let size = (count + groupCount - 1) / groupCount
    rows = min(rows, max(options.batchLength, size * length))
    schedule = .layers(
      windows: size,
      options: GroupOptions(
        batchLength: options.batchLength, feedForwardRows: rows,
        givesWeightsBack: groups.windowByteCount > limit))
    memoryByteCount = groups.byteCount(windows: size, rows: rows)
  }

  /// The least memory in which models can take turns with groups of one window.
  public static func least(
    _ models: [LoadedModel], length: Int, options: EvaluationOptions, held: Int
  ) -> Int {
    Groups(
      models: models, weights: models.map(GroupWeights.init), length: length, options: options,
      threads: options.threads ?? ProcessInfo.processInfo.activeProcessorCount, held: held
    ).byteCount(windows: 1, rows: options.batchLength)
  }

  private static func error(_ expected: String, _ found: Int) -> EvaluationError {
    EvaluationError(
      .memoryLimit,
      Fault(
        subject: "--max-memory", expected: expected, found: "\(found)",
        remedy: "change the limit, or leave it out: what the machine has is then looked at"))
  }

  /// The memory of models that take turns.
  private struct Groups {
    let models: [LoadedModel]
    let weights: [GroupWeights]
    let length: Int
    let options: EvaluationOptions
    let threads: Int
    let held: Int

    var hasExperts: Bool { models.contains { $0.expertCount != nil } }

    private func memory(_ model: LoadedModel, rows: Int) -> GroupMemory? {
      GroupMemory(
        model, contextLength: length,
        options: GroupOptions(batchLength: options.batchLength, feedForwardRows: rows), threads: threads)
    }

    /// Logits of a piece of a window for each model, as the evaluator keeps them.
    private var logitsByteCount: Int {
      models.reduce(0) { $0 + 2 * min(64 << 20, 4 * length * $1.vocabularySize) }
    }

    /// Memory for windows in groups.
    func byteCount(windows: Int, rows: Int) -> Int {
      var (streams, states, scratch, output, layers) = (0, 0, 0, 0, 0)
      for (model, weights) in zip(models, weights) {
        guard let memory = memory(model, rows: rows) else { return .max }
        let (bytes, overflow) = (windows * length).multipliedReportingOverflow(
          by: memory.streamByteCountPerToken)
        streams = overflow ? .max : streams.clampedSum(bytes)
        states += memory.stateByteCount
        scratch = max(scratch, memory.scratchByteCount)
        output += weights.output.memoryByteCount + memory.logitsByteCount
        // One layer computes, the next is being read.
        let sizes = weights.layers.map(\.memoryByteCount)
        layers = max(layers, zip(sizes, sizes.dropFirst()).map { $0 + $1 }.max() ?? sizes.max() ?? 0)
      }
      return held.clampedSum(streams).clampedSum(states)
        .clampedSum(max(scratch.clampedSum(layers), output + logitsByteCount))
    }

    /// Memory for windows one by one, all weights included.
    var windowByteCount: Int {
      zip(models, weights).reduce(held.clampedSum(logitsByteCount)) { sum, pair in
        let (model, weights) = pair
        let session = RuntimeMemory(
          model.architecture, contextLength: length, batchLength: options.batchLength, threads: threads,
          cacheType: .f32)
        return sum.clampedSum(weights.all.memoryByteCount).clampedSum(session?.totalByteCount ?? .max)
      }
    }
  }
}

extension Int {
  /// A sum of two counts; the largest integer when that is less.
  fileprivate func clampedSum(_ other: Int) -> Int {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}
