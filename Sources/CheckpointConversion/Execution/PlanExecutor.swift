package import FileBytes
internal import TensorAssembly
internal import TensorTypes

/// How a plan is executed; nothing here has an influence on the bytes that come out.
public struct ExecutionOptions: Sendable {
  /// Threads that read, quantize and write.
  public var threadCount: Int
  /// The most bytes that buffers of all threads may take together.
  public var maxMemory: Int
  /// Replace an existing output and ignore an existing journal.
  public var force: Bool
  /// Stop before the output gets its name when weights became zeros; the work is kept for a run that accepts it.
  public var refusesLosses = false
  /// Called after every tile, from any thread.
  public var onProgress: (@Sendable (ExecutionProgress) -> Void)?
  /// Called when all rows of a tensor are written, from any thread.
  public var onTensorDone: (@Sendable (_ index: Int, _ tensor: PlannedTensor) -> Void)?
  /// Asked between tiles; `true` stops the run in a state that can be resumed.
  public var isCancelled: @Sendable () -> Bool

  /// Creates options.
  public init(
    threadCount: Int, maxMemory: Int = 512 << 20, force: Bool = false,
    onProgress: (@Sendable (ExecutionProgress) -> Void)? = nil,
    onTensorDone: (@Sendable (_ index: Int, _ tensor: PlannedTensor) -> Void)? = nil,
    isCancelled: @escaping @Sendable () -> Bool = { false }
  ) {
    self.threadCount = threadCount
    self.maxMemory = maxMemory
    self.force = force
    self.onProgress = onProgress
    self.onTensorDone = onTensorDone
    self.isCancelled = isCancelled
  }
}

/// How far a run is.
public struct ExecutionProgress: Sendable {
  /// Bytes of 16-bit (or source) weights done, resumed ones included.
  public var doneByteCount: Int
  /// Bytes of source weights in all.
  public var totalByteCount: Int
  /// Of the done bytes, those that an earlier run had finished.
  public var resumedByteCount: Int
}

/// What a run did.
public struct ExecutionSummary: Sendable {
  /// The files that were written.
  public var paths: [String]
  /// Bytes in them.
  public var fileByteCount: Int
  /// Bytes of source weights that an earlier, interrupted run had finished.
  public var resumedByteCount: Int
  /// Bytes of buffers that the run held.
  public var bufferByteCount: Int
  /// Weights that became zeros, resumed ones included.
  public var losses: [LostWeights]
}

/// Executes a plan: tiles of rows over all tensors on one queue, written at planned offsets.
///
/// Output appears under its name only when complete. Until then it is
/// `NAME.partial` with a `NAME.journal` beside it; the same call continues from there.
public struct PlanExecutor: Sendable {
  let plan: ConversionPlan
  let importance: (any ImportanceSource)?
  let fingerprint: Fingerprint

  package init(plan: ConversionPlan, importance: (any ImportanceSource)?, fingerprint: Fingerprint) {
    self.plan = plan
    self.importance = importance
    self.fingerprint = fingerprint
  }

  /// Where the journal of this plan lives.
  public var journalPath: String { (plan.files.first?.path ?? "") + ".journal" }

  /// Checks everything outside the plan that could stop the run: names, free space, memory limit.
  ///
  /// - Throws: ``ConversionError``; nothing has been written then.
  public func preflight(_ options: ExecutionOptions) throws {
    _ = try bufferSizes(options)
    var missing = 0
    for file in plan.files {
      let folder = FileSystem.folder(of: file.path)
      guard FileSystem.kind(of: folder) == .folder else {
        throw ConversionError(
          .outputNotWritable,
          Fault(
            file: file.path, expected: "an existing folder \(folder)", found: "none",
            remedy: "create it first"))
      }
      guard FileSystem.canCreate(file.path) else {
        throw ConversionError(
          .outputNotWritable,
          Fault(file: file.path, expected: "permission to write in \(folder)", found: "none"))
      }
      switch FileSystem.kind(of: file.path) {
      case .missing: break
      case .file:
        if wasRenamed(file) { continue }
        guard options.force else {
          throw ConversionError(
            .outputExists,
            Fault(
              file: file.path, expected: "no file of this name", found: "one that exists",
              remedy: "choose another output, or replace it with --force"))
        }
      case .folder, .other:
        throw ConversionError(
          .outputExists, Fault(file: file.path, expected: "a file name", found: "a folder or device"))
      }
      missing += max(0, file.byteCount - FileSystem.allocatedByteCount(of: file.partialPath))
    }
    // The journal takes 60 bytes a tile; a margin of 1 MiB and 1/1000 covers it and file-system overhead.
    let needed = missing + 1 << 20 + missing / 1000
    if let path = plan.files.first?.path, let free = FileSystem.freeByteCount(near: path), free < needed {
      throw ConversionError(
        .notEnoughDisk,
        Fault(
          file: path, expected: "\(needed) bytes free", found: "\(free), which is \(needed - free) too few",
          remedy: "free some space or choose another folder with --outfile"))
    }
  }

  /// Runs the plan to the end, continuing an interrupted run of the same job.
  ///
  /// - Throws: ``ConversionError``, `ResumeLogError` when the journal is in use or another job's, or `FileError`;
  ///   finished work is kept unless the input is at fault.
  public func run(_ options: ExecutionOptions) throws -> ExecutionSummary {
    try preflight(options)
    let sizes = try bufferSizes(options)
    let journal = try Journal(
      path: journalPath, fingerprint: fingerprint, words: .journal,
      opening: options.force ? .startsOver : .goesOn)
    if !options.force { try takeBackRenamed() }
    let outputs = try plan.files.map { try WritableFile(path: $0.partialPath, mode: .keep) }
    for (file, output) in zip(plan.files, outputs) { try output.preallocate(byteCount: file.byteCount) }

    let done = try FinishedRows(
      records: journal.existing, plan: plan, outputs: outputs, threadCount: options.threadCount)
    let cutter = TileCutter(plan: plan, sourceByteLimit: sizes.tile)
    var tiles: [Tile] = []
    for index in plan.tensors.indices {
      for rows in done.missingRows(of: index, rowCount: plan.tensors[index].rowCount) {
        tiles += cutter.cut(tensor: index, rows: rows)
      }
    }
    let tracker = ProgressTracker(plan: plan, done: done, options: options)
    let tally = LossTally(plan: plan, records: done.records)
    let scales = try ScaleTable(plan: plan)
    let queue = try TileQueue(
      tiles: tiles, sourceFiles: plan.sourceFiles, regionCount: sizes.regionCount)
    let flusher = BackgroundFlusher(outputs)
    defer { flusher.stop() }
    do {
      try queue.forEachTile(threadCount: options.threadCount, isCancelled: options.isCancelled) {
        TileWorker(
          plan: plan, importance: importance, scales: scales, sourceByteCount: sizes.source,
          outputByteCount: sizes.output, longestRow: sizes.longestRow)
      } _: { _, tile, bytes, losses in
        let tensor = plan.tensors[tile.tensor]
        try outputs[tensor.file].write(bytes, at: tensor.offset + tile.firstRow * tensor.rowByteCount)
        flusher.wrote(bytes.count)
        try journal.append(
          TileRecord(
            tensor: tile.tensor, firstRow: tile.firstRow, rowCount: tile.rowCount, hash: XXHash64.hash(bytes),
            losses: losses))
        tally.add(losses, tensor: tile.tensor, firstRow: tile.firstRow)
        tracker.finished(tile)
      }
    } catch {
      // Nothing of a run over bad input can be of use later; anything else is continued by the next call.
      if (error as? any FaultError)?.faultClass == .rejected {
        flusher.stop()
        removeUnfinished()
      }
      throw error
    }
    if options.isCancelled() {
      throw ConversionError(
        .interrupted,
        Fault(
          file: plan.files.first?.partialPath ?? "", expected: "to finish", found: "an interruption",
          remedy: "run the same command again to continue where it stopped"))
    }
    flusher.stop()
    let losses = tally.lostWeights()
    if options.refusesLosses { try refuse(losses) }
    try finish(outputs)
    return ExecutionSummary(
      paths: plan.files.map(\.path), fileByteCount: plan.fileByteCount,
      resumedByteCount: tracker.resumedByteCount, bufferByteCount: sizes.total, losses: losses)
  }

  /// - Throws: ``ConversionError`` with `strictViolation` when there are any.
  private func refuse(_ losses: [LostWeights]) throws {
    guard !losses.isEmpty else { return }
    let shown = losses.prefix(20).map { "\($0.tensor): \($0.text)" }
    let others = losses.count > 20 ? ["and \(losses.count - 20) more tensors"] : []
    throw ConversionError(
      .strictViolation,
      Fault(
        file: plan.files.first?.partialPath ?? "", subject: "--strict",
        expected: "no weights that become zeros", found: "tensors with such weights: \(losses.count)",
        problems: shown + others,
        remedy:
          "store these tensors as bf16 or f32; or run the same command without --strict, which finishes the file "
          + "from what is done"))
  }

  /// Removes the partial files and then the journal, which stays locked until the run returns.
  private func removeUnfinished() {
    for file in plan.files { FileSystem.remove(file.partialPath) }
    FileSystem.remove(journalPath)
  }

  /// Writes headers, checks and renames.
  private func finish(_ outputs: [WritableFile]) throws {
    for (file, output) in zip(plan.files, outputs) {
      // The header comes last: a partial file without it cannot be mistaken for a model.
      try file.header.withUnsafeBytes { try output.write($0, at: 0) }
      try writePadding(of: file, to: output)
      try output.synchronize()
      guard output.currentByteCount() == file.byteCount else {
        throw ConversionError(
          .selfCheckFailed,
          Fault(
            file: file.partialPath, expected: "\(file.byteCount) bytes", found: "\(output.currentByteCount())"
          ))
      }
    }
    try SelfCheck(plan: plan).run()
    for file in plan.files { try FileSystem.rename(file.partialPath, to: file.path) }
    FileSystem.remove(journalPath)
  }

  /// Zeroes the gaps between tensors: a reused partial file may hold anything there.
  private func writePadding(of file: PlannedFile, to output: WritableFile) throws {
    guard let index = plan.files.firstIndex(of: file) else { return }
    let zeros = [UInt8](repeating: 0, count: 64)
    let tensors = plan.tensors.filter { $0.file == index }
    for (position, tensor) in tensors.enumerated() {
      let end = tensor.offset + tensor.byteCount
      let next = position + 1 < tensors.count ? tensors[position + 1].offset : file.byteCount
      guard next > end else { continue }
      try zeros.withUnsafeBytes {
        try output.write(UnsafeRawBufferPointer(rebasing: $0[0..<min(next - end, 64)]), at: end)
      }
    }
  }

  /// More threads than any machine has cores; keeps products with buffer sizes far from overflow.
  private static let mostThreads = 4096

  struct BufferSizes {
    var tile: Int
    var source: Int
    var output: Int
    var longestRow: Int
    /// How many compressed files may keep source rows for tiles of their columns.
    var regionCount: Int
    var total: Int
  }

  /// Chooses the tile size that fits the memory limit.
  func bufferSizes(_ options: ExecutionOptions) throws -> BufferSizes {
    guard 1...Self.mostThreads ~= options.threadCount else {
      throw ConversionError(
        .badOption,
        Fault(
          subject: "--threads", expected: "a number from 1 to \(Self.mostThreads)",
          found: "\(options.threadCount)"))
    }
    let longestRow = plan.tensors.lazy.map(\.rowLength).max() ?? 0
    let scales = plan.keptScaleByteCount
    var tile = 2 << 20
    while true {
      let largest = TileCutter(plan: plan, sourceByteLimit: tile).largestTile()
      let perWorker = TileWorker.byteCount(
        source: largest.source, output: largest.output, longestRow: longestRow)
      var total = perWorker * options.threadCount + scales
      // As many as can be inflated at a time, if memory allows, and at least one.
      var regionCount = 0
      if largest.region > 0 {
        let fitting = (options.maxMemory - total) / largest.region
        regionCount = max(1, min(fitting, options.threadCount, plan.compressedFileCount))
        total += regionCount * largest.region
      }
      if total <= options.maxMemory {
        return BufferSizes(
          tile: tile, source: largest.source, output: largest.output, longestRow: longestRow,
          regionCount: regionCount, total: total)
      }
      guard tile > 1 else {
        throw ConversionError(
          .memoryLimitTooSmall,
          Fault(
            subject: "--max-memory", expected: "at least \(total) bytes for \(options.threadCount) threads",
            found: "\(options.maxMemory)", remedy: "raise the limit or lower --threads"))
      }
      tile /= 2
    }
  }
}
