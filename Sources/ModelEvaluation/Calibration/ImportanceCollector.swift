internal import FileBytes
package import ImportanceData
package import ReferenceRuntime

/// Sums squared activations at the inputs of weight matrices, per matrix or expert.
///
/// For a matrix and its input rows x: `sums[j] += x[j]^2`, `count += rows`; for experts, each expert has sums and a
/// count of its own over the rows it saw. All sums are f32, as in llama-imatrix. The rows of a window are summed in
/// order, apart from the total, and added to it when the window ends: how rows are cut into batches has no influence,
/// a run that goes on from a file ends with the bytes of a run in one piece, and long texts lose less than if every
/// row were added to the total.
package final class ImportanceCollector: TapObserver {
  private final class Entry {
    /// `[matrices, columns]`, without the window that is under way.
    var sums: [Float]
    /// The same for the window that is under way; empty where it has not been seen.
    var window: [Float] = []
    /// The rows of the window that is under way, per matrix.
    var windowCounts: [Int64] = []
    /// Its number among those of a group.
    var sequence = 0
    var counts: [Int64]

    init(columns: Int, matrices: Int) {
      sums = Array(repeating: 0, count: columns * matrices)
      counts = Array(repeating: 0, count: matrices)
    }
  }

  private var entries: [String: Entry] = [:]
  private let expertCount: Int
  private let includesOutput: Bool
  /// The first thing that went wrong while observing; observers cannot throw.
  private var failure: EvaluationError?
  /// Keeps what a window adds, in place of adding it.
  struct Recorder {
    /// Receives sums and counts `[matrices, columns]`, `[matrices]`, with the number of the window in its group.
    var add:
      (_ name: String, _ sequence: Int, _ columns: Int, _ sums: [Float], _ counts: [Int64]) throws -> Void
  }

  var recorder: Recorder?
  /// What went wrong while a window was recorded.
  private var recordingFailure: (any Error)?
  /// Datasets of merged files, then this run's.
  package private(set) var datasets: [[UInt8]] = []

  /// Creates a collector.
  ///
  /// - Parameters:
  ///   - expertCount: Routed experts of the model, 0 for dense ones.
  ///   - includesOutput: Whether `output.weight` is collected too.
  package init(expertCount: Int, includesOutput: Bool = false) {
    self.expertCount = expertCount
    self.includesOutput = includesOutput
  }

  /// Block matrices, and the output matrix if asked for; other names are results, not inputs of matrices.
  package func wants(_ name: String) -> Bool {
    (name.hasPrefix("blk.") && name.hasSuffix(".weight")) || (includesOutput && name == "output.weight")
  }

  /// Bytes of the sums that a model's tensors need, with the window under way in one layer.
  package func byteCount(for store: any TensorStore) -> Int {
    store.names.reduce(0) { sum, name in
      // A single row may be stored as a vector or as a matrix.
      guard wants(name), let shape = store.ggmlShape(of: name), shape.dropFirst().contains(where: { $0 > 1 })
      else { return sum }
      return sum + 4 * shape[0] * (shape.count > 2 ? shape[2] : 1)
    }
  }

  /// Adds rows.
  package func observe(_ name: String, _ rows: TapRows) {
    guard failure == nil, rows.rowCount > 0 else { return }
    let matrices = rows.experts == nil ? 1 : max(expertCount, 1)
    let columns = rows.rowLength
    let entry = entries[name] ?? Entry(columns: columns, matrices: matrices)
    entries[name] = entry
    if rows.sequence != entry.sequence {
      // The window before is over for this matrix.
      close(name, entry)
      entry.sequence = rows.sequence
    }
    Self.spreadCounts(entry, over: matrices)
    guard entry.sums.count == columns * matrices, entry.counts.count == matrices else {
      failure = EvaluationError(
        .importanceMismatch,
        Fault(
          subject: name, expected: "\(matrices) times \(columns) sums",
          found: "\(entry.sums.count) sums and \(entry.counts.count) counts from before",
          remedy: "the earlier data is of another model"))
      return
    }
    var row = 0
    while row < rows.rowCount {
      let expert = rows.experts?[row] ?? 0
      var end = row + 1
      while end < rows.rowCount, rows.experts.map({ $0[end] == expert }) ?? true { end += 1 }
      add(rows, row..<end, expert, entry)
      row = end
    }
  }

  private func add(_ rows: TapRows, _ range: Range<Int>, _ expert: Int, _ entry: Entry) {
    let columns = rows.rowLength
    if entry.window.isEmpty {
      entry.window = Array(repeating: 0, count: entry.sums.count)
      entry.windowCounts = Array(repeating: 0, count: entry.counts.count)
    }
    entry.window.withUnsafeMutableBufferPointer { window in
      let sums = UnsafeMutableBufferPointer(rebasing: window[(expert * columns)..<((expert + 1) * columns)])
      for row in range {
        let x = UnsafeBufferPointer(rebasing: rows.values[(row * columns)..<((row + 1) * columns)])
        for j in 0..<columns { sums[j] += x[j] * x[j] }
      }
    }
    entry.windowCounts[expert] += Int64(range.count)
  }

  /// Gives all experts the one count that data from a legacy file has.
  private static func spreadCounts(_ entry: Entry, over matrices: Int) {
    guard entry.counts.count == 1, matrices > 1 else { return }
    entry.counts = Array(repeating: entry.counts[0], count: matrices)
  }

  /// Adds the window that was under way to the sums.
  ///
  /// - Throws: ``EvaluationError`` with `importanceMismatch` or `nonFinite`; the data is of no use then.
  package func endWindow() throws {
    for (name, entry) in entries { close(name, entry) }
    try check()
  }

  /// Adds what a part recorded of a window: the sums of matrices that saw rows, one after the other.
  ///
  /// - Throws: ``EvaluationError`` with `importanceMismatch` for sums of other sizes than those before.
  func add(window sums: [Float], columns: Int, counts: [Int64], name: String) throws {
    let entry = entries[name] ?? Entry(columns: columns, matrices: counts.count)
    entries[name] = entry
    Self.spreadCounts(entry, over: counts.count)
    guard entry.sums.count == columns * counts.count, entry.counts.count == counts.count else {
      throw EvaluationError(
        .importanceMismatch,
        Fault(
          subject: name, expected: "\(entry.sums.count) sums and \(entry.counts.count) counts",
          found: "\(columns * counts.count) sums and \(counts.count) counts",
          remedy: "the earlier data is of another model"))
    }
    entry.window = Array(repeating: 0, count: entry.sums.count)
    entry.windowCounts = counts
    var next = 0
    for matrix in counts.indices where counts[matrix] > 0 {
      entry.window.replaceSubrange(
        (matrix * columns)..<((matrix + 1) * columns), with: sums[next..<(next + columns)])
      next += columns
    }
    close(name, entry)
  }

  /// Adds the window of one matrix to its sums.
  private func close(_ name: String, _ entry: Entry) {
    guard failure == nil, !entry.window.isEmpty else { return }
    for index in entry.windowCounts.indices { entry.counts[index] += entry.windowCounts[index] }
    var check: Float = 0
    entry.sums.withUnsafeMutableBufferPointer { sums in
      entry.window.withUnsafeBufferPointer { window in
        for index in 0..<min(sums.count, window.count) {
          sums[index] += window[index]
          // Zero times anything finite stays zero.
          check += sums[index] * 0
        }
      }
    }
    if let recorder, check == 0, recordingFailure == nil {
      do {
        try recorder.add(
          name, entry.sequence, entry.sums.count / entry.counts.count, entry.window, entry.windowCounts)
      } catch {
        recordingFailure = error
      }
      // Sums of one window are far from any limit, so those of all are looked at when they are joined.
      for index in entry.sums.indices { entry.sums[index] = 0 }
    }
    entry.window = []
    entry.windowCounts = []
    guard check != 0, let bad = entry.sums.firstIndex(where: { !$0.isFinite }) else { return }
    failure = EvaluationError(
      .nonFinite,
      Fault(
        subject: "\(name), expert \(bad / (entry.sums.count / entry.counts.count))",
        expected: "finite sums of squares", found: "\(entry.sums[bad])",
        remedy: "the weights are damaged, or activations overflow"))
  }

  /// Throws what went wrong while observing.
  ///
  /// - Throws: ``EvaluationError`` with `importanceMismatch` or `nonFinite`.
  package func check() throws {
    if let failure { throw failure }
    if let recordingFailure { throw recordingFailure }
  }

  /// Names this run's text.
  package func addDataset(_ name: String) { datasets.append(Array(name.utf8)) }

  /// Adds the data of an earlier run.
  ///
  /// Legacy files hold means; they are turned back into sums with this run's window length, and have lost their
  /// counts per expert: their one number counts for every expert.
  ///
  /// - Throws: ``EvaluationError`` with `importanceMismatch`.
  package func merge(_ file: ImportanceFile, chunkSize: Int, path: String) throws {
    let factor = file.format == .legacy ? chunkSize : 1
    for record in file.records {
      let entry =
        entries[record.name]
        ?? Entry(columns: record.sums.count / record.counts.count, matrices: record.counts.count)
      Self.spreadCounts(entry, over: record.counts.count)
      guard entry.sums.count == record.sums.count,
        record.counts.count == 1 || entry.counts.count == record.counts.count
      else {
        throw EvaluationError(
          .importanceMismatch,
          Fault(
            file: path, subject: record.name,
            expected: "\(entry.sums.count) sums and \(entry.counts.count) counts",
            found: "\(record.sums.count) sums and \(record.counts.count) counts",
            remedy: "the file is of another model"))
      }
      for index in record.sums.indices { entry.sums[index] += record.sums[index] * Float(factor) }
      for index in entry.counts.indices {
        let count = record.counts[record.counts.count == 1 ? 0 : index]
        let (product, overflow) = count.multipliedReportingOverflow(by: Int64(factor))
        let (sum, tooLarge) = entry.counts[index].addingReportingOverflow(product)
        guard !overflow, !tooLarge else {
          throw EvaluationError(
            .importanceMismatch,
            Fault(file: path, subject: record.name, expected: "counts of 63 bits", found: "\(count)"))
        }
        entry.counts[index] = sum
      }
      entries[record.name] = entry
    }
    datasets += file.datasetNames
  }

  /// Makes sure that data merged from files belongs to a model: every entry has a matrix of that shape.
  ///
  /// - Throws: ``EvaluationError`` with `importanceMismatch`.
  package func check(against store: any TensorStore, model: String) throws {
    for (name, entry) in entries.sorted(by: { $0.key < $1.key }) {
      guard let shape = store.ggmlShape(of: name) else {
        throw EvaluationError(
          .importanceMismatch,
          Fault(
            file: model, subject: name, expected: "a tensor of this name, for which there is importance data",
            found: "none", remedy: "the importance data is of another model"))
      }
      let matrices = shape.count > 2 ? shape[2] : 1
      guard shape[0] * matrices == entry.sums.count else {
        throw EvaluationError(
          .importanceMismatch,
          Fault(
            file: model, subject: name, expected: "\(shape[0] * matrices) sums for shape \(shape)",
            found: "\(entry.sums.count)", remedy: "the importance data is of another model"))
      }
    }
  }

  /// Whether there is no data at all.
  package var isEmpty: Bool { entries.isEmpty }

  /// The data of all windows that ended.
  ///
  /// - Parameter chunkSize: Tokens per window; the number of chunks is the largest count in windows, as
  ///   llama-imatrix has it.
  /// - Returns: Raw sums and counts.
  /// - Throws: `ImportanceError` when nothing was collected.
  package func file(chunkSize: Int) throws -> ImportanceFile {
    try check()
    let largest = entries.values.lazy.compactMap { $0.counts.max() }.max() ?? 0
    return try ImportanceFile(
      format: .gguf,
      records: entries.map { ImportanceRecord(name: $0.key, sums: $0.value.sums, counts: $0.value.counts) },
      datasets: datasets, chunkCount: Int(largest) / max(chunkSize, 1), chunkSize: chunkSize)
  }
}
