internal import FileBytes

/// What was observed at the input of one weight tensor.
public struct ImportanceRecord: Hashable, Sendable {
  /// The name of the weight tensor, such as `blk.0.ffn_down_exps.weight`.
  public var name: String
  /// Per matrix and column, the sum of squared activations.
  ///
  /// Matrix after matrix. In legacy files, means times calls.
  public var sums: [Float]
  /// The number of activation rows per matrix (expert).
  ///
  /// In legacy files one number, the calls.
  public var counts: [Int64]

  /// Creates a record; `sums.count` is a multiple of `counts.count`.
  public init(name: String, sums: [Float], counts: [Int64]) {
    self.name = name
    self.sums = sums
    self.counts = counts
  }
}

/// The content of an importance-matrix file as it is stored: raw sums and counts.
///
/// Every value is finite and not negative, every count is not negative, names are distinct; the readers and
/// ``init(format:records:datasets:chunkCount:chunkSize:file:)`` see to that.
public struct ImportanceFile: Hashable, Sendable {
  /// How the content is stored.
  public enum Format: Hashable, Sendable {
    /// A GGUF file with pairs of tensors, one count per expert.
    case gguf
    /// The older binary layout (`.dat`) with one number of calls per tensor.
    case legacy
  }

  /// How it is, or was, stored.
  public var format: Format
  /// The entries, sorted by the bytes of their names.
  public private(set) var records: [ImportanceRecord]
  /// The calibration files as named when the data was collected, as bytes, without a final zero.
  public var datasetNames: [[UInt8]]
  /// The number of chunks of text; 0 when not known.
  public var chunkCount: Int
  /// Tokens per chunk; 0 when not known.
  public var chunkSize: Int
  /// Tensors of the file that are neither sums nor counts, and therefore not used.
  public var unusedTensors: [String] = []

  /// The calibration files as text.
  public var datasets: [String] { datasetNames.map { String(decoding: $0, as: UTF8.self) } }

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
  public init(
    format: Format, records: [ImportanceRecord], datasets: [[UInt8]], chunkCount: Int, chunkSize: Int,
    file: String = ""
  ) throws {
    guard !records.isEmpty else {
      throw ImportanceError(.empty, Fault(file: file, expected: "at least one entry", found: "none"))
    }
    self.format = format
    self.records = records.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    datasetNames = datasets
    self.chunkCount = chunkCount
    self.chunkSize = chunkSize
    for (a, b) in zip(self.records, self.records.dropFirst()) where a.name == b.name {
      throw ImportanceError(
        .duplicateName, Fault(file: file, subject: a.name, expected: "one entry", found: "several"))
    }
    for record in self.records { try Self.check(record, file: file) }
  }

  /// Reads a file of either format; the first four bytes tell which.
  ///
  /// - Throws: ``ImportanceError``, `GGUFError` for what is wrong with a GGUF container, `FileError` when the
  ///   file cannot be read.
  public init(path: String) throws {
    let file = try ReadableFile(path: path)
    let magic = try file.bytes(at: 0, count: min(4, file.byteCount))
    self = magic == Array("GGUF".utf8) ? try Self.readGGUF(path: path) : try Self.readLegacy(file)
  }

  /// The records, given away so that they can be changed in place.
  consuming func takeRecords() -> [ImportanceRecord] { records }

  private static func check(_ record: ImportanceRecord, file: String) throws {
    guard !record.counts.isEmpty, !record.sums.isEmpty, record.sums.count % record.counts.count == 0 else {
      throw ImportanceError(
        .shapeMismatch,
        Fault(
          file: file, subject: record.name,
          expected: "equally many sums for each of \(record.counts.count) counts",
          found: "\(record.sums.count) sums"))
    }
    if let matrix = record.counts.firstIndex(where: { $0 < 0 }) {
      throw ImportanceError(
        .negativeCount,
        Fault(
          file: file, subject: "\(record.name), expert \(matrix)", expected: "a count of at least 0",
          found: "\(record.counts[matrix])", remedy: "the file is damaged; collect the data again"))
    }
    let columns = record.sums.count / record.counts.count
    let bad = record.sums.withUnsafeBufferPointer { sums in
      sums.firstIndex { !($0 >= 0 && $0 < .infinity) }
    }
    guard let bad else { return }
    let value = record.sums[bad]
    throw ImportanceError(
      value.isFinite ? .negativeValue : .nonFiniteValue,
      Fault(
        file: file, subject: "\(record.name), expert \(bad / columns), column \(bad % columns)",
        expected: "a finite sum of squares", found: "\(value)",
        remedy: "the file is damaged or was collected with overflowing activations; collect the data again"))
  }
}
