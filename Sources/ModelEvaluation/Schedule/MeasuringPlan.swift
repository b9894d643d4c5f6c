internal import FileBytes
package import ReferenceRuntime

/// How a measurement goes through windows and layers, chosen by memory.
package struct MeasuringPlan: Hashable, Sendable {
  /// Which order is wanted.
  package enum Request: String, CaseIterable, Sendable {
    /// Layer by layer where the models do not fit in memory, else window by window.
    case auto
    /// Layer by layer.
    case layers
    /// Window by window.
    case windows
  }

  /// The memory that a measurement may take.
  package struct Limits: Hashable, Sendable {
    /// What the user allows; `nil` for what there is.
    package var allowed: Int?
    /// What there is now, `nil` where it is not known.
    package var available: Int?
    /// What the machine has, `nil` where it is not known.
    package var total: Int?
    /// What the process holds already.
    package var held: Int

    /// Creates limits.
    package init(allowed: Int? = nil, available: Int? = nil, total: Int? = nil, held: Int = 0) {
      self.allowed = allowed
      self.available = available
      self.total = total
      self.held = held
    }

    /// The limit for all that the process takes, with what it holds.
    var byteCount: Int {
      // A tenth stays for what is not counted: the allocator, threads, the page cache of other files.
      allowed ?? available.map { $0 / 10 * 9 + held } ?? .max
    }

    /// The least limit as it is said: the same number from run to run, though not all runs hold the same to the page.
    fileprivate static func rounded(_ byteCount: Int) -> Int {
      let step = 256 << 10
      return (byteCount.clampedSum(2 * step) / step).clampedProduct(step)
    }

    /// Refuses a limit that nothing can keep, or that keeps nothing.
    fileprivate func check(_ least: Int, _ request: Request) throws(EvaluationError) {
      guard let allowed else { return }
      let rounded = Self.rounded(least)
      var expected: Wording = "at least \(rounded) bytes"
      if let total, allowed > total || least > total {
        expected +=
          rounded > total
          ? ", more than the \(total) that this machine or its control group has"
          : ", and at most \(total), which this machine or its control group has"
      }
      guard allowed < least || allowed > total ?? .max else { return }
      throw EvaluationError(
        .memoryLimit,
        Fault(
          subject: "\(.maxMemory)", expected: expected, found: "\(allowed)",
          remedy: "change the limit, or leave it out: what the machine has is then looked at"))
    }
  }

  /// The least memory in which something can be measured, by the order of windows and layers.
  package struct Least: Hashable, Sendable {
    /// With groups of one window.
    package var inGroups: Int
    /// With windows one by one, all weights in memory.
    package var windowByWindow: Int

    /// Creates a pair of sizes.
    fileprivate init(inGroups: Int, windowByWindow: Int) {
      self.inGroups = inGroups
      self.windowByWindow = windowByWindow
    }

    /// Counts for models that take turns.
    package init(_ models: [LoadedModel], length: Int, options: EvaluationOptions, held: Int) {
      let groups = Groups(models, length: length, options: options, held: held)
      self.init(
        inGroups: groups.byteCount(windows: 1, rows: options.batchLength),
        windowByWindow: groups.windowByteCount)
    }

    /// What measurements that go one after the other need, all in one order.
    package static func most(of all: [Least]) -> Least? {
      guard let groups = all.map(\.inGroups).max(), let windows = all.map(\.windowByWindow).max() else {
        return nil
      }
      return Least(inGroups: groups, windowByWindow: windows)
    }

    /// The same where other work needs so much.
    func atLeast(_ byteCount: Int) -> Least {
      Least(inGroups: max(inGroups, byteCount), windowByWindow: max(windowByWindow, byteCount))
    }

    fileprivate func byteCount(for request: Request) -> Int {
      switch request {
      case .layers: inGroups
      case .windows: windowByWindow
      case .auto: min(inGroups, windowByWindow)
      }
    }
  }

  /// Rows that a mixture of experts sees together when memory allows.
  ///
  /// With 128 experts, 8 used, they take some percent less of the processor's time than 512 do.
  static let expertRows = 4096

  /// The order.
  package var schedule: WindowSchedule
  /// Groups of windows, 1 for each window where they go one by one.
  package var groupCount: Int
  /// Bytes of weights that one group is multiplied with.
  package var weightByteCount: Int
  /// Bytes of these that are inflated from compressed files.
  package var inflatedByteCount: Int
  /// How often these bytes are read in all.
  package var readCount: Int
  /// The most memory that the measurement takes, what the process holds now and weights in use included.
  package var memoryByteCount: Int
  /// The least limit for which there is an order, as messages say it.
  package var leastByteCount: Int
  /// The memory that windows one by one take, all weights included.
  package var windowMemoryByteCount: Int
  /// How often weights are read when windows go one by one: once where all of them stay in memory, else for each.
  package var windowReadCount: Int
  /// The limit that decided.
  package var limitByteCount: Int
  /// What inflating takes, for each model that has compressed weights.
  package var inflations: [Inflation]

  /// Bytes of weights that are read in all.
  package var readByteCount: Int { weightByteCount.clampedProduct(readCount) }
  /// Bytes that the disk gives for it: those of compressed files are fewer, or more where they are read several times.
  package var diskByteCount: Int {
    inflations.reduce((weightByteCount - inflatedByteCount).clampedProduct(readCount)) {
      $0.clampedSum($1.readByteCount)
    }
  }
  /// The same for windows one by one.
  package var windowReadByteCount: Int { weightByteCount.clampedProduct(windowReadCount) }

  /// Chooses the order, and the size of groups.
  ///
  /// - Parameters:
  ///   - models: The models that take turns with each group; outlines will do.
  ///   - windowCount: Windows to measure.
  ///   - length: Tokens per window.
  ///   - options: How models are run; the schedule in it is not looked at.
  ///   - request: The order that is wanted.
  ///   - limits: The memory.
  ///   - least: The least that this measurement and those before or after it need; `nil` for its own.
  ///   - first: Windows of the measurement that are done.
  ///   - boundary: Groups end before windows whose number is a multiple of it, as far as it is not `nil`.
  /// - Throws: ``EvaluationError`` with `memoryLimit` when the allowed memory is less than the least that works, or more
  ///   than the machine has.
  package init(
    _ models: [LoadedModel], windowCount: Int, length: Int, options: EvaluationOptions, request: Request,
    limits: Limits, least: Least? = nil, first: Int = 0, boundary: Int? = nil
  ) throws {
    let count = max(1, windowCount)
    let groups = Groups(models, length: length, options: options, held: limits.held)
    let limit = limits.byteCount
    let whole = groups.windowByteCount
    let smallest = groups.byteCount(windows: 1, rows: options.batchLength)
    let needed = (least ?? Least(inGroups: smallest, windowByWindow: whole)).byteCount(for: request)
    try limits.check(needed, request)
    leastByteCount = Limits.rounded(needed)
    weightByteCount = groups.weights.reduce(0) { $0.clampedSum($1.all.readByteCount) }
    inflatedByteCount = groups.weights.reduce(0) { $0.clampedSum($1.all.inflatedByteCount) }
    windowMemoryByteCount = whole
    windowReadCount = whole <= limit ? 1 : count
    limitByteCount = limit
    guard request == .layers || (request == .auto && whole > limit) else {
      schedule = .windows
      groupCount = count
      readCount = windowReadCount
      memoryByteCount = whole
      inflations = models.compactMap { $0.inflation(groupCount: 0, givesWeightsBack: false) }
      return
    }
    // The most rows whose scratch memory leaves three quarters of what is there to the windows.
    var rows = groups.hasExperts ? max(Self.expertRows, options.batchLength) : options.batchLength
    while rows > options.batchLength {
      if groups.byteCount(windows: 1, rows: rows) - smallest <= (limit - min(smallest, limit)) / 4 { break }
      rows = max(rows / 2, options.batchLength)
    }
    let single = groups.byteCount(windows: 1, rows: rows)
    let perWindow = groups.byteCount(windows: 2, rows: rows) - single
    let most = min(count, max(1, 1 + (limit - min(single, limit)) / max(1, perWindow)), boundary ?? count)
    // Groups of one size, as far as that goes.
    let runs = boundary.map { Self.runs(first..<(first + count), boundary: $0) } ?? [count]
    let size = runs.map { Self.evenSize($0, most: most) }.max() ?? 1
    groupCount = runs.reduce(0) { $0 + ($1 + size - 1) / size }
    rows = min(rows, max(options.batchLength, size * length))
    let givesBack = whole > limit
    schedule = .layers(
      windows: size,
      options: GroupOptions(
        batchLength: options.batchLength, feedForwardRows: rows, givesWeightsBack: givesBack))
    readCount = givesBack ? groupCount : 1
    memoryByteCount = groups.byteCount(windows: size, rows: rows)
    inflations = models.compactMap {
      [groupCount] in $0.inflation(groupCount: groupCount, givesWeightsBack: givesBack)
    }
  }

  /// The size of groups of nearly one size.
  private static func evenSize(_ count: Int, most: Int) -> Int {
    let groups = (count + most - 1) / most
    return (count + groups - 1) / groups
  }

  /// Windows between boundaries, as numbers.
  private static func runs(_ windows: Range<Int>, boundary: Int) -> [Int] {
    var result: [Int] = []
    var start = windows.lowerBound
    while start < windows.upperBound {
      let end = min((start / boundary + 1) * boundary, windows.upperBound)
      result.append(end - start)
      start = end
    }
    return result
  }

  /// The memory of models that take turns.
  private struct Groups {
    let models: [LoadedModel]
    let weights: [GroupWeights]
    let length: Int
    let options: EvaluationOptions
    let threads: Int
    let held: Int

    init(_ models: [LoadedModel], length: Int, options: EvaluationOptions, held: Int) {
      self.models = models
      weights = models.map(GroupWeights.init)
      self.length = length
      self.options = options
      threads = options.threads ?? Processor.threadCount
      self.held = held
    }

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
        streams = streams.clampedSum((windows * length).clampedProduct(memory.streamByteCountPerToken))
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
