internal import FileBytes
internal import TensorAssembly

/// Executes the plans of one source together: tiles of rows over all tensors on one queue, written at planned offsets.
///
/// A tile is read and assembled once, stored once in every form that outputs want, and written to all of them. Outputs
/// appear under their names only when complete. Until then each is `NAME.partial` with a `NAME.journal` beside it; the same
/// call continues from there. The bytes of an output, and its journal, do not depend on the others.
package struct PlanExecutor: Sendable {
  let outputs: [PreparedConversion]

  /// Takes outputs of one source.
  package init(_ outputs: [PreparedConversion]) { self.outputs = outputs }

  /// What the outputs have in common.
  ///
  /// - Parameters:
  ///   - kept: Outputs that are not made, as ``preflight(_:)`` returns them.
  ///   - options: How the run is done; tiles depend on its memory.
  /// - Returns: The sums over all tiles.
  /// - Throws: ``ConversionError`` with `memoryLimitTooSmall` or `badOption`.
  package func sharing(without kept: Set<Int>, _ options: ExecutionOptions) throws -> Sharing {
    let wanted = outputs.indices.filter { !kept.contains($0) }.map { outputs[$0] }
    let work = WorkUnion(wanted)
    let cutter = TileCutter(work, sourceByteLimit: try bufferSizes(work, options).tile)
    let pieces = work.pieces { [0..<wanted[$0.output].plan.tensors[$0.tensor].rowCount] }
    return Sharing(pieces.flatMap(cutter.cut), of: work)
  }

  /// Runs the plans to the end, continuing interrupted runs of the same jobs.
  ///
  /// - Returns: What became of every output; one that could not be made does not keep the others from being finished.
  /// - Throws: ``ConversionError``, `ResumeLogError` when a journal is in use or another job's, or `FileError`, where no
  ///   output could be made or the run was interrupted; finished work is kept unless the input is at fault.
  package func run(_ options: ExecutionOptions) throws -> ExecutionSummary {
    let kept = try preflight(options)
    let indices = outputs.indices.filter { !kept.contains($0) }
    let wanted = indices.map { outputs[$0] }
    if options.part == nil, options.force { for output in wanted { try output.forgetParts() } }
    let work = WorkUnion(wanted)
    let sizes = try bufferSizes(work, options)
    let share = options.part.map { PartOfRun($0, outputs, indices) }
    let journals = try share?.openJournals(options) ?? Self.journals(of: wanted, options)
    let runByteCount = wanted.reduce(0) { $0 + $1.plan.fileByteCount }
    let opened = wanted.indices.map { index in
      Result {
        try OutputWriter(
          wanted[index], journal: journals[index], share: share?.share(of: index), runByteCount: runByteCount,
          options)
      }
    }
    let writers = opened.map { try? $0.get() }
    let pieces = work.pieces { writers[$0.output]?.missingRows(of: $0.tensor) ?? [] }
    let tiles = pieces.flatMap(TileCutter(work, sourceByteLimit: sizes.tile).cut)
    let sourceByteCount = share?.sourceByteCount(work) ?? work.sourceByteCount
    let tracker = ProgressTracker(
      work, plans: wanted.map(\.plan), pieces: pieces, totalByteCount: sourceByteCount, options: options)
    try Self.make(tiles, of: work, sizes, writers, tracker, options)
    let live = writers.compactMap(\.self)
    for writer in live { writer.removeIfRejected() }
    if options.isCancelled(), let first = zip(wanted, writers).first(where: { $1?.hasFailed == false }) {
      throw ConversionError(
        .interrupted,
        Fault(
          file: first.0.partialPath, expected: "to finish", found: "an interruption",
          remedy: "run the same command again to continue where it stopped"))
    }
    var states = zip(wanted, opened).map { output, opened in Self.finish(output, opened, options) }
    if share == nil { for writer in live where !writer.hasFailed { writer.removeJournal() } }
    let summary = ExecutionSummary(
      outputs: outputs.indices.map {
        kept.contains($0)
          ? ExecutionSummary.Output(plan: outputs[$0].plan, state: .kept) : states.removeFirst()
      },
      sourceByteCount: sourceByteCount, resumedByteCount: tracker.resumedByteCount,
      bufferByteCount: sizes.total, sharing: Sharing(tiles, of: work))
    if summary.hasMadeNothing, let failure = summary.failure { throw failure }
    return summary
  }

  /// Opens all journals; where one of them is refused, those that hold nothing go away again.
  private static func journals(of outputs: [PreparedConversion], _ options: ExecutionOptions) throws
    -> [Journal]
  {
    var journals: [Journal] = []
    do {
      for output in outputs {
        journals.append(
          try Journal(
            path: output.journalPath, fingerprint: output.fingerprint, words: .journal,
            opening: options.force ? .startsOver : .goesOn))
      }
    } catch {
      for journal in journals where journal.isEmpty { journal.remove() }
      throw error
    }
    return journals
  }

  /// Does the work.
  ///
  /// What goes wrong with one output is noted with it, what goes wrong with the source with all of them.
  private static func make(
    _ tiles: [Tile], of work: WorkUnion, _ sizes: BufferSizes, _ writers: [OutputWriter?],
    _ tracker: ProgressTracker, _ options: ExecutionOptions
  ) throws {
    let scales = try ScaleTable(work)
    let queue = try TileQueue(
      tiles: tiles, sourceFiles: work.sourceFiles, regionCount: sizes.regionCount)
    let live = writers.compactMap(\.self)
    defer { for writer in live { writer.stopFlushing() } }
    do {
      try queue.forEachTile(
        threadCount: options.threadCount,
        isCancelled: { options.isCancelled() || live.allSatisfy(\.hasFailed) }
      ) {
        TileWorker(work, scales: scales, sourceByteCount: sizes.source, outputByteCount: sizes.output)
      } isWanted: { demand in
        demand.targets.contains { writers[$0.output]?.hasFailed == false }
      } _: { _, tile, outcomes in
        for outcome in outcomes { write(outcome, of: tile, to: writers) }
        tracker.finished(tile)
      }
    } catch {
      for writer in live { writer.fail(error) }
    }
  }

  /// Hands one form of a tile to all who want it.
  private static func write(_ outcome: TileWorker.Outcome, of tile: Tile, to writers: [OutputWriter?]) {
    if let failure = outcome.failure {
      for target in outcome.demand.targets { writers[target.output]?.fail(failure) }
      return
    }
    let hash = XXHash64.hash(outcome.bytes)
    for target in outcome.demand.targets {
      guard let writer = writers[target.output], !writer.hasFailed else { continue }
      writer.write(outcome.bytes, hash: hash, losses: outcome.losses, of: tile, tensor: target.tensor)
    }
  }

  /// Gives an output its name, if nothing went wrong with it and all of it was made.
  private static func finish(
    _ output: PreparedConversion, _ opened: Result<OutputWriter, any Error>, _ options: ExecutionOptions
  ) -> ExecutionSummary.Output {
    do {
      let writer = try opened.get()
      if let failure = writer.failure { throw failure }
      do {
        if let part = options.part {
          // What is lost is said, and refused, when all parts are joined.
          try writer.synchronize()
          return ExecutionSummary.Output(
            plan: output.plan, state: .part(part), resumedByteCount: writer.resumedByteCount,
            losses: try writer.lostWeights(refuses: false))
        }
        let losses = try writer.lostWeights(refuses: options.refusesLosses)
        try writer.finish()
        return ExecutionSummary.Output(
          plan: output.plan, state: .made, resumedByteCount: writer.resumedByteCount, losses: losses)
      } catch {
        writer.fail(error)
        throw error
      }
    } catch {
      return ExecutionSummary.Output(plan: output.plan, state: .failed(error))
    }
  }
}
