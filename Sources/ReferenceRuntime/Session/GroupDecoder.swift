internal import BlockQuantization
internal import ModelDescriptions
package import TensorCompute

/// Many sequences that go on token by token together: in each step every layer's weights are used by all of them before
/// the next layer's are looked at.
///
/// ```
/// stream[s] = embedding of the next tokens of sequence s           one, or a prompt
/// for each layer:
///   for each sequence: stream[s] += mixer(rms(stream[s]))          with keys, values and states of its own
///   for rows of all sequences: stream += feedForward(rms(stream))
/// logits of the last token of each sequence
/// ```
///
/// Sequences begin and end at any step. Logits are the same bits as those of a ``Session`` for each sequence. Models
/// larger than memory are read once in each step, as far as weights are not kept, see ``KeptWeights``; of experts only
/// those that are used, where these are few.
///
/// A decoder belongs to one thread at a time.
package final class GroupDecoder {
  /// The next tokens of a sequence.
  package struct Input: Hashable, Sendable {
    /// The sequence, by the number that ``begin()`` gave it.
    package var sequence: Int
    /// At least one token.
    package var tokens: [Int32]

    /// Creates an input.
    package init(sequence: Int, tokens: [Int32]) {
      self.sequence = sequence
      self.tokens = tokens
    }
  }

  /// The model.
  package let model: LoadedModel
  /// The most tokens of a sequence.
  package let contextLength: Int
  /// How the work is cut.
  package let options: GroupOptions

  private struct Sequence {
    var states: [LayerState]
    var position = 0
    var isActive = true
    /// True after a step that left states half advanced.
    var isBroken = false
  }

  /// Rows of the stream that a mixer sees together.
  private struct Batch {
    var rows: Range<Int>
    var parts: [BatchPart] = []
    /// The sequence of each part.
    var sequences: [Int] = []
  }

  private let context: BlockContext
  private let cacheType: CacheType
  private let stages: WeightStages
  private var sequences: [Sequence] = []

  /// Prepares a decoder.
  ///
  /// - Parameters:
  ///   - model: The model to run.
  ///   - contextLength: The most tokens of a sequence, at least 1.
  ///   - mode: How matrix products are computed.
  ///   - threads: Threads, the caller's included; all cores when `nil`.
  ///   - cacheType: How keys and values are kept.
  ///   - options: How the work is cut; whether weights are given back is not looked at.
  ///   - kept: What is kept of the weights from step to step; with all of them nothing is read ahead.
  /// - Throws: The errors of copying weights of a model that was opened late.
  package init(
    model: LoadedModel, contextLength: Int, mode: ComputeMode = .exact, threads: Int? = nil,
    cacheType: CacheType = .f32, options: GroupOptions = GroupOptions(), kept: KeptWeights = .all
  ) throws {
    precondition(contextLength > 0, "a sequence has room for a token")
    self.model = model
    self.contextLength = contextLength
    self.cacheType = cacheType
    self.options = options
    stages = try WeightStages(model, kept: kept)
    context = BlockContext(
      model, contextLength: contextLength, mode: mode, threads: threads, level: RuntimeKernels.current,
      matrixLevel: .current)
    context.prepare(positions: 0..<contextLength)
  }

  /// Seconds that reading weights took so far, and bytes of files that were read; 0 where all weights are kept.
  package var loaded: (seconds: Double, byteCount: Int) { stages.total }

  /// Starts a sequence without tokens.
  ///
  /// - Returns: Its number; numbers of sequences that ended are used again.
  /// - Throws: ``RuntimeError`` with `outOfMemory`, or `unsupportedType` for heads that do not hold whole blocks of the
  ///   cache's type.
  package func begin() throws -> Int {
    if let free = sequences.firstIndex(where: { !$0.isActive }) {
      for state in sequences[free].states { state.clear() }
      sequences[free].position = 0
      sequences[free].isActive = true
      sequences[free].isBroken = false
      return free
    }
    let states = try model.architecture.layers.map {
      try LayerState(
        .init($0.mixer), contextLength: contextLength, batchLength: options.batchLength, type: cacheType)
    }
    sequences.append(Sequence(states: states))
    return sequences.count - 1
  }

  /// Ends a sequence; its memory is kept for another one.
  package func end(_ sequence: Int) { sequences[sequence].isActive = false }

  /// Tokens of a sequence evaluated so far.
  package func position(of sequence: Int) -> Int { sequences[sequence].position }

  /// Takes the next tokens of sequences through all layers.
  ///
  /// - Parameters:
  ///   - inputs: Tokens of sequences that have begun, each sequence at most once.
  ///   - onLayer: Called after each layer; `false` ends the step, after which the sequences can only be ended.
  ///   - body: Receives the number of an input, and rows of logits `[rows, vocabulary]` of the last token of this input
  ///     and of those after it, valid during the call alone.
  /// - Returns: Whether the step came to its end.
  /// - Throws: ``RuntimeError``: `emptyInput`, `tokenOutOfRange`, `contextOverflow` before anything is computed;
  ///   `nonFinite` when a result is NaN or infinite; the errors of reading weights; what the closures throw.
  package func evaluate(
    _ inputs: [Input], onLayer: (_ layer: Int) throws -> Bool = { _ in true },
    body: (_ firstInput: Int, _ rows: UnsafeBufferPointer<Float>) throws -> Void
  ) throws -> Bool {
    precondition(Set(inputs.map(\.sequence)).count == inputs.count, "a sequence takes part once")
    for input in inputs {
      let sequence = sequences[input.sequence]
      precondition(sequence.isActive && !sequence.isBroken, "sequences have begun, and their steps ended")
      try model.check(input.tokens, position: sequence.position, contextLength: contextLength)
    }
    guard !inputs.isEmpty else { return true }
    for input in inputs { sequences[input.sequence].isBroken = true }
    var isWhole = false
    defer {
      context.prepareExperts = nil
      if !isWhole { stages.cancel() }
    }
    let ranges = Self.ranges(inputs)
    let stream = try context.scratch("stream", ranges.last?.upperBound ?? 0, model.weights.width)
    guard try run(inputs, ranges, stream, onLayer) else { return false }
    for (input, range) in zip(inputs, ranges) {
      try model.checkFinite(
        stream.rows(range), firstPosition: sequences[input.sequence].position, what: "the residual stream",
        context)
    }
    try emitLogits(inputs, ranges, stream, body)
    for input in inputs {
      sequences[input.sequence].position += input.tokens.count
      sequences[input.sequence].isBroken = false
    }
    isWhole = true
    return true
  }

  /// The rows of each input.
  private static func ranges(_ inputs: [Input]) -> [Range<Int>] {
    inputs.reduce(into: []) { ranges, input in
      let start = ranges.last?.upperBound ?? 0
      ranges.append(start..<(start + input.tokens.count))
    }
  }

  private func run(
    _ inputs: [Input], _ ranges: [Range<Int>], _ stream: FloatRows, _ onLayer: (Int) throws -> Bool
  ) throws -> Bool {
    try stages.withEmbedding {
      for (input, range) in zip(inputs, ranges) {
        ForwardPass.embed(input.tokens[...], model.weights, into: stream.rows(range), context)
      }
    }
    let batches = batches(inputs, ranges)
    for (index, layer) in model.weights.layers.enumerated() {
      let needsExperts = try stages.use(index, rows: stream.count)
      context.prepareExperts = needsExperts ? { [stages] in try stages.prepare(experts: $0, of: index) } : nil
      for batch in batches {
        context.begin(batch.parts)
        let scratch = try BranchScratch(context, count: batch.rows.count, width: stream.width)
        try ForwardPass.mix(
          stream.rows(batch.rows), layer, at: index, batch.sequences.map { sequences[$0].states[index] },
          scratch, context)
      }
      for piece in (0..<stream.count).pieces(of: options.feedForwardRows) {
        let scratch = try BranchScratch(context, count: piece.count, width: stream.width)
        try ForwardPass.feedForward(stream.rows(piece), layer, at: index, scratch, context)
      }
      stages.finish(index)
      guard try onLayer(index) else { return false }
    }
    return true
  }

  /// Cuts the rows of all sequences into batches for mixers.
  private func batches(_ inputs: [Input], _ ranges: [Range<Int>]) -> [Batch] {
    (0..<(ranges.last?.upperBound ?? 0)).pieces(of: options.batchLength).map { piece in
      var batch = Batch(rows: piece)
      for (input, range) in zip(inputs, ranges) {
        let rows = range.clamped(to: piece)
        guard !rows.isEmpty else { continue }
        batch.parts.append(
          BatchPart(
            rows: (rows.lowerBound - piece.lowerBound)..<(rows.upperBound - piece.lowerBound),
            firstPosition: sequences[input.sequence].position + rows.lowerBound - range.lowerBound))
        batch.sequences.append(input.sequence)
      }
      return batch
    }
  }

  private func emitLogits(
    _ inputs: [Input], _ ranges: [Range<Int>], _ stream: FloatRows,
    _ body: (Int, UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    let output = model.weights.layers.count
    _ = try stages.use(output, rows: inputs.count)
    defer { stages.finish(output) }
    for piece in (0..<inputs.count).pieces(of: min(64, options.batchLength)) {
      let last = try context.scratch("last", piece.count, stream.width)
      for (row, index) in piece.enumerated() {
        last.row(row).update(from: stream.row(ranges[index].upperBound - 1), count: stream.width)
      }
      let rows = try context.scratch("logits", piece.count, model.vocabularySize)
      try ForwardPass.logits(last, model.weights, into: rows, context)
      for (row, index) in piece.enumerated() {
        try model.checkFinite(
          rows.rows(row..<(row + 1)),
          firstPosition: sequences[inputs[index].sequence].position + inputs[index].tokens.count - 1,
          what: "the logits", context)
      }
      try body(piece.lowerBound, UnsafeBufferPointer(start: rows.base, count: rows.count * rows.width))
    }
  }
}
