public import ArgumentParser
public import CheckpointConversion
internal import FileBytes
internal import Foundation

/// The flags that say how a conversion runs and what it prints.
public struct RunArguments: ParsableArguments {
  @Option(
    name: .customLong("max-memory"),
    help: ArgumentHelp("The most memory that buffers of all threads may take.", valueName: "size"))
  var maxMemory = ByteSize(byteCount: 512_000_000)

  @Option(
    name: [.customShort("t"), .customLong("threads")],
    help: ArgumentHelp("Threads; default: all cores.", valueName: "n"))
  var threads: Int?

  @Flag(name: .customLong("dry-run"), help: "Print the plan, make all checks, write nothing.")
  var dryRun = false

  @Flag(name: .customLong("json"), help: "Print the plan or the result as JSON on standard output.")
  var json = false

  @Flag(
    name: [.customShort("v"), .customLong("verbose")], help: "Print a line per tensor on standard error.")
  var verbose = false

  @Flag(name: [.customShort("q"), .customLong("quiet")], help: "Print errors alone.")
  var quiet = false

  @Flag(name: .customLong("force"), help: "Replace an existing output and forget an interrupted run.")
  var force = false

  @Flag(
    name: .customLong("strict"),
    help: "Treat notices (fallbacks, shadowed rules, thin experts) as errors.")
  var strict = false

  /// Whether nothing is to be written.
  public var isDryRun: Bool { dryRun }

  /// Creates default arguments, as the parser needs.
  public init() {}

  /// Runs a prepared conversion, or prints its plan.
  ///
  /// - Parameters:
  ///   - prepared: What is run.
  ///   - threadCount: Threads when the flag is absent; `nil` for all cores.
  /// - Throws: Any error of the run; ``ConversionError`` with `strictViolation` under `--strict`.
  public func perform(_ prepared: PreparedConversion, threadCount: Int? = nil) throws {
    let plan = prepared.plan
    let bar = ProgressBar(isEnabled: !quiet && !json)
    var options = ExecutionOptions(
      threadCount: threads ?? threadCount ?? Processor.threadCount,
      maxMemory: maxMemory.byteCount, force: force,
      onProgress: { progress in
        if progress.resumedByteCount > 0 {
          bar.announce(
            "continuing an interrupted run: \(ByteSize.text(progress.resumedByteCount)) of "
              + "\(ByteSize.text(progress.totalByteCount)) were done before")
        }
        bar.update(
          done: progress.doneByteCount, total: progress.totalByteCount, alreadyDone: progress.resumedByteCount
        )
      },
      onTensorDone: verbose && !quiet ? Self.tensorLine(plan, bar) : nil,
      isCancelled: { Interrupt.isRequested })
    options.refusesLosses = strict
    if !quiet { PlanPrinter(plan: plan).printNotices() }
    if strict { try plan.refuseNotices() }
    try prepared.executor.preflight(options)
    if dryRun {
      if json {
        try JSONSchema.plan.print(PlanReport(plan))
      } else {
        PlanPrinter(plan: plan).printPlan(everyTensor: verbose)
      }
      return
    }
    if !quiet { PlanPrinter(plan: plan).printIntent() }
    Interrupt.watch()
    let summary: ExecutionSummary
    do {
      summary = try prepared.executor.run(options)
    } catch {
      bar.clear()
      throw error
    }
    bar.clear()
    try report(summary, plan: plan, seconds: bar.elapsedSeconds)
  }

  private static func tensorLine(
    _ plan: ConversionPlan, _ bar: ProgressBar
  ) -> @Sendable (Int, PlannedTensor) -> Void {
    { index, tensor in bar.line(PlanPrinter.line(index: index, count: plan.tensors.count, tensor: tensor)) }
  }

  private struct Result: Encodable {
    /// The files written.
    var files: [String]
    /// Bytes of all files.
    var fileBytes: Int
    /// Bytes of all tensors as stored.
    var tensorBytes: Int
    /// Bytes of all tensors before quantization.
    var sourceBytes: Int
    /// The part of the source that an interrupted run had done before.
    var resumedBytes: Int
    /// Seconds that the run took.
    var seconds: Double
    /// Weights converted per second.
    var weightsPerSecond: Double
    /// Bytes of the buffers, which `--max-memory` bounds.
    var bufferBytes: Int
    /// The most memory that the process held.
    var peakResidentBytes: Int
    /// The importance data in use, with all blind and thin experts.
    var importance: PlannedImportance?
    /// What the user should know, one sentence each.
    var notices: [String]
    /// Tensors of which weights became zeros.
    var losses: [LostWeights]
  }

  private func report(_ summary: ExecutionSummary, plan: ConversionPlan, seconds: Double) throws {
    if json {
      try JSONSchema.conversion.print(
        Result(
          files: summary.paths, fileBytes: summary.fileByteCount, tensorBytes: plan.tensorByteCount,
          sourceBytes: plan.sourceByteCount, resumedBytes: summary.resumedByteCount, seconds: seconds,
          weightsPerSecond: Double(plan.weightCount) / max(seconds, 1e-9),
          bufferBytes: summary.bufferByteCount,
          peakResidentBytes: ProcessMemory.peakResidentByteCount, importance: plan.importance,
          notices: (plan.notices + summary.losses.map(\.notice)).map { "\($0.subject): \($0.text)" },
          losses: summary.losses))
      return
    }
    guard !quiet else { return }
    for loss in summary.losses.prefix(20) { Standard.error(oneLine("note: \(loss.tensor): \(loss.text)")) }
    if summary.losses.count > 20 {
      Standard.error(
        "note: and \(summary.losses.count - 20) more tensors with weights that became zeros; --json lists all"
      )
    }
    for path in summary.paths { Standard.output(path) }
    let resumed =
      summary.resumedByteCount > 0
      ? " (\(ByteSize.text(summary.resumedByteCount)) of the source were done before)" : ""
    Standard.error(
      "\(ByteSize.text(plan.sourceByteCount)) -> \(ByteSize.text(summary.fileByteCount)) in "
        + "\(decimals(seconds, 1)) s, \(decimals(Double(plan.weightCount) / max(seconds, 1e-9) / 1e6, 0)) million "
        + "weights/s, peak memory \(ByteSize.text(ProcessMemory.peakResidentByteCount))\(resumed)")
  }
}
