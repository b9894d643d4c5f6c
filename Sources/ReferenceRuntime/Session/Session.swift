package import BlockQuantization
internal import CRuntimeKernels
internal import FileBytes
internal import Foundation
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
  public weak var observer: (any TapObserver)? {
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
  /// - Throws: ``RuntimeError`` with `outOfMemory`.
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
    let pool = WorkerPool(threadCount: max(1, threads ?? Self.coreCount))
    context = BlockContext(
      model.architecture,
      engine: ProductEngine(MatrixEngine(mode: mode, pool: pool, level: matrixLevel)), level: level,
      rotations: model.weights.rotations.map {
        RotationTable($0, factors: model.weights.rotaryFactors(of: $0, contextLength: contextLength))
      })
    states = try model.architecture.layers.map { layer in
      switch layer.mixer {
      case .attention(let attention):
        return .attention(
          try KeyValueCache(
            CacheShape(attention), contextLength: contextLength, batchLength: batchLength, type: cacheType))
      case .latent(let part):
        return .attention(
          try KeyValueCache(
            CacheShape(part), contextLength: contextLength, batchLength: batchLength, type: cacheType))
      case .deltaNet(let net): return .deltaNet(try DeltaNetState(net))
      case .shortConvolution(let part): return .shortConvolution(try ShortConvolutionState(part))
      }
    }
  }

  /// The levels of the inner loops that this machine can run, the portable one first.
  package static var levels: [Int32] { RuntimeKernels.available }

  /// The cores of this machine.
  static var coreCount: Int { ProcessInfo.processInfo.activeProcessorCount }

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
    try check(tokens)
    let selected = selection.range(count: tokens.count)
    isBroken = true
    var start = 0
    while start < tokens.count {
      let end = min(start + batchLength, tokens.count)
      context.firstPosition = position
      for index in context.rotations.indices {
        context.rotations[index].fill(first: position, count: end - start)
      }
      let stream = try ForwardPass.run(tokens[start..<end], model.weights, states: states, context)
      try checkFinite(stream, firstPosition: position, what: "the residual stream")
      let wanted = selected.clamped(to: start..<end)
      try emit(stream, wanted, batchStart: start, body)
      position += end - start
      start = end
    }
    isBroken = false
  }

  /// Computes and hands out the logits of `wanted`, at most so many rows at once that they stay small.
  private func emit(
    _ stream: FloatRows, _ wanted: Range<Int>, batchStart: Int,
    _ body: (Int, UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    let vocabulary = model.vocabularySize
    let piece = min(64, max(batchLength, 1))
    var first = wanted.lowerBound
    while first < wanted.upperBound {
      let last = min(first + piece, wanted.upperBound)
      let rows = try context.scratch("logits", last - first, vocabulary)
      try ForwardPass.logits(
        stream.rows((first - batchStart)..<(last - batchStart)), model.weights, into: rows, context)
      try checkFinite(rows, firstPosition: position + first - batchStart, what: "the logits")
      try body(first, UnsafeBufferPointer(start: rows.base, count: rows.count * rows.width))
      first = last
    }
  }

  private func check(_ tokens: [Int32]) throws {
    precondition(!isBroken, "a session that threw while computing is reset before it is used again")
    guard !tokens.isEmpty else {
      throw RuntimeError(
        .emptyInput, Fault(file: model.source, expected: "at least one token", found: "none"))
    }
    let vocabulary = model.vocabularySize
    if let index = tokens.firstIndex(where: { $0 < 0 || Int($0) >= vocabulary }) {
      throw RuntimeError(
        .tokenOutOfRange,
        Fault(
          file: model.source, subject: "token \(position + index)",
          expected: "an id from 0 to \(vocabulary - 1)",
          found: "\(tokens[index])", remedy: "use the tokenizer of this model"))
    }
    guard tokens.count <= contextLength - position else {
      throw RuntimeError(
        .contextOverflow,
        Fault(
          file: model.source, subject: "context", expected: "at most \(contextLength) tokens",
          found: "\(position + tokens.count)", remedy: "use a longer context (-c) or fewer tokens"))
    }
    if let limit = model.weights.lengthLimit, tokens.count > limit.tokenCount - position {
      throw RuntimeError(
        .contextOverflow,
        Fault(
          file: model.source, subject: "rotary embedding of type \(limit.scaling)",
          expected: "at most \(limit.tokenCount) tokens", found: "\(position + tokens.count)",
          remedy:
            "beyond them angles depend on the length of the text, which is not supported; use fewer tokens"))
    }
  }

  private func checkFinite(_ rows: FloatRows, firstPosition: Int, what: String) throws {
    let count = rows.count * rows.width
    let index = crk_first_non_finite(rows.base, count)
    guard index < count else { return }
    throw RuntimeError(
      .nonFinite,
      Fault(
        file: model.source, subject: "position \(firstPosition + index / rows.width)",
        expected: "finite values in \(what)", found: "\(rows.base[index]) at \(index % rows.width)",
        remedy: "the weights are damaged, or an activation is out of range"))
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
