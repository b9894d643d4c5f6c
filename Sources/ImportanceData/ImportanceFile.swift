internal import FileBytes

/// What was observed at the input of one weight tensor.
package struct ImportanceRecord: Hashable, Sendable {
  /// The name of the weight tensor, such as `blk.0.ffn_down_exps.weight`.
  package var name: String
  /// Per matrix and column, the sum of squared activations.
  ///
  /// Matrix after matrix. In legacy files, means times calls.
  package var sums: [Float]
  /// The number of activation rows per matrix (expert).
  ///
  /// In legacy files one number, the calls.
  package var counts: [Int64]

  /// Creates a record; `sums.count` is a multiple of `counts.count`.
  package init(name: String, sums: [Float], counts: [Int64]) {
    self.name = name
    self.sums = sums
    self.counts = counts
  }
}

/// The content of an importance-matrix file as it is stored: raw sums and counts.
///
/// Every value is finite and not negative, every count is not negative, names are distinct; the readers and
/// ``init(format:records:datasets:chunkCount:chunkSize:file:)`` see to that.
package struct ImportanceFile: Hashable, Sendable {
  /// How the content is stored.
  package enum Format: Hashable, Sendable {
    /// A GGUF file with pairs of tensors, one count per expert.
    case gguf
    /// The older binary layout (`.dat`) with one number of calls per tensor.
    case legacy
  }

  /// How it is, or was, stored.
  package var format: Format
  /// The entries, sorted by the bytes of their names.
  package private(set) var records: [ImportanceRecord]
  /// The calibration files as named when the data was collected, as bytes, without a final zero.
  package var datasetNames: [[UInt8]]
  /// The number of chunks of text; 0 when not known.
  package var chunkCount: Int
  /// Tokens per chunk; 0 when not known.
  package var chunkSize: Int
  /// Tensors of the file that are neither sums nor counts, and therefore not used.
  package var unusedTensors: [String] = []

  /// The calibration files as text.
  package var datasets: [String] { datasetNames.map { String(decoding: $0, as: UTF8.self) } }

  /// Checks and sorts records.
  ///
  /// - Parameters:
  ///   - format: What the numbers mean, see ``ImportanceRecord``.
  ///   - records: At least one.
  ///   - datasets: The calibration files.
  ///   - chunkCount: The number of chunks.
  ///   - chunkSize: Tokens per chunk.
  ///   - file: The file named in messages.
  /// - Throws: ``ImportanceError`` with `empty`, `duplicateName`, `shapeMismatch`, `nonFiniteValue`,
  ///   `negativeValue` or `negativeCount`.
  package init(
    format: Format, records: [ImportanceRecord], datasets: [[UInt8]], chunkCount: Int, chunkSize: Int,
    file: String = ""
  ) throws {
    self.format = format
    self.records = records.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    datasetNames = datasets
    self.chunkCount = chunkCount
    self.chunkSize = chunkSize
    var layout = ImportanceLayout(self)
    try layout.sortAndCheck(file: file)
    for record in self.records {
      guard let bad = Self.firstBadValue(record.sums) else { continue }
      let columns = record.sums.count / record.counts.count
      throw Self.badValue(
        record.sums[bad], name: record.name, matrix: bad / columns, column: bad % columns, file: file)
    }
  }

  /// Reads a file of either format; the first four bytes tell which.
  ///
  /// - Throws: ``ImportanceError``, `GGUFError` for what is wrong with a GGUF container, `FileError` when the
  ///   file cannot be read.
  package init(path: String) throws {
    let file = try ReadableFile(path: path)
    let layout = try ImportanceLayout(file)
    format = layout.format
    records = try layout.entries.map {
      ImportanceRecord(
        name: $0.name, sums: try Self.floats(file, at: $0.offset, count: $0.valueCount), counts: $0.counts)
    }
    datasetNames = layout.datasetNames
    chunkCount = layout.chunkCount
    chunkSize = layout.chunkSize
    unusedTensors = layout.unusedTensors
  }

  /// The first value that cannot be a sum of squares.
  static func firstBadValue(_ values: [Float]) -> Int? {
    values.withUnsafeBufferPointer { values in values.firstIndex { !($0 >= 0 && $0 < .infinity) } }
  }

  /// The error for such a value.
  static func badValue(_ value: Float, name: String, matrix: Int, column: Int, file: String)
    -> ImportanceError
  {
    ImportanceError(
      value.isFinite ? .negativeValue : .nonFiniteValue,
      Fault(
        file: file, subject: "\(name), expert \(matrix), column \(column)",
        expected: "a finite sum of squares", found: "\(value)",
        remedy: "the file is damaged or was collected with overflowing activations; collect the data again"))
  }
}
