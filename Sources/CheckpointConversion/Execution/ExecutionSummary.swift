package import FileBytes

/// What a run did.
public struct ExecutionSummary: Sendable {
  /// What became of an output.
  package enum State: Sendable {
    /// It was made.
    case made
    /// The part of it that was wanted was made.
    case part(RunPart)
    /// It was there already, complete and of the same plan.
    case kept
    /// It could not be made; the others do not depend on it.
    case failed(any Error)
  }

  /// One of the outputs.
  package struct Output: Sendable {
    /// The plan.
    package var plan: ConversionPlan
    /// What became of it.
    package var state: State
    /// Bytes of source weights that an earlier, interrupted run had finished.
    package var resumedByteCount = 0
    /// Weights that became zeros, resumed ones included.
    package var losses: [LostWeights] = []

    /// Whether this run made it.
    package var isMade: Bool { if case .made = state { true } else { false } }
    /// Whether this run made a part of it.
    package var isPart: Bool { if case .part = state { true } else { false } }
    /// Whether it was there before.
    package var isKept: Bool { if case .kept = state { true } else { false } }
    /// Why it could not be made; `nil` when nothing went wrong.
    package var failure: (any Error)? { if case .failed(let error) = state { error } else { nil } }
  }

  /// All outputs, in the order in which they were asked for.
  package var outputs: [Output]
  /// Bytes of source weights, in a part those of its share.
  public var sourceByteCount: Int
  /// Bytes of source weights that earlier, interrupted runs had finished for all outputs that want them.
  public var resumedByteCount: Int
  /// Bytes of buffers that the run held.
  public var bufferByteCount: Int
  /// What the outputs had in common, in the work that this run did.
  package var sharing: Sharing

  /// The files that were written, or folders of them.
  public var paths: [String] {
    outputs.filter(\.isMade).flatMap { output in
      output.plan.folder.map { [$0.path] } ?? output.plan.files.map(\.path)
    }
  }
  /// Bytes in them.
  public var fileByteCount: Int { outputs.filter(\.isMade).reduce(0) { $0 + $1.plan.fileByteCount } }
  /// Whether neither an output nor a part of one was made.
  var hasMadeNothing: Bool { !outputs.contains { $0.isMade || $0.isPart } }
  /// Weights that became zeros in any output.
  public var losses: [LostWeights] { outputs.flatMap(\.losses) }

  /// What to say of outputs that could not be made; `nil` when there are none.
  ///
  /// Where one thing alone went wrong and nothing was made, that is the error itself.
  public var failure: (any Error)? {
    let failures = outputs.compactMap { output in output.failure.map { (path: output.path, error: $0) } }
    guard let first = failures.first else { return nil }
    let texts = failures.map { ($0.error as? any FaultError)?.fault.line ?? Wording("\($0.error)") }
    if hasMadeNothing, Set(texts).count == 1 { return first.error }
    let isStrict = failures.allSatisfy { ($0.error as? any FaultError)?.faultClass == .strict }
    let made = outputs.count { $0.failure == nil }
    return ConversionError(
      isStrict ? .strictViolation : .outputsFailed,
      Fault(
        file: first.path, subject: "outputs", expected: "\(outputs.count) finished",
        found: "\(made) finished",
        problems: zip(failures, texts).map { "\($0.path): \($1)" as Wording },
        remedy: "run the same command again: it keeps what is finished and goes on with the others"))
  }
}

extension ExecutionSummary.Output {
  /// Its path, that of the first shard where it is split.
  package var path: String { plan.path }
}
