public import CheckpointConversion
internal import FileBytes

/// Everything about a file that is to be made; a value.
public struct PlannedConversion: Sendable {
  /// The plan as the engine has it, with offsets and what feeds each tensor.
  package let plan: ConversionPlan
  let conversion: Conversion

  /// Bytes of all files of the output.
  public var fileByteCount: Int { plan.fileByteCount }
  /// Average bits per weight.
  public var bitsPerWeight: Double { plan.bitsPerWeight }
  /// The same in words and numbers: each tensor's type with the reason for it, totals by type and role, notices.
  public var report: PlanReport { PlanReport(plan) }

  /// Makes the file.
  ///
  /// It gets its name when it is complete. Until then there are `path.partial` and `path.journal`, from which an interrupted or
  /// killed run is continued by the same call, with the same bytes in the end. Headers are read again, so that a
  /// model that changed since it was planned is converted as it is now.
  ///
  /// - Parameters:
  ///   - path: The file, or an existing folder for it.
  ///   - threads: Threads; `nil` for all cores. Without effect on the bytes.
  ///   - memoryLimit: The most bytes that buffers take.
  ///   - replaces: Whether a file of this name is replaced, and an interrupted run forgotten.
  ///   - onProgress: Called after each tile of rows, from any thread.
  ///   - isCancelled: Asked between tiles, from any thread; `true` stops the run, which can then be continued.
  /// - Returns: What was written, and which weights became zeros.
  /// - Throws: As ``Conversion/plan()``; `ConversionError`, with `interrupted` when cancelled; `FileError`.
  @discardableResult
  public func write(
    to path: String, threads: Int? = nil, memoryLimit: Int = 512_000_000, replaces: Bool = false,
    onProgress: (@Sendable (ExecutionProgress) -> Void)? = nil,
    isCancelled: @escaping @Sendable () -> Bool = { false }
  ) throws -> ExecutionSummary {
    let summary = try conversion.prepare(output: path).executor.run(
      ExecutionOptions(
        threadCount: threads ?? Processor.threadCount, maxMemory: memoryLimit, force: replaces,
        onProgress: onProgress, isCancelled: isCancelled))
    if let failure = summary.failure { throw failure }
    return summary
  }
}
