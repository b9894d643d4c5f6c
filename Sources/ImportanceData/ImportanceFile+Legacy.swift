internal import FileBytes

extension ImportanceFile {
  /// Reads the legacy form.
  ///
  /// All numbers are little-endian.
  ///
  ///     i32 entries
  ///     entries times: i32 length, name bytes, i32 calls, i32 values, values times f32
  ///     optionally: i32 chunks, i32 length, bytes of the calibration file's name
  static func readLegacyLayout(_ file: ReadableFile) throws -> ImportanceLayout {
    var cursor = LegacyCursor(file: file)
    let entryCount = Int(try cursor.integer("the number of entries"))
    // An entry takes at least 16 bytes: three numbers and one value.
    guard entryCount > 0, entryCount <= cursor.remaining / 16 else {
      throw ImportanceError(
        entryCount == 0 ? .empty : .badEntryCount,
        Fault(
          file: file.path, expected: "an importance matrix, GGUF or legacy",
          found: "a file of \(file.byteCount) bytes that would hold \(entryCount) entries",
          remedy: "is this an importance matrix?"))
    }
    var entries: [ImportanceLayout.Entry] = []
    for index in 0..<entryCount {
      let entry = "entry \(index + 1) of \(entryCount)"
      let name = try cursor.name(entry)
      let calls = try cursor.integer("the calls of \(name)")
      let valueCount = Int(try cursor.integer("the number of values of \(name)"))
      guard valueCount > 0, valueCount <= cursor.remaining / 4 else {
        throw ImportanceError(
          valueCount > 0 ? .truncated : .badValueCount,
          Fault(
            file: file.path, subject: name,
            expected: valueCount > 0 ? "\(valueCount) values" : "at least one value",
            found: valueCount > 0 ? "\(cursor.remaining) bytes to the end of the file" : "\(valueCount)"))
      }
      entries.append(
        ImportanceLayout.Entry(
          name: name, valueCount: valueCount, offset: cursor.offset, counts: [Int64(calls)]))
      cursor.skip(valueCount * 4)
    }
    var chunkCount = 0
    var datasets: [[UInt8]] = []
    if cursor.remaining > 0 {
      chunkCount = Int(try cursor.integer("the number of chunks"))
      if cursor.remaining > 0 {
        let length = Int(try cursor.integer("the length of the dataset's name"))
        let bytes = try cursor.bytes(length, "the dataset's name")
        if length > 0 { datasets.append(Array(bytes.prefix { $0 != 0 })) }
      }
    }
    guard cursor.remaining == 0 else {
      throw ImportanceError(
        .trailingBytes,
        Fault(
          file: file.path, expected: "the end of the file at byte \(cursor.offset)",
          found: "\(cursor.remaining) more bytes"))
    }
    return ImportanceLayout(
      format: .legacy, entries: entries, datasetNames: datasets, chunkCount: chunkCount, chunkSize: 0)
  }

  /// The bytes of a legacy file for raw sums and counts, as `llama-imatrix --output-format dat` writes it.
  ///
  /// Counts per expert are lost: means are stored, 1 for experts that were never used, and entries without any
  /// count are left out. Calls are the largest count in chunks, rounded up.
  ///
  /// - Throws: ``ImportanceError`` with `badMetadata` when ``chunkSize`` is not known or a number does not fit,
  ///   `empty` when no entry has data.
  package func encodedAsLegacy() throws -> [UInt8] {
    guard format == .gguf, chunkSize > 0, let chunks = Int32(exactly: chunkCount) else {
      throw ImportanceError(
        .badMetadata,
        Fault(
          expected: "raw sums with the number of tokens per chunk",
          found: format == .gguf ? "\(chunkCount) chunks of \(chunkSize) tokens" : "means from a legacy file")
      )
    }
    let stored = records.filter { $0.counts.contains { $0 > 0 } }
    guard !stored.isEmpty else {
      throw ImportanceError(.empty, Fault(expected: "at least one entry with data", found: "none"))
    }
    var output: [UInt8] = []
    func put(_ number: Int, _ what: String) throws {
      guard let small = Int32(exactly: number) else {
        throw ImportanceError(
          .badMetadata, Fault(subject: what, expected: "at most \(Int32.max)", found: "\(number)"))
      }
      withUnsafeBytes(of: small.littleEndian) { output.append(contentsOf: $0) }
    }
    try put(stored.count, "entries")
    for record in stored {
      try put(record.name.utf8.count, record.name)
      output += Array(record.name.utf8)
      let most = Int(record.counts.max() ?? 0)
      let calls = most / chunkSize + (most % chunkSize > 0 ? 1 : 0)
      try put(calls, record.name)
      try put(record.sums.count, record.name)
      let columns = record.sums.count / record.counts.count
      let values = record.sums.indices.map { i -> Float in
        let count = Float(record.counts[i / columns])
        return (count == 0 ? 1 : record.sums[i] / count) * Float(calls)
      }
      append(values, to: &output)
    }
    try put(Int(chunks), "chunks")
    let dataset = datasetNames.last ?? []
    try put(dataset.count, "dataset")
    return output + dataset
  }
}

/// A reader of small fields at a moving position in a file.
private struct LegacyCursor {
  let file: ReadableFile
  var offset = 0

  init(file: ReadableFile) { self.file = file }

  var remaining: Int { file.byteCount - offset }

  mutating func skip(_ count: Int) { offset += count }

  /// Reads a signed 32-bit integer.
  mutating func integer(_ what: String) throws -> Int32 {
    try bytes(4, what).withUnsafeBytes { Int32(littleEndian: $0.loadUnaligned(as: Int32.self)) }
  }

  /// Reads bytes after checking that they are there.
  mutating func bytes(_ count: Int, _ what: String) throws -> [UInt8] {
    guard count >= 0, count <= remaining else {
      throw ImportanceError(
        .truncated,
        Fault(
          file: file.path, subject: what, expected: "\(count) bytes",
          found: "\(remaining) to the end of the file",
          remedy: "the file is incomplete; fetch it again"))
    }
    defer { offset += count }
    return try file.bytes(at: offset, count: count)
  }

  /// Reads a name with its length.
  mutating func name(_ entry: String) throws -> String {
    let length = Int(try integer("the length of the name of \(entry)"))
    // Names in GGUF have at most 63 bytes; older tools knew no limit, but nothing near this one.
    guard (1...1024).contains(length) else {
      throw ImportanceError(
        .badName,
        Fault(file: file.path, subject: entry, expected: "a name of 1 to 1024 bytes", found: "\(length)"))
    }
    let raw = try bytes(length, "the name of \(entry)")
    guard !raw.contains(0), let text = String(validating: raw, as: UTF8.self) else {
      throw ImportanceError(
        .badName, Fault(file: file.path, subject: entry, expected: "a name in UTF-8", found: "other bytes"))
    }
    return text
  }
}
