internal import FileBytes
internal import ModelDescriptions
internal import ModelEvaluation
internal import ReferenceRuntime
internal import TensorCompute

/// Takes windows through some branches of a model with changed weights, from streams that the unperturbed model left.
final class BranchRunner {
  let model: LoadedModel
  let windows: TokenWindows
  /// The windows whose streams are kept, by slot.
  let kept: [Int]
  let streams: StreamFile
  private let session: GroupSession
  /// Windows that are taken through layers together.
  private let groupSize: Int
  private let threadCount: Int
  private let givesWeightsBack: Bool
  /// The layer whose weights are ready, where only one at a time is.
  private var heldLayer: Int?
  private var loadedLayers: Set<Int> = []
  /// What the unperturbed model says of kept windows, as far as there is room, by slot.
  private var references: [Int: ReferenceWindow] = [:]
  /// The room for it: an eighth of the memory, at most 512 MB.
  private let referenceByteCount: Int
  /// Asked between pieces of work; throws to end the measurement.
  var check: () throws -> Void = {}

  /// Prepares, within a limit of memory.
  ///
  /// - Throws: `EvaluationError` with `memoryLimit`; `FileError`.
  init(
    _ model: LoadedModel, _ windows: TokenWindows, kept: [Int], streamPath: String,
    options: SensitivityOptions
  ) throws {
    self.model = model
    self.windows = windows
    self.kept = kept
    threadCount = max(1, options.threads ?? Processor.threadCount)
    let evaluation = EvaluationOptions(
      mode: options.mode, threads: options.threads, batchLength: options.batchLength)
    let weights = GroupWeights(model)
    var limits = options.limits
    // One reference is held in any case.
    let reference = ReferenceWindow.byteCount(
      positions: windows.scoredPerWindow, size: model.vocabularySize)
    referenceByteCount = min(512 << 20, (limits.allowed ?? limits.available ?? 1 << 30) / 8)
    limits.held += max(reference, min(referenceByteCount, kept.count * reference))
    // What is quantized, at most 17 bits where 32 are read, and the base's stream beside the only window's.
    let largest = (weights.layers + [weights.output]).map(\.memoryByteCount).max() ?? 0
    limits.held += largest / 32 * 17 + 4 * windows.length * model.architecture.hiddenSize
    let plan = try MeasuringPlan(
      [model], windowCount: 2 * windows.count, length: windows.length, options: evaluation, request: .layers,
      limits: limits)
    guard case .layers(let size, let groupOptions) = plan.schedule else {
      preconditionFailure("windows go in groups when that is asked for")
    }
    groupSize = (size + 1) / 2
    givesWeightsBack = groupOptions.givesWeightsBack
    session = GroupSession(
      model: model, contextLength: windows.length, mode: options.mode, threads: options.threads,
      options: groupOptions)
    streams = try StreamFile(
      path: streamPath, windowCount: kept.count, length: windows.length, width: session.width,
      boundaryCount: session.halfCount + 1)
  }

  /// Branches of all layers.
  var halfCount: Int { session.halfCount }

  private var streamLength: Int { windows.length * session.width }

  /// Takes windows through the unperturbed model, keeps the streams of those that are kept, and shows activations to a
  /// collector.
  ///
  /// - Parameters:
  ///   - collector: Sees the activations of all windows; `nil` when only the kept windows are run.
  ///   - onWindows: Called with the number of windows that are done.
  /// - Throws: `RuntimeError`, `EvaluationError`, `FileError`, what `check` throws.
  func trace(_ collector: ImportanceCollector?, onWindows: (Int) throws -> Void) throws {
    let all = collector == nil ? kept : Array(0..<windows.count)
    let slots = Dictionary(uniqueKeysWithValues: kept.enumerated().map { ($1, $0) })
    session.observer = collector
    defer { session.observer = nil }
    for start in stride(from: 0, to: all.count, by: groupSize) {
      let group = Array(all[start..<min(start + groupSize, all.count)])
      try session.begin(group.map(windows.input), of: model)
      for half in 0...halfCount {
        let rows = try session.streams()
        for (place, window) in group.enumerated() {
          guard let slot = slots[window] else { continue }
          try streams.write(UnsafeBufferPointer(rows.part(place, streamLength)), boundary: half, window: slot)
        }
        guard half < halfCount else { break }
        try run(half, group.count, of: model)
      }
      try collector?.endWindow()
      try onWindows(start + group.count)
    }
  }

  /// Runs a branch for the first sequences of the session.
  private func run(_ half: Int, _ count: Int, of form: LoadedModel) throws {
    try check()
    try hold(half / 2)
    try session.run(half: half, sequences: count, of: form)
  }

  /// Makes the weights of a layer ready; where memory is short, those of another one go.
  func hold(_ layer: Int) throws {
    guard givesWeightsBack else {
      if loadedLayers.insert(layer).inserted { try session.load(layer: layer) }
      return
    }
    guard heldLayer != layer else { return }
    if let heldLayer { session.release(layer: heldLayer) }
    heldLayer = layer
    try session.load(layer: layer)
  }

  /// The error that changed weights make in what a branch adds to the stream: the sum of squared differences of the stream
  /// behind it, over the sum of squares of what the unperturbed branch adds.
  ///
  /// - Parameters:
  ///   - half: The branch; -1 for the embedding, whose error is relative to the stream itself.
  ///   - form: The model with changed weights.
  ///   - slots: The kept windows to use.
  /// - Returns: The relative squared error.
  /// - Throws: `RuntimeError`, `FileError`.
  func relativeError(half: Int, of form: LoadedModel, slots: [Int]) throws -> Double {
    var (error, power) = (0.0, 0.0)
    for start in stride(from: 0, to: slots.count, by: groupSize) {
      let group = Array(slots[start..<min(start + groupSize, slots.count)])
      try begin(half, group, of: form)
      if half >= 0 { try run(half, group.count, of: form) }
      nonisolated(unsafe) let rows = try session.streams()
      let (length, file) = (streamLength, streams)
      let sums = try parallelMap(count: group.count, threadCount: threadCount) { place in
        try Self.differences(
          rows.part(place, length), file, slot: group[place], half: half)
      }
      for sum in sums {
        error += sum.error
        power += sum.power
      }
    }
    return power > 0 ? error / power : 0
  }

  /// Squared differences of a stream from the unperturbed one behind a branch, and of that from the one before it.
  private static func differences(
    _ values: UnsafeMutableBufferPointer<Float>, _ file: StreamFile, slot: Int, half: Int
  ) throws -> (error: Double, power: Double) {
    let after = UnsafeMutableBufferPointer<Float>.allocate(capacity: values.count)
    let before = UnsafeMutableBufferPointer<Float>.allocate(capacity: values.count)
    defer {
      after.deallocate()
      before.deallocate()
    }
    try file.read(after, boundary: half + 1, window: slot)
    if half >= 0 {
      try file.read(before, boundary: half, window: slot)
    } else {
      before.initialize(repeating: 0)
    }
    var (error, power) = (0.0, 0.0)
    for index in values.indices {
      let (e, p) = (values[index] - after[index], after[index] - before[index])
      error += Double(e * e)
      power += Double(p * p)
    }
    return (error, power)
  }

  /// The mean KL divergence of each window when weights are changed from a branch on.
  ///
  /// - Parameters:
  ///   - half: The first branch with other weights; -1 for the embedding, ``halfCount`` for the output matrix.
  ///   - form: The model with changed weights in this branch alone; those after it are the model's own.
  ///   - slots: The kept windows to use.
  /// - Returns: Nats per token, one number for each window.
  /// - Throws: `RuntimeError`, `EvaluationError`, `FileError`.
  func divergences(half: Int, of form: LoadedModel, slots: [Int]) throws -> [Double] {
    try divergences(from: half, slots: slots, output: half < 0 || half == halfCount ? form : model) {
      $0 == half ? form : self.model
    }
  }

  /// The same where every branch may have other weights.
  ///
  /// - Parameters:
  ///   - half: Where streams of the unperturbed model are taken over.
  ///   - slots: The windows.
  ///   - output: The form whose output matrix is used.
  ///   - form: Gives the form of a branch.
  /// - Returns: Nats per token, one number for each window.
  /// - Throws: As ``divergences(half:of:slots:)``, and what `form` throws.
  func divergences(
    from half: Int, slots: [Int], output: LoadedModel, form: (_ half: Int) throws -> LoadedModel
  ) throws -> [Double] {
    var result: [Double] = []
    for start in stride(from: 0, to: slots.count, by: groupSize) {
      let group = Array(slots[start..<min(start + groupSize, slots.count)])
      try begin(
        half, group, of: output, withBase: group.contains { references[$0] == nil })
      for next in max(half, 0)..<max(halfCount, half) { try run(next, group.count, of: form(next)) }
      for place in group.indices {
        let reference = try reference(group[place], sequence: group.count + place)
        result.append(try divergence(place, from: reference, of: output))
      }
      session.releaseOutput()
    }
    return result
  }

  /// Fills the session with streams before a branch, and behind them with the base's last ones.
  private func begin(_ half: Int, _ group: [Int], of form: LoadedModel, withBase: Bool = false) throws {
    let count = withBase ? 2 * group.count : group.count
    if half < 0 {
      let inputs = group.map { windows.input(kept[$0]) }
      try session.begin(withBase ? inputs + inputs : inputs, of: form)
    } else {
      try session.begin(lengths: Array(repeating: windows.length, count: count))
    }
    let rows = try session.streams()
    for (place, slot) in group.enumerated() {
      if half >= 0 { try streams.read(rows.part(place, streamLength), boundary: half, window: slot) }
      guard withBase else { continue }
      try streams.read(
        rows.part(group.count + place, streamLength), boundary: halfCount, window: slot)
    }
  }

  /// The mean divergence over the scored positions of a window, whose other form is in the session.
  private func divergence(_ tested: Int, from reference: ReferenceWindow, of form: LoadedModel) throws
    -> Double
  {
    var sum = 0.0
    let scored = windows.firstScored..<(windows.length - 1)
    try session.logits(of: form, sequence: tested, positions: scored) { first, rows in
      try check()
      // Row by row, so that the sum is the same however many rows come at a time.
      let values = reference.divergences(
        of: rows, from: first - scored.lowerBound, threadCount: threadCount)
      sum = values.reduce(sum, +)
    }
    return sum / Double(max(1, scored.count))
  }

  /// What the unperturbed model says of a window, whose last stream is in the session unless it is known.
  private func reference(_ slot: Int, sequence: Int) throws -> ReferenceWindow {
    if let known = references[slot] { return known }
    var reference = ReferenceWindow(size: model.vocabularySize)
    let scored = windows.firstScored..<(windows.length - 1)
    try session.logits(sequence: sequence, positions: scored) { _, rows in
      reference.append(rows, threadCount: threadCount)
    }
    let size = ReferenceWindow.byteCount(positions: scored.count, size: model.vocabularySize)
    if (references.count + 1) * size <= referenceByteCount { references[slot] = reference }
    return reference
  }
}

extension UnsafeMutableBufferPointer<Float> {
  /// One of consecutive parts of `length` values.
  fileprivate func part(_ index: Int, _ length: Int) -> UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(rebasing: self[(index * length)..<((index + 1) * length)])
  }
}
