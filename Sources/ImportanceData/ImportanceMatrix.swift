internal import FileBytes
public import TensorTypes

/// Mean squared activations per tensor, expert and column, as the quantizer uses them.
///
/// From raw sums and counts, the weight of column j for expert e is `sums[e][j] / Float(counts[e])`, and 1 for
/// all columns of an expert that was never used. From a legacy file it is the stored value divided by the
/// number of calls (the value itself for 0 calls). These are llama-quantize's formulas, in f32.
public struct ImportanceMatrix: Sendable {
  /// The weights of one tensor.
  public struct Entry: Sendable {
    /// The name of the tensor.
    public let name: String
    /// The weights, expert after expert.
    public let values: [Float]
    /// Activation rows per expert; `nil` when the file does not say.
    public let counts: [Int64]?
  }

  /// The file's format.
  public let format: ImportanceFile.Format
  /// The entries that are in use, sorted by name.
  public private(set) var entries: [Entry]
  /// The calibration files, as bytes.
  public let datasetNames: [[UInt8]]
  /// The number of chunks of text; 0 when not known.
  public let chunkCount: Int
  /// Tokens per chunk; 0 when not known.
  public let chunkSize: Int
  /// The file as named by the user; empty when there is none.
  public let path: String
  private var positions: [String: Int] = [:]

  /// The calibration files as text.
  public var datasets: [String] { datasetNames.map { String(decoding: $0, as: UTF8.self) } }

  /// True unless filters left no entry; then llama-quantize behaves as if there were no file at all.
  public var isSupplied: Bool { !entries.isEmpty }

  /// Reads and checks a file of either format.
  ///
  /// All weights are held in memory: 4 bytes per tensor, expert and column.
  ///
  /// - Throws: ``ImportanceError``, `GGUFError` or `FileError`.
  public init(path: String) throws {
    self.init(try ImportanceFile(path: path), path: path)
  }

  /// Computes weights from raw content.
  public init(_ file: consuming ImportanceFile, path: String = "") {
    self.path = path
    format = file.format
    datasetNames = file.datasetNames
    chunkCount = file.chunkCount
    chunkSize = file.chunkSize
    var records = file.takeRecords()
    var entries: [Entry] = []
    entries.reserveCapacity(records.count)
    for index in records.indices {
      // Taken out of the array so that the values are changed in place.
      var values: [Float] = []
      swap(&values, &records[index].sums)
      let counts = records[index].counts
      Self.normalize(&values, counts, format)
      entries.append(
        Entry(name: records[index].name, values: values, counts: format == .gguf ? counts : nil))
    }
    self.entries = entries
    reindex()
  }

  private mutating func reindex() {
    positions = Dictionary(uniqueKeysWithValues: entries.enumerated().map { ($0.element.name, $0.offset) })
  }

  private static func normalize(_ values: inout [Float], _ counts: [Int64], _ format: ImportanceFile.Format) {
    let columns = values.count / counts.count
    values.withUnsafeMutableBufferPointer { buffer in
      for (matrix, count) in counts.enumerated() {
        let range = matrix * columns..<(matrix + 1) * columns
        if count > 0 {
          let divisor = Float(count)
          for i in range { buffer[i] /= divisor }
        } else if format == .gguf {
          for i in range { buffer[i] = 1 }
        }
      }
    }
  }

  /// The entry for a tensor.
  public func entry(_ name: String) -> Entry? { positions[name].map { entries[$0] } }

  /// Keeps or drops entries whose name contains one of some texts (`--include-weights`, `--exclude-weights`).
  ///
  /// - Throws: ``ImportanceError`` with `conflictingFilters` when both are given, `filterMatchesNothing` when a
  ///   text is in no name.
  public func filtered(including: [String], excluding: [String]) throws -> ImportanceMatrix {
    guard including.isEmpty || excluding.isEmpty else {
      throw ImportanceError(
        .conflictingFilters,
        Fault(expected: "--include-weights or --exclude-weights", found: "both", remedy: "use one of them"))
    }
    guard !including.isEmpty || !excluding.isEmpty else { return self }
    let texts = including + excluding
    for text in texts where !entries.contains(where: { $0.name.contains(text) }) {
      throw ImportanceError(
        .filterMatchesNothing,
        Fault(
          file: path, subject: text, expected: "part of the name of an entry",
          found: "none of \(entries.count) entries, such as \(entries.first?.name ?? "none")"))
    }
    var result = self
    result.entries = entries.filter { entry in
      texts.contains { entry.name.contains($0) } != including.isEmpty
    }
    result.reindex()
    return result
  }

  /// The metadata that llama-quantize adds to a file made with this data, in its order.
  ///
  /// Empty when ``isSupplied`` is false. Text is cut after 127 bytes, as there.
  public var quantizeMetadata: [MetadataEntry] {
    guard isSupplied else { return [] }
    var result = [MetadataEntry("quantize.imatrix.file", Self.cut(Array(path.utf8)))]
    if let first = datasetNames.first {
      result.append(MetadataEntry("quantize.imatrix.dataset", Self.cut(first)))
    }
    result.append(MetadataEntry("quantize.imatrix.entries_count", .uint32(UInt32(clamping: entries.count))))
    if chunkCount > 0 {
      result.append(MetadataEntry("quantize.imatrix.chunks_count", .uint32(UInt32(clamping: chunkCount))))
    }
    return result
  }

  private static func cut(_ text: [UInt8]) -> MetadataValue {
    let bytes = Array(text.prefix(127))
    return String(validating: bytes, as: UTF8.self).map { .string($0) } ?? .rawString(bytes)
  }
}
