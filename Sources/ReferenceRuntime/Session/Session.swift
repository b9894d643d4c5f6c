package import BlockQuantization
internal import ModelDescriptions
public import TensorCompute

/// One sequence of tokens being evaluated: caches, recurrent states, scratch memory.
///
/// A session belongs to one thread at a time. Its results depend on the model, the tokens and the mode alone: the
/// same bits for every number of threads, for one batch, for pieces and token by token, on every CPU.
public final class Session {
  /// The model.
  public let model: LoadedModel
  /// The most tokens that fit.
  public let contextLength: Int
  /// How matrix products are computed.
  public let mode: ComputeMode
  /// The most tokens that go through the layers together; bounds scratch memory, without effect on results.
  public let batchLength: Int
  /// Tokens evaluated so far: the position of the next one.
  public private(set) var position = 0
  /// Watches intermediate values; not retained.
  package weak var observer: (any TapObserver)? {
    didSet { context.observer = observer }
  }

  private let context: BlockContext
  private let states: [LayerState]
  /// True after an error that left caches half filled.
  private var isBroken = false

  /// Prepares a session.
  ///
  /// - Parameters:
  ///   - model: The model to run.
  ///   - contextLength: The most tokens, at least 1.
  ///   - mode: How matrix products are computed.
  ///   - threads: Threads, the caller's included; all cores when `nil`.
  ///   - cacheType: How keys and values are kept; f32 keeps ``ComputeMode/exact`` exact.
  ///   - batchLength: The most tokens that go through the layers together.
  /// - Throws: ``RuntimeError`` with `outOfMemory`; the errors of copying weights of a model that was opened late.
  public convenience init(
    model: LoadedModel, contextLength: Int, mode: ComputeMode = .exact, threads: Int? = nil,
    cacheType: CacheType = .f32, batchLength: Int = 512
  ) throws {
    try self.init(
      model: model, contextLength: contextLength, mode: mode, threads: threads, cacheType: cacheType,
      batchLength: batchLength, level: RuntimeKernels.current, matrixLevel: .current)
  }

  /// Prepares a session with a given level of the inner loops.
  package init(
    model: LoadedModel, contextLength: Int, mode: ComputeMode, threads: Int?, cacheType: CacheType,
    batchLength: Int,
    level: Int32, matrixLevel: KernelLevel
  ) throws {
    precondition(contextLength > 0 && batchLength > 0, "a session has room for a token")
    self.model = model
    self.contextLength = contextLength
    self.mode = mode
    self.batchLength = batchLength
    try model.makeWhole()
    context = BlockContext(
      model, contextLength: contextLength, mode: mode, threads: threads, level: level,
      matrixLevel: matrixLevel)
    states = try model.architecture.layers.map {
      try LayerState(
        .init($0.mixer), contextLength: contextLength, batchLength: batchLength, type: cacheType)
    }
  }

  /// The levels of the inner loops that this machine can run, the portable one first.
  package static var levels: [Int32] { RuntimeKernels.available }

  /// The threads that evaluate; they can be given other work between two calls, to measure it beside them.
  package var workers: WorkerPool { context.engine.engine.pool }

  /// Forgets all tokens.
  public func reset() {
    position = 0
    isBroken = false
    for state in states { state.clear() }
  }

  /// Evaluates tokens after those evaluated before.
  ///
  /// - Parameters:
  ///   - tokens: Token ids.
  ///   - selection: Which tokens' logits are returned.
  /// - Returns: One row per selected token, in order.
  /// - Throws: ``RuntimeError``: `emptyInput`, `tokenOutOfRange`, `contextOverflow` before anything is computed;
  ///   `nonFinite` when a result is NaN or infinite, after which the session must be reset.
  @discardableResult
  public func evaluate(tokens: [Int32], logits selection: LogitsSelection = .last) throws -> LogitsBuffer {
    var buffer = LogitsBuffer(vocabularySize: model.vocabularySize)
    try evaluate(tokens: tokens, logits: selection) { _, rows in buffer.append(rows) }
    return buffer
  }

  /// Evaluates tokens and hands out logits piece by piece, for vocabularies whose logits are large.
  ///
  /// - Parameters:
  ///   - tokens: Token ids.
  ///   - selection: Which tokens' logits are wanted.
  ///   - body: Receives the index in `tokens` of the first row and consecutive rows, `[rows, vocabulary]`, valid
  ///     during the call alone.
  /// - Throws: As ``evaluate(tokens:logits:)``, and what `body` throws.
  public func evaluate(
    tokens: [Int32], logits selection: LogitsSelection,
    body: (_ firstToken: Int, _ rows: UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    precondition(!isBroken, "a session that threw while computing is reset before it is used again")
    try model.check(tokens, position: position, contextLength: contextLength)
    let selected = selection.range(count: tokens.count)
    isBroken = true
    var start = 0
    while start < tokens.count {
      let end = min(start + batchLength, tokens.count)
      context.begin(firstPosition: position, count: end - start)
      let stream = try ForwardPass.run(tokens[start..<end], model.weights, states: states, context)
      try model.checkFinite(stream, firstPosition: position, what: "the residual stream", context)
      let wanted = selected.clamped(to: start..<end)
      let rows = stream.rows((wanted.lowerBound - start)..<(wanted.upperBound - start))
      try model.emitLogits(
        rows, firstPosition: position + wanted.lowerBound - start, piece: min(64, batchLength), context
      ) { try body(wanted.lowerBound + $0, $1) }
      position += end - start
      start = end
    }
    isBroken = false
  }

  /// What the session and its model occupy.
  public var memoryReport: MemoryReport {
    MemoryReport(
      mappedByteCount: model.store.mappedByteCount, materializedByteCount: model.store.materializedByteCount,
      stateByteCount: states.reduce(0) { $0 + $1.byteCount }, scratchByteCount: context.scratchByteCount)
  }
}

/// What a model and a session occupy, in bytes.
public struct MemoryReport: Hashable, Sendable {
  /// Files mapped for reading; resident only as far as they are used, and given up when memory is short.
  public var mappedByteCount: Int
  /// Weights that had to be made: transformed tensors of a checkpoint; 0 for a GGUF.
  public var materializedByteCount: Int
  /// Caches and recurrent states, as reserved for the whole context.
  public var stateByteCount: Int
  /// Scratch memory so far.
  public var scratchByteCount: Int
}
