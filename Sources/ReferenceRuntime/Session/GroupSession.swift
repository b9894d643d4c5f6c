internal import BlockQuantization
internal import Dispatch
internal import ModelDescriptions
package import TensorCompute

/// Many sequences of tokens evaluated together, layer by layer: all sequences use a layer's weights before the next
/// layer's are looked at, so that a model larger than memory is read once for all of them.
///
/// ```
/// stream[s] = embedding of sequence s
/// for each layer:
///   for each sequence: stream[s] += mixer(rms(stream[s]))       keys, values and states live in this step alone
///   for rows of all sequences: stream += feedForward(rms(stream))
/// logits for those who ask                                      see ``logits(sequence:positions:body:)``
/// ```
///
/// Results are the same bits as those of a ``Session`` for each sequence. What is kept are 4 bytes times the model's
/// width for each token.
///
/// A group session belongs to one thread at a time.
package final class GroupSession {
  /// Where a pass through the layers is.
  package struct Step: Hashable, Sendable {
    /// The layer that is being worked on.
    package var layer: Int
    /// Layers of the model.
    package var layerCount: Int
    /// What is done of ``LoadedModel/work(tokens:logits:mode:)``.
    package var work = 0.0
    /// Seconds since the pass began.
    package var seconds = 0.0
    /// Seconds of these in which it waited for weights.
    package var waitSeconds = 0.0
    /// Seconds that loading weights took, on a thread of its own, in all passes.
    package var loadSeconds = 0.0
    /// Bytes of files that were loaded.
    package var loadedByteCount = 0
  }

  /// The model.
  package let model: LoadedModel
  /// The most tokens of a sequence.
  package let contextLength: Int
  /// How the work is cut.
  package let options: GroupOptions
  /// Watches intermediate values; not retained.
  ///
  /// Rows of one name come sequence by sequence, each in order.
  package weak var observer: (any TapObserver)? {
    didSet { context.observer = observer }
  }

  let context: BlockContext
  private let cacheType: CacheType
  private let work: GroupWork
  let loader: LayerLoader
  /// Whether the output matrix is ready.
  private var hasOutput = false
  private var states: [LayerState.Shape: LayerState] = [:]
  /// The residual streams of all sequences, one after the other.
  private var memory: FloatBuffer?
  /// The rows of each sequence.
  var sequences: [Range<Int>] = []
  /// Sequences whose streams were found to be finite.
  var checked: Set<Int> = []

  /// Prepares a session.
  ///
  /// - Parameters:
  ///   - model: The model to run.
  ///   - contextLength: The most tokens of a sequence, at least 1.
  ///   - mode: How matrix products are computed.
  ///   - threads: Threads, the caller's included; all cores when `nil`.
  ///   - cacheType: How keys and values are kept.
  ///   - options: How the work is cut.
  package init(
    model: LoadedModel, contextLength: Int, mode: ComputeMode = .exact, threads: Int? = nil,
    cacheType: CacheType = .f32, options: GroupOptions = GroupOptions()
  ) {
    precondition(contextLength > 0, "a session has room for a token")
    self.model = model
    self.contextLength = contextLength
    self.cacheType = cacheType
    self.options = options
    work = GroupWork(model.weights, mode: mode)
    loader = LayerLoader(model.store, givesBack: options.givesWeightsBack)
    context = BlockContext(
      model, contextLength: contextLength, mode: mode, threads: threads, level: RuntimeKernels.current,
      matrixLevel: .current)
  }

  /// Takes sequences through all layers, and keeps their residual streams in place of earlier ones.
  ///
  /// - Parameters:
  ///   - tokens: The tokens of each sequence.
  ///   - onStep: Called after each piece of work; `false` ends the pass.
  /// - Returns: Whether the pass came to its end; only then there are streams.
  /// - Throws: ``RuntimeError``: `emptyInput`, `tokenOutOfRange`, `contextOverflow` before anything is computed;
  ///   `outOfMemory`; what the closures throw.
  package func run(
    _ tokens: [[Int32]], onStep: (Step) throws -> Bool = { _ in true }
  ) throws -> Bool {
    for sequence in tokens { try model.check(sequence, position: 0, contextLength: contextLength) }
    sequences = []
    checked = []
    let ranges = Self.ranges(tokens.map(\.count))
    // What a pass that failed had started is of no interest any more.
    _ = try? loader.wait()
    releaseOutput()
    let start = DispatchTime.now().uptimeNanoseconds
    let stream = try stream(count: ranges.last?.upperBound ?? 0)
    try embed(tokens, model, ranges, into: stream)
    // All positions are turned once; batches take their part.
    context.prepare(positions: 0..<(ranges.map(\.count).max() ?? 0))
    let layers = model.weights.layers
    var step = Step(layer: 0, layerCount: layers.count)
    loader.start(layers[0].matrices)
    for (index, layer) in layers.enumerated() {
      step.layer = index
      let before = DispatchTime.now().uptimeNanoseconds
      try loader.wait()
      step.waitSeconds += Double(DispatchTime.now().uptimeNanoseconds - before) / 1e9
      if index + 1 < layers.count { loader.start(layers[index + 1].matrices) }
      defer { loader.release(layer.matrices) }
      let goesOn = try runLayer(stream, ranges, &step) { [loader] step in
        var step = step
        step.seconds = Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
        (step.loadSeconds, step.loadedByteCount) = loader.total
        return try onStep(step)
      }
      guard goesOn else {
        // What is on its way has to come before it can go.
        try loader.wait()
        if index + 1 < layers.count { loader.release(layers[index + 1].matrices) }
        return false
      }
    }
    context.releaseScratch()
    sequences = ranges
    return true
  }

  /// The rows of sequences of some lengths, one after the other.
  static func ranges(_ lengths: [Int]) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    for length in lengths {
      let start = ranges.last?.upperBound ?? 0
      ranges.append(start..<(start + length))
    }
    return ranges
  }

  /// Starts the streams of sequences.
  func embed(_ tokens: [[Int32]], _ model: LoadedModel, _ ranges: [Range<Int>], into stream: FloatRows) throws
  {
    let matrix = model.weights.embedding.weights
    try loader.loadRows([matrix])
    context.members = []
    for (sequence, range) in zip(tokens, ranges) {
      ForwardPass.embed(sequence[...], model.weights, into: stream.rows(range), context)
    }
    loader.release([matrix])
  }

  /// Runs one layer; false when the pass was ended.
  private func runLayer(
    _ stream: FloatRows, _ ranges: [Range<Int>], _ step: inout Step, _ onStep: (Step) throws -> Bool
  ) throws -> Bool {
    let index = step.layer
    let layer = model.weights.layers[index]
    let mixed = try mix(stream, ranges, layer, at: index) { rows in
      step.work += Double(rows) * work.layers[index].mixer
      return try onStep(step)
    }
    guard mixed else { return false }
    return try feedForward(stream, ranges, layer, at: index) { rows in
      step.work += Double(rows) * work.layers[index].feedForward
      return try onStep(step)
    }
  }

  /// Runs the first branch of a layer on all sequences; false when `goesOn`, called after some rows, ended it.
  func mix(
    _ stream: FloatRows, _ ranges: [Range<Int>], _ layer: DecoderLayer, at index: Int,
    goesOn: (_ rows: Int) throws -> Bool
  ) throws -> Bool {
    let state = try state(of: index)
    for (number, range) in ranges.enumerated() {
      state.clear()
      for piece in range.pieces(of: options.batchLength) {
        context.begin(firstPosition: piece.lowerBound - range.lowerBound, count: piece.count)
        context.members = [GroupMember(sequence: number, rows: 0..<piece.count)]
        let scratch = try BranchScratch(context, count: piece.count, width: stream.width)
        try ForwardPass.mix(stream.rows(piece), layer, at: index, [state], scratch, context)
      }
      guard try goesOn(range.count) else { return false }
    }
    return true
  }

  /// Runs the second branch of a layer on all rows; false when `goesOn`, called after some rows, ended it.
  func feedForward(
    _ stream: FloatRows, _ ranges: [Range<Int>], _ layer: DecoderLayer, at index: Int,
    goesOn: (_ rows: Int) throws -> Bool
  ) throws -> Bool {
    for piece in (0..<stream.count).pieces(of: options.feedForwardRows) {
      context.members = ranges.enumerated().compactMap { number, range in
        let part = range.clamped(to: piece)
        guard !part.isEmpty else { return nil }
        return GroupMember(
          sequence: number,
          rows: (part.lowerBound - piece.lowerBound)..<(part.upperBound - piece.lowerBound))
      }
      let scratch = try BranchScratch(context, count: piece.count, width: stream.width)
      try ForwardPass.feedForward(stream.rows(piece), layer, at: index, scratch, context)
      guard try goesOn(piece.count) else { return false }
    }
    return true
  }

  /// Computes and hands out logits piece by piece.
  ///
  /// - Parameters:
  ///   - sequence: The number of the sequence.
  ///   - positions: Which of its tokens' logits are wanted.
  ///   - body: Receives the position of the first row and consecutive rows, `[rows, vocabulary]`, valid during the
  ///     call alone.
  /// - Throws: ``RuntimeError`` with `nonFinite`, also where no logits are wanted of a sequence whose stream is not
  ///   finite; what `body` throws.
  package func logits(
    sequence: Int, positions: Range<Int>,
    body: (_ firstPosition: Int, _ rows: UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    try logits(of: model, sequence: sequence, positions: positions, body: body)
  }

  /// The same with the output matrix of another form of the model, see ``LoadedModel/replacing(layer:_:with:)``.
  ///
  /// - Throws: As there.
  package func logits(
    of model: LoadedModel, sequence: Int, positions: Range<Int>,
    body: (_ firstPosition: Int, _ rows: UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    let range = sequences[sequence]
    precondition(positions.clamped(to: 0..<range.count) == positions, "positions of the sequence")
    let rows = try stream(count: sequences.last?.upperBound ?? 0).rows(range)
    if checked.insert(sequence).inserted {
      try model.checkFinite(rows, firstPosition: 0, what: "the residual stream", context)
    }
    if !hasOutput, !positions.isEmpty {
      loader.start([model.weights.output.weights])
      try loader.wait()
      hasOutput = true
    }
    context.members = []
    try model.emitLogits(
      rows.rows(positions), firstPosition: positions.lowerBound, piece: min(64, options.batchLength), context
    ) { try body(positions.lowerBound + $0, $1) }
  }

  /// Gives back the output matrix, which is made ready again when logits are wanted.
  package func releaseOutput() {
    guard hasOutput else { return }
    loader.release([model.weights.output.weights])
    hasOutput = false
  }

  /// Computes logits and keeps them.
  ///
  /// - Throws: As ``logits(sequence:positions:body:)``.
  package func logits(sequence: Int, positions: Range<Int>) throws -> LogitsBuffer {
    var buffer = LogitsBuffer(vocabularySize: model.vocabularySize)
    try logits(sequence: sequence, positions: positions) { _, rows in buffer.append(rows) }
    return buffer
  }

  /// The rows of all sequences; what they hold stays as long as no more are wanted than before.
  func stream(count: Int) throws -> FloatRows {
    let width = model.weights.width
    if let memory, memory.count >= count * width {
      return FloatRows(base: memory.base, count: count, width: width)
    }
    memory = nil
    let buffer = try FloatBuffer(count: count * width, purpose: "the residual streams of all sequences")
    memory = buffer
    return FloatRows(base: buffer.base, count: count, width: width)
  }

  /// The state for a layer, shared by all layers of its shape.
  private func state(of layer: Int) throws -> LayerState {
    let shape = LayerState.Shape(model.architecture.layers[layer].mixer)
    if let state = states[shape] { return state }
    let state = try LayerState(
      shape, contextLength: contextLength, batchLength: options.batchLength, type: cacheType)
    states[shape] = state
    return state
  }
}

extension Range<Int> {
  /// Consecutive parts of at most `length`.
  func pieces(of length: Int) -> [Range<Int>] {
    stride(from: lowerBound, to: upperBound, by: length).map { $0..<Swift.min($0 + length, upperBound) }
  }
}
