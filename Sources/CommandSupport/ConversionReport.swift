internal import FileBytes
internal import CheckpointConversion

/// What a conversion did, as `--json` prints it.
struct ConversionReport: Encodable {
  /// One of the outputs.
  struct Output: Encodable {
    /// The stock mix or the recipe that chose its types.
    var name: String
    /// `made`, `part` (the part that was wanted is done), `kept` (it was there before, complete and of the same plan) or
    /// `failed`.
    var state: String
    /// Its files, also where it failed.
    var files: [String]
    /// Bytes of these files.
    var fileBytes: Int
    /// Average bits per weight.
    var bitsPerWeight: Double
    /// The part of the source that an interrupted run had done before.
    var resumedBytes: Int
    /// Tensors of which weights became zeros.
    var losses: [LostWeights]
    /// Why it could not be made.
    var error: Wording?
  }

  /// The part of the work that this run did, such as `2/4`; absent for all of it.
  var part: String?
  /// The files written; none in a part, whose outputs get their names when all parts are joined.
  var files: [String]
  /// Bytes of all files.
  var fileBytes: Int
  /// Bytes of all tensors as stored.
  var tensorBytes: Int
  /// Bytes of all tensors before quantization; once, also for several outputs.
  var sourceBytes: Int
  /// The part of the source that an interrupted run had done before, for all outputs.
  var resumedBytes: Int
  /// Seconds that the run took.
  var seconds: Double
  /// Weights converted per second, those of every output.
  var weightsPerSecond: Double
  /// Bytes of the buffers, which `--max-memory` bounds.
  var bufferBytes: Int
  /// The most memory that the process held.
  var peakResidentBytes: Int
  /// The importance data in use, with all blind and thin experts; of several outputs, as the first one has it.
  var importance: PlannedImportance?
  /// What the user should know, one sentence each; of several outputs, what any of them has.
  var notices: [Wording]
  /// Tensors of which weights became zeros, in any output.
  var losses: [LostWeights]
  /// Every output, in the order in which they were asked for.
  var outputs: [Output]
  /// What the outputs had in common, in the work that this run did.
  var sharing: Sharing

  init(_ summary: ExecutionSummary, seconds: Double) {
    let made = summary.outputs.filter(\.isMade)
    part =
      summary.outputs.lazy.compactMap { output -> String? in
        if case .part(let part) = output.state { "\(part)" } else { nil }
      }.first
    files = summary.paths
    fileBytes = summary.fileByteCount
    tensorBytes = made.reduce(0) { $0 + $1.plan.tensorByteCount }
    sourceBytes = summary.sourceByteCount
    resumedBytes = summary.resumedByteCount
    self.seconds = seconds
    weightsPerSecond = summary.weightsPerSecond(seconds)
    bufferBytes = summary.bufferByteCount
    peakResidentBytes = ProcessMemory.peakResidentByteCount
    importance = summary.outputs.lazy.compactMap(\.plan.importance).first
    var seen: Set<Wording> = []
    notices = summary.outputs.flatMap { $0.plan.notices + $0.losses.map(\.notice) }
      .map(\.line).filter { seen.insert($0).inserted }
    losses = summary.losses
    outputs = summary.outputs.map { output in
      Output(
        name: output.plan.mixName, state: Self.state(of: output),
        files: output.plan.files.map(\.path), fileBytes: output.plan.fileByteCount,
        bitsPerWeight: output.plan.bitsPerWeight, resumedBytes: output.resumedByteCount,
        losses: output.losses,
        error: output.failure.map { ($0 as? any FaultError)?.fault.line ?? Wording("\($0)") })
    }
    sharing = summary.sharing
  }

  private static func state(of output: ExecutionSummary.Output) -> String {
    switch output.state {
    case .made: "made"
    case .part: "part"
    case .kept: "kept"
    case .failed: "failed"
    }
  }
}

extension ExecutionSummary {
  /// Weights converted per second, those of every output that was made.
  func weightsPerSecond(_ seconds: Double) -> Double {
    Double(outputs.filter(\.isMade).reduce(0) { $0 + $1.plan.weightCount }) / max(seconds, 1e-9)
  }
}

/// Several plans, as `--dry-run --json` prints them.
struct PlansReport: Encodable {
  /// The plan of every output, in the order in which they were asked for.
  var plans: [PlanReport]
  /// Outputs that are there already, complete and of the same plan, and would be kept.
  var kept: [String]
  /// What the outputs have in common.
  var sharing: Sharing
}
