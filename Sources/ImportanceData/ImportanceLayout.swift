internal import FileBytes

/// Where the values of an importance file are, and everything else that it holds.
struct ImportanceLayout {
  /// One weight tensor.
  struct Entry {
    var name: String
    /// The number of f32 values.
    var valueCount: Int
    /// The position of the first value in bytes; of the record for data in memory.
    var offset: Int
    /// Activation rows per matrix; the calls in legacy files.
    var counts: [Int64]
  }

  var format: ImportanceFile.Format
  /// Sorted by the bytes of their names; at least one.
  var entries: [Entry]
  var datasetNames: [[UInt8]]
  var chunkCount: Int
  var chunkSize: Int
  var unusedTensors: [String] = []

  /// Values checked at a time: 256 KiB of memory.
  private static let valuesPerStep = 65536

  /// Reads all but the values, and checks everything, the values included, without keeping them.
  ///
  /// - Throws: ``ImportanceError``, `GGUFError`, `FileError`.
  init(_ file: ReadableFile) throws {
    let magic = try file.bytes(at: 0, count: min(4, file.byteCount))
    self =
      magic == Array("GGUF".utf8)
      ? try ImportanceFile.readGGUFLayout(path: file.path) : try ImportanceFile.readLegacyLayout(file)
    try sortAndCheck(file: file.path)
    for entry in entries { try Self.checkValues(of: entry, in: file) }
  }

  /// Describes content in memory, which was checked when it was made.
  init(_ content: borrowing ImportanceFile) {
    format = content.format
    entries = content.records.enumerated().map {
      Entry(name: $1.name, valueCount: $1.sums.count, offset: $0, counts: $1.counts)
    }
    datasetNames = content.datasetNames
    chunkCount = content.chunkCount
    chunkSize = content.chunkSize
  }

  init(
    format: ImportanceFile.Format, entries: [Entry], datasetNames: [[UInt8]], chunkCount: Int, chunkSize: Int
  ) {
    self.format = format
    self.entries = entries
    self.datasetNames = datasetNames
    self.chunkCount = chunkCount
    self.chunkSize = chunkSize
  }

  /// Sorts entries by name and checks all but the values.
  ///
  /// - Throws: ``ImportanceError`` with `empty`, `duplicateName`, `shapeMismatch` or `negativeCount`.
  mutating func sortAndCheck(file: String) throws {
    guard !entries.isEmpty else {
      throw ImportanceError(.empty, Fault(file: file, expected: "at least one entry", found: "none"))
    }
    entries.sort { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    for (a, b) in zip(entries, entries.dropFirst()) where a.name == b.name {
      throw ImportanceError(
        .duplicateName, Fault(file: file, subject: a.name, expected: "one entry", found: "several"))
    }
    for entry in entries {
      guard !entry.counts.isEmpty, entry.valueCount > 0, entry.valueCount % entry.counts.count == 0 else {
        throw ImportanceError(
          .shapeMismatch,
          Fault(
            file: file, subject: entry.name,
            expected: "equally many sums for each of \(entry.counts.count) counts",
            found: "\(entry.valueCount) sums"))
      }
      if let matrix = entry.counts.firstIndex(where: { $0 < 0 }) {
        throw ImportanceError(
          .negativeCount,
          Fault(
            file: file, subject: "\(entry.name), expert \(matrix)", expected: "a count of at least 0",
            found: "\(entry.counts[matrix])", remedy: "the file is damaged; collect the data again"))
      }
    }
  }

  private static func checkValues(of entry: Entry, in file: ReadableFile) throws {
    let columns = entry.valueCount / entry.counts.count
    for start in stride(from: 0, to: entry.valueCount, by: valuesPerStep) {
      let values = try ImportanceFile.floats(
        file, at: entry.offset + start * 4, count: min(valuesPerStep, entry.valueCount - start))
      if let bad = ImportanceFile.firstBadValue(values) {
        throw ImportanceFile.badValue(
          values[bad], name: entry.name, matrix: (start + bad) / columns, column: (start + bad) % columns,
          file: file.path)
      }
    }
  }
}

/// Values that are read when they are needed.
enum StoredValues: Sendable {
  case memory([Float])
  /// f32 values from a position in bytes on.
  case file(ReadableFile, offset: Int)

  /// The values of a range that the caller has checked.
  func read(_ range: Range<Int>) throws -> [Float] {
    switch self {
    case .memory(let values): return Array(values[range])
    case .file(let file, let offset):
      return try ImportanceFile.floats(file, at: offset + range.lowerBound * 4, count: range.count)
    }
  }
}
