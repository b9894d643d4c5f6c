internal import ArgumentParser
package import CheckpointConversion
internal import FileBytes
internal import Foundation

/// The flags that say how a conversion runs and what it prints.
package struct RunArguments: ParsableArguments {
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

  @Option(
    name: .customLong("part"),
    help: ArgumentHelp(
      "Do the i-th of n parts of the work, as one of n commands on one or more machines; --join makes the outputs.",
      discussion:
        "Parts take equally long. Of a split output each makes whole shards; of one file they write their rows on a "
        + "file system that all of them see.",
      valueName: "i/n"))
  var part: String?

  @Flag(name: .customLong("join"), help: "Check that all parts are there, and give the outputs their names.")
  var join = false

  /// Checks what the parser cannot.
  ///
  /// - Throws: A usage error.
  package func validate() throws {
    if part != nil { _ = try PartArgument.read(part) }
    if part != nil, join { throw ValidationError("--part and --join exclude each other") }
    if join, dryRun { throw ValidationError("--join and --dry-run exclude each other") }
  }

  /// Whether nothing is to be written.
  package var isDryRun: Bool { dryRun }

  /// The flags that divide the work among several runs, as far as they are given.
  package var divisionGiven: [String] { (part == nil ? [] : ["--part"]) + (join ? ["--join"] : []) }

  /// Whether a part of the outputs is made, which get their names later.
  var isPart: Bool { part != nil }

  /// Whether existing outputs are replaced.
  var replacesOutputs: Bool { force }

  /// Whether only errors are printed.
  package var isQuiet: Bool { quiet }

  /// Whether progress is shown.
  package var showsProgress: Bool { !quiet && !json }

  /// Creates default arguments, as the parser needs.
  package init() {}

  /// Runs prepared conversions of one source together, or prints their plans.
  ///
  /// - Parameters:
  ///   - prepared: What is run, at least one.
  ///   - threadCount: Threads when the flag is absent; `nil` for all cores.
  /// - Throws: Any error of the run, also where some outputs alone could not be made; ``ConversionError`` with
  ///   `strictViolation` under `--strict`.
  package func perform(_ prepared: [PreparedConversion], threadCount: Int? = nil) throws {
    let plans = prepared.map(\.plan)
    let executor = PlanExecutor(prepared)
    let bar = ProgressBar(isEnabled: !quiet && !json)
    let options = try options(bar, threadCount: threadCount, outputCount: plans.count)
    if !quiet { PlanPrinter.printNotices(plans) }
    if strict { for plan in plans { try plan.refuseNotices() } }
    let kept = join ? [] : try executor.preflight(options)
    if !quiet {
      for index in kept.sorted() {
        Standard.error(oneLine("kept: \(prepared[index].path) exists already and is of the same plan"))
      }
    }
    if let part = options.part, !quiet { Standard.error(Self.line(executor.outline(of: part))) }
    if dryRun {
      return try printPlans(plans, kept: kept) { try executor.sharing(without: kept, options) }
    }
    if !quiet, !join {
      for index in plans.indices where !kept.contains(index) { PlanPrinter(plan: plans[index]).printIntent() }
    }
    Interrupt.watch()
    let summary: ExecutionSummary
    do {
      summary =
        try join
        ? executor.join(options) { CommandLineText.making($0) } : executor.run(options)
    } catch {
      bar.clear()
      throw error
    }
    bar.clear()
    if json {
      try JSONSchema.conversion.print(ConversionReport(summary, seconds: bar.elapsedSeconds))
    } else if !quiet {
      SummaryPrinter(summary: summary, seconds: bar.elapsedSeconds).print()
      if let part = options.part, summary.failure == nil {
        Standard.error(oneLine("part \(part) is done; when all are: \(CommandLineText.joining())"))
      }
    }
    if let failure = summary.failure { throw failure }
  }

  private static func line(_ outline: PartOutline) -> String {
    let start = "part \(outline.part): "
    guard outline.share > 0 else { return start + "nothing, since there are more parts than pieces of work" }
    return start + "\(decimals(100 * outline.share, 1)) % of the work, "
      + "\(ByteSize.text(outline.sourceByteCount)) of the source"
      + (outline.shards.isEmpty
        ? "" : "; shards \(outline.shards.map(FileSystem.name).joined(separator: ", "))")
  }

  private func options(_ bar: ProgressBar, threadCount: Int?, outputCount: Int) throws -> ExecutionOptions {
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
      isCancelled: { Interrupt.isRequested })
    options.refusesLosses = strict
    options.part = try PartArgument.read(part)
    options.onWait = { owner in
      bar.announce("waiting until it is sure that \(owner), which began this part, is dead")
    }
    if verbose, !quiet {
      options.onTensorDone = { plan, index in
        let line = PlanPrinter.line(index: index, count: plan.tensors.count, tensor: plan.tensors[index])
        bar.line(line + (outputCount > 1 ? ", for \(oneLine(plan.mixName))" : ""))
      }
    }
    return options
  }

  private func printPlans(_ plans: [ConversionPlan], kept: Set<Int>, sharing: () throws -> Sharing) throws {
    if plans.count == 1 {
      guard json else { return PlanPrinter(plan: plans[0]).printPlan(everyTensor: verbose) }
      return try JSONSchema.plan.print(PlanReport(plans[0]))
    }
    if json {
      return try JSONSchema.plans.print(
        PlansReport(
          plans: plans.map { PlanReport($0) }, kept: kept.sorted().map { plans[$0].path },
          sharing: try sharing()))
    }
    for plan in plans {
      PlanPrinter(plan: plan).printPlan(everyTensor: verbose)
      Standard.output("")
    }
    Standard.output(SummaryPrinter.line(try sharing()))
  }
}
