internal import FileBytes
internal import Synchronization

/// One output of a run: its files and journal, what is done, and what was lost.
///
/// What goes wrong with an output stays with it: ``failure`` is set, nothing more is written, and the others go on.
final class OutputWriter: Sendable {
  let conversion: PreparedConversion
  /// One, but for outputs that are joined.
  private let journals: [Journal]
  /// The partial files; `nil` for those that other parts write.
  private let files: [WritableFile?]
  /// Each output has its own: to flush all of them at every step would be many small writes.
  private let flusher: BackgroundFlusher
  /// What an earlier run finished.
  let done: FinishedRows
  private let tally: LossTally
  /// The rows of each tensor that this run makes; `nil` for all.
  private let share: [[Range<Int>]]?
  private let isFailed = Atomic<Bool>(false)
  private let firstFailure = Mutex<(any Error)?>(nil)

  var plan: ConversionPlan { conversion.plan }

  /// What a part of a run makes of an output.
  struct Share {
    /// The rows of each tensor.
    var rows: [[Range<Int>]]
    /// The files that they are in.
    var files: Set<Int>
  }

  /// Opens the files, reserves their space and looks at what is done.
  ///
  /// - Parameters:
  ///   - conversion: The output.
  ///   - journal: Its journal.
  ///   - share: What is made of it; `nil` for all.
  ///   - runByteCount: The size of all outputs of the run.
  ///   - options: How the run is done.
  /// - Throws: `FileError`.
  convenience init(
    _ conversion: PreparedConversion, journal: Journal, share: Share? = nil, runByteCount: Int,
    _ options: ExecutionOptions
  ) throws {
    if share == nil, !options.force { try conversion.takeBackRenamed() }
    if let folder = conversion.plan.folder { try FileSystem.makeFolder(folder.partialPath) }
    let files = try conversion.plan.files.enumerated().map { index, file -> WritableFile? in
      guard share?.files.contains(index) ?? true else { return nil }
      let output = try WritableFile(path: file.partialPath, mode: .keep)
      // Parts that run at the same time have files in common.
      if share == nil {
        try output.preallocate(byteCount: file.byteCount)
      } else {
        try output.extend(to: file.byteCount)
      }
      return output
    }
    try self.init(
      conversion, [journal], files, share?.rows, runByteCount: runByteCount, options, onVerified: { _ in })
  }

  /// Opens what parts have made, and reads all of it back.
  ///
  /// - Parameters:
  ///   - conversion: The output.
  ///   - journals: Those of all parts.
  ///   - options: How the run is done.
  ///   - onVerified: Called with the bytes of every record, from any thread.
  /// - Throws: `FileError`.
  convenience init(
    _ conversion: PreparedConversion, joining journals: [Journal], _ options: ExecutionOptions,
    onVerified: @Sendable (_ byteCount: Int) -> Void
  ) throws {
    let files = try conversion.plan.files.map { file -> WritableFile? in
      let output = try WritableFile(path: file.partialPath, mode: .keep)
      try output.extend(to: file.byteCount)
      return output
    }
    // Headers alone are written.
    try self.init(conversion, journals, files, nil, runByteCount: 0, options, onVerified: onVerified)
  }

  private init(
    _ conversion: PreparedConversion, _ journals: [Journal], _ files: [WritableFile?],
    _ share: [[Range<Int>]]?, runByteCount: Int, _ options: ExecutionOptions,
    onVerified: @Sendable (_ byteCount: Int) -> Void
  ) throws {
    self.conversion = conversion
    self.journals = journals
    self.files = files
    self.share = share
    let plan = conversion.plan
    done = try FinishedRows(
      records: journals.flatMap(\.existing), plan: plan, outputs: files, threadCount: options.threadCount,
      onVerified: onVerified)
    tally = LossTally(plan: plan, records: done.records)
    flusher = BackgroundFlusher(files.compactMap(\.self), runByteCount: runByteCount)
  }

  deinit { flusher.stop() }

  /// Waits for what is being flushed, and flushes no more in the background.
  func stopFlushing() { flusher.stop() }

  /// Whether nothing more is to be written.
  var hasFailed: Bool { isFailed.load(ordering: .relaxed) }
  /// What went wrong first; `nil` when nothing did.
  var failure: (any Error)? { firstFailure.withLock { $0 } }

  /// Notes that the output cannot be made; the first reason counts.
  func fail(_ error: any Error) {
    firstFailure.withLock { if $0 == nil { $0 = error } }
    isFailed.store(true, ordering: .relaxed)
  }

  /// Writes rows and records them; safe from any thread.
  ///
  /// - Parameters:
  ///   - bytes: The rows of a tile.
  ///   - hash: The hash of these bytes.
  ///   - losses: What became of them.
  ///   - tile: The tile.
  ///   - tensor: The tensor of this output that they belong to.
  func write(_ bytes: UnsafeRawBufferPointer, hash: UInt64, losses: RowLosses, of tile: Tile, tensor: Int) {
    let planned = plan.tensors[tensor]
    do {
      guard let journal = journals.first else { preconditionFailure("rows of a run without a journal") }
      var place = 0
      for part in planned.parts {
        guard let file = files[part.file] else {
          preconditionFailure("rows of a file that another part writes")
        }
        let end = place + tile.rowCount * part.rowByteCount
        try file.write(
          UnsafeRawBufferPointer(rebasing: bytes[place..<end]),
          at: part.offset + tile.firstRow * part.rowByteCount)
        place = end
      }
      flusher.wrote(bytes.count)
      try journal.append(
        TileRecord(
          tensor: tensor, firstRow: tile.firstRow, rowCount: tile.rowCount, hash: hash, losses: losses))
    } catch {
      return fail(error)
    }
    tally.add(losses, tensor: tensor, firstRow: tile.firstRow)
  }

  /// Rows of a tensor that are still to be made by this run.
  func missingRows(of tensor: Int) -> [Range<Int>] {
    missing(share?[tensor] ?? [0..<plan.tensors[tensor].rowCount], of: tensor)
  }

  /// Those of some rows of a tensor that are not in the file.
  func missing(_ rows: [Range<Int>], of tensor: Int) -> [Range<Int>] { done.missing(rows, of: tensor) }

  /// Waits until all rows of a part are on disk.
  func synchronize() throws { for file in files { try file?.synchronize() } }

  /// Bytes of source weights that an earlier run finished.
  var resumedByteCount: Int {
    plan.tensors.indices.reduce(0) {
      $0 + plan.tensors[$1].sourceByteCount(rows: done.finishedRowCount(of: $1))
    }
  }

  /// Removes what cannot be gone on with, after a failure that is the input's fault.
  ///
  /// Nothing of a run over bad input can be of use later; anything else is continued by the next call. The journal stays
  /// locked until the run returns. What is in common with other parts is left alone.
  func removeIfRejected() {
    guard share == nil, (failure as? any FaultError)?.faultClass == .rejected else { return }
    for file in plan.files { FileSystem.remove(file.partialPath) }
    if let folder = plan.folder { FileSystem.removeFolder(folder.partialPath) }
    removeJournal()
  }

  /// Removes the journal of a complete output.
  func removeJournal() { for journal in journals { journal.remove() } }

  /// The weights that became zeros.
  ///
  /// - Parameter refuses: Whether there must not be any.
  /// - Returns: The tensors with such weights.
  /// - Throws: ``ConversionError`` with `strictViolation`.
  func lostWeights(refuses: Bool) throws -> [LostWeights] {
    let losses = tally.lostWeights()
    guard refuses, !losses.isEmpty else { return losses }
    let shown = losses.prefix(20).map { "\($0.tensor): \($0.text)" as Wording }
    let others: [Wording] = losses.count > 20 ? ["and \(losses.count - 20) more tensors"] : []
    throw ConversionError(
      .strictViolation,
      Fault(
        file: conversion.partialPath, subject: "\(.strict)",
        expected: "no weights that become zeros", found: "tensors with such weights: \(losses.count)",
        problems: shown + others,
        remedy:
          "store these tensors as bf16 or f32; or run the same command without \(.strict), which finishes the file "
          + "from what is done"))
  }

  /// Writes headers, checks and renames.
  ///
  /// The journal stays until all outputs of the run have their names: without it a run that is killed between them could
  /// not tell whose files these are.
  func finish() throws {
    for (index, output) in files.enumerated() {
      guard let output else { preconditionFailure("a part gives no names") }
      let file = plan.files[index]
      // The header comes last: a partial file without it cannot be mistaken for a model.
      try file.header.withUnsafeBytes { try output.write($0, at: 0) }
      try writePadding(of: index, to: output)
      try output.synchronize()
      guard output.currentByteCount() == file.byteCount else {
        throw ConversionError(
          .selfCheckFailed,
          Fault(
            file: file.partialPath, expected: "\(file.byteCount) bytes", found: "\(output.currentByteCount())"
          ))
      }
    }
    if let folder = plan.folder { return try finish(folder) }
    try SelfCheck(plan: plan).run()
    for file in plan.files { try FileSystem.rename(file.partialPath, to: file.path) }
  }

  /// Zeroes the gaps between tensors: a reused partial file may hold anything there.
  private func writePadding(of index: Int, to output: WritableFile) throws {
    // Files of MLX have no gaps.
    guard plan.folder == nil else { return }
    let zeros = [UInt8](repeating: 0, count: 64)
    let tensors = plan.tensors.filter { $0.file == index }
    for (position, tensor) in tensors.enumerated() {
      let end = tensor.offset + tensor.byteCount
      let next = position + 1 < tensors.count ? tensors[position + 1].offset : plan.files[index].byteCount
      guard next > end else { continue }
      try zeros.withUnsafeBytes {
        try output.write(UnsafeRawBufferPointer(rebasing: $0[0..<min(next - end, 64)]), at: end)
      }
    }
  }
}
