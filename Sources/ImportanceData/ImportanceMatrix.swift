internal import FileBytes
package import TensorTypes

/// Mean squared activations per tensor, expert and column, as the quantizer uses them.
///
/// From raw sums and counts, the weight of column j for expert e is `sums[e][j] / Float(counts[e])`, and 1 for
/// all columns of an expert that was never used. From a legacy file it is the stored value divided by the
/// number of calls (the value itself for 0 calls). These are llama-quantize's formulas, in f32.
///
/// Values stay in the file, which is checked once as a whole when it is opened; ``weights(of:matrix:columnCount:)``
/// reads the row that is asked for. Held in memory are names and counts.
package struct ImportanceMatrix: Sendable {
  /// What is known of one tensor.
  package struct Entry: Sendable {
    /// The name of the tensor.
    package let name: String
    /// The number of weights, expert after expert.
    package let valueCount: Int
    /// Activation rows per expert; `nil` when the file does not say.
    package let counts: [Int64]?
    /// What values are divided by, matrix after matrix; 0 for matrices without data.
    let divisors: [Int64]
    /// Where the values are.
    let values: StoredValues
  }

  /// The file's format.
  package let format: ImportanceFile.Format
  /// The entries that are in use, sorted by name.
  package private(set) var entries: [Entry]
  /// The calibration files, as bytes.
  package let datasetNames: [[UInt8]]
  /// The number of chunks of text; 0 when not known.
  package let chunkCount: Int
  /// Tokens per chunk; 0 when not known.
  package let chunkSize: Int
  /// The file as named by the user; empty when there is none.
  package let path: String
  private var positions: [String: Int] = [:]
  /// Texts of `--exclude-weights`; no tensor with one of them in its name gets data of another one.
  private var excludedTexts: [String] = []

  /// The calibration files as text.
  package var datasets: [String] { datasetNames.map { String(decoding: $0, as: UTF8.self) } }

  /// True unless filters left no entry; then llama-quantize behaves as if there were no file at all.
  package var isSupplied: Bool { !entries.isEmpty }

  /// Opens and checks a file of either format; all values are read once, none is kept.
  ///
  /// - Throws: ``ImportanceError``, `GGUFError` or `FileError`.
  package init(path: String) throws {
    let file = try ReadableFile(path: path)
    self.init(try ImportanceLayout(file), path: path) { .file(file, offset: $0.offset) }
  }

  /// Uses content that is in memory.
  package init(_ file: consuming ImportanceFile, path: String = "") {
    let records = file.records
    let layout = ImportanceLayout(file)
    self.init(layout, path: path) { .memory(records[$0.offset].sums) }
  }

  private init(
    _ layout: ImportanceLayout, path: String, _ values: (ImportanceLayout.Entry) -> StoredValues
  ) {
    self.path = path
    format = layout.format
    datasetNames = layout.datasetNames
    chunkCount = layout.chunkCount
    chunkSize = layout.chunkSize
    entries = layout.entries.map { entry in
      Entry(
        name: entry.name, valueCount: entry.valueCount,
        counts: layout.format == .gguf ? entry.counts : nil, divisors: entry.counts, values: values(entry))
    }
    reindex()
  }

  private mutating func reindex() {
    positions = Dictionary(uniqueKeysWithValues: entries.enumerated().map { ($0.element.name, $0.offset) })
  }

  /// The entry for a tensor.
  package func entry(_ name: String) -> Entry? { positions[name].map { entries[$0] } }

  /// The entry for a tensor, or that of a tensor which has the same input in another layout of the model.
  ///
  /// `ffn_gate_exps` and `ffn_up_exps` take the data of `ffn_gate_up_exps`, and the reverse; likewise `attn_qkv` and
  /// `attn_q`, `attn_k`, `attn_v`, and the two layouts of Qwen3-Next's linear attention.
  package func entry(serving name: String) -> Entry? {
    if let own = entry(name) { return own }
    guard !excludedTexts.contains(where: { name.contains($0) }) else { return nil }
    return SharedInputs.names(for: name).lazy.compactMap { entry($0) }.first
  }

  /// Activation rows that a matrix saw; `nil` when the file does not say.
  func count(of entry: Entry, matrix: Int, columnCount: Int) -> Int64? {
    guard let counts = entry.counts else { return nil }
    // Counts belong to equal shares of the values, which need not be the matrices of this shape.
    let share = entry.valueCount / counts.count
    let first = matrix * columnCount / share
    let last = ((matrix + 1) * columnCount - 1) / share
    return counts[first...last].max()
  }

  /// The weights for the rows of one matrix (expert) of a tensor.
  ///
  /// - Parameters:
  ///   - entry: The entry of the tensor.
  ///   - matrix: The expert, 0 for a single matrix.
  ///   - columnCount: Columns of the matrix: values at `matrix * columnCount` and after are its own.
  /// - Returns: `columnCount` weights.
  /// - Throws: ``ImportanceError`` with `sizeMismatch` when the entry has no such values, `nonFiniteValue` or
  ///   `negativeValue` when the file changed since it was opened; `FileError` when it cannot be read.
  package func weights(of entry: Entry, matrix: Int, columnCount: Int) throws -> [Float] {
    let (start, overflow) = matrix.multipliedReportingOverflow(by: columnCount)
    guard !overflow, matrix >= 0, columnCount > 0, start <= entry.valueCount - columnCount else {
      throw ImportanceError(
        .sizeMismatch,
        Fault(
          file: path, subject: entry.name, expected: "\(columnCount) weights for matrix \(matrix)",
          found: "\(entry.valueCount) weights in all"))
    }
    var values = try entry.values.read(start..<(start + columnCount))
    // Counts belong to equal shares of the values, which need not be the matrices of this shape.
    let share = entry.valueCount / entry.divisors.count
    for index in values.indices {
      let divisor = entry.divisors[(start + index) / share]
      if divisor > 0 {
        values[index] /= Float(divisor)
      } else if format == .gguf {
        values[index] = 1
      }
      guard values[index] >= 0, values[index] < .infinity else {
        throw ImportanceFile.badValue(
          values[index], name: entry.name, matrix: matrix, column: index, file: path)
      }
    }
    return values
  }

  /// All weights of a tensor, expert after expert.
  ///
  /// - Throws: As ``weights(of:matrix:columnCount:)``.
  package func weights(of entry: Entry) throws -> [Float] {
    try weights(of: entry, matrix: 0, columnCount: entry.valueCount)
  }

  /// Keeps or drops entries whose name contains one of some texts (`--include-weights`, `--exclude-weights`).
  ///
  /// - Throws: ``ImportanceError`` with `conflictingFilters` when both are given, `filterMatchesNothing` when a
  ///   text is in no name.
  package func filtered(including: [String], excluding: [String]) throws -> ImportanceMatrix {
    guard including.isEmpty || excluding.isEmpty else {
      throw ImportanceError(
        .conflictingFilters,
        Fault(expected: "\(.includeWeights) or \(.excludeWeights)", found: "both", remedy: "use one of them"))
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
    result.excludedTexts = excluding
    result.reindex()
    return result
  }

  /// The metadata that llama-quantize adds to a file made with this data, in its order.
  ///
  /// Empty when ``isSupplied`` is false. Text is cut after 127 bytes, as there.
  package var quantizeMetadata: [MetadataEntry] {
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
