internal import FileBytes
public import ImportanceData
public import ReferenceRuntime

/// Sums squared activations at the inputs of weight matrices, per matrix or expert.
///
/// For a matrix and its input rows x: `sums[j] += x[j]^2`, `count += rows`; for experts, each expert has sums and a
/// count of its own over the rows it saw. Sums of one batch are f32, and so is the running total, as in llama-imatrix;
/// adding batches as a whole loses less than adding rows one by one.
public final class ImportanceCollector: TapObserver {
  private final class Entry {
    var sums: [Float]
    var counts: [Int64]

    init(columns: Int, matrices: Int) {
      sums = Array(repeating: 0, count: columns * matrices)
      counts = Array(repeating: 0, count: matrices)
    }
  }

  private var entries: [String: Entry] = [:]
  private let expertCount: Int
  private let includesOutput: Bool
  private var batch: [Float] = []
  /// The first thing that went wrong while observing; observers cannot throw.
  private var failure: EvaluationError?
  /// Datasets of merged files, then this run's.
  public private(set) var datasets: [[UInt8]] = []

  /// Creates a collector.
  ///
  /// - Parameters:
  ///   - expertCount: Routed experts of the model, 0 for dense ones.
  ///   - includesOutput: Whether `output.weight` is collected too.
  public init(expertCount: Int, includesOutput: Bool = false) {
    self.expertCount = expertCount
    self.includesOutput = includesOutput
  }

  /// Block matrices, and the output matrix if asked for; other names are results, not inputs of matrices.
  public func wants(_ name: String) -> Bool {
    (name.hasPrefix("blk.") && name.hasSuffix(".weight")) || (includesOutput && name == "output.weight")
  }

  /// Adds rows.
  public func observe(_ name: String, _ rows: TapRows) {
    guard failure == nil, rows.rowCount > 0 else { return }
    let matrices = rows.experts == nil ? 1 : max(expertCount, 1)
    let columns = rows.rowLength
    let entry = entries[name] ?? Entry(columns: columns, matrices: matrices)
    entries[name] = entry
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
      add(rows, row..<end, expert, entry, name)
      row = end
    }
  }

  private func add(_ rows: TapRows, _ range: Range<Int>, _ expert: Int, _ entry: Entry, _ name: String) {
    let columns = rows.rowLength
    if batch.count < columns { batch = Array(repeating: 0, count: columns) }
    var isFinite = true
    batch.withUnsafeMutableBufferPointer { sums in
      for j in 0..<columns { sums[j] = 0 }
      for row in range {
        let x = UnsafeBufferPointer(rebasing: rows.values[(row * columns)..<((row + 1) * columns)])
        for j in 0..<columns { sums[j] += x[j] * x[j] }
      }
      entry.sums.withUnsafeMutableBufferPointer { total in
        var check: Float = 0
        for j in 0..<columns {
          total[expert * columns + j] += sums[j]
          check += total[expert * columns + j] * 0
        }
        isFinite = check == 0
      }
    }
    entry.counts[expert] += Int64(range.count)
    if !isFinite {
      failure = EvaluationError(
        .nonFinite,
        Fault(
          subject: "\(name), expert \(expert)", expected: "finite sums of squares",
          found: "a NaN or an infinity",
          remedy: "the weights are damaged, or activations overflow"))
    }
  }

  /// Throws what went wrong while observing.
  ///
  /// - Throws: ``EvaluationError`` with `importanceMismatch` or `nonFinite`.
  public func check() throws { if let failure { throw failure } }

  /// Names this run's text.
  public func addDataset(_ name: String) { datasets.append(Array(name.utf8)) }

  /// Adds the data of an earlier run.
  ///
  /// Legacy files hold means; they are turned back into sums with this run's window length, and lose their counts per
  /// expert: all experts get the calls' number.
  ///
  /// - Throws: ``EvaluationError`` with `importanceMismatch`.
  public func merge(_ file: ImportanceFile, chunkSize: Int, path: String) throws {
    let factor = file.format == .legacy ? chunkSize : 1
    for record in file.records {
      let counts = record.counts.map { $0 * Int64(factor) }
      let isExpert = record.name.contains("_exps.")
      let matrices = counts.count == 1 && isExpert ? max(expertCount, 1) : counts.count
      let entry =
        entries[record.name]
        ?? Entry(columns: record.sums.count / max(matrices, 1), matrices: matrices)
      guard entry.sums.count == record.sums.count, entry.counts.count == matrices else {
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
        entry.counts[index] += counts.count == 1 ? counts[0] : counts[index]
      }
      entries[record.name] = entry
    }
    datasets += file.datasetNames
  }

  /// Makes sure that data merged from files belongs to a model: every entry has a matrix of that shape.
  ///
  /// - Throws: ``EvaluationError`` with `importanceMismatch`.
  public func check(against store: any TensorStore, model: String) throws {
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

  /// The data so far.
  ///
  /// - Parameter chunkSize: Tokens per window; the number of chunks is the largest count in windows, as
  ///   llama-imatrix has it.
  /// - Returns: Raw sums and counts.
  /// - Throws: `ImportanceError` when nothing was collected.
  public func file(chunkSize: Int) throws -> ImportanceFile {
    let largest = entries.values.lazy.compactMap { $0.counts.max() }.max() ?? 0
    return try ImportanceFile(
      format: .gguf,
      records: entries.map { ImportanceRecord(name: $0.key, sums: $0.value.sums, counts: $0.value.counts) },
      datasets: datasets, chunkCount: Int(largest) / max(chunkSize, 1), chunkSize: chunkSize)
  }
}
