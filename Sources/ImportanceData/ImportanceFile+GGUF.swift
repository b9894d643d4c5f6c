internal import FileBytes
internal import GGUFFormat
internal import TensorTypes

extension ImportanceFile {
  private static let sumsSuffix = ".in_sum2"
  private static let countsSuffix = ".counts"
  private static let datasetsKey = "imatrix.datasets"
  private static let chunkCountKey = "imatrix.chunk_count"
  private static let chunkSizeKey = "imatrix.chunk_size"

  /// Reads the GGUF form: for every weight, an f32 tensor `NAME.in_sum2` of shape `[columns, matrices]` and one
  /// `NAME.counts` of shape `[1, matrices]`; three metadata keys under `imatrix.`.
  static func readGGUFLayout(path: String) throws -> ImportanceLayout {
    let container = try GGUFFile(path: path)
    let datasets = try readDatasets(container, path)
    let chunkCount = try readCount(container, chunkCountKey, path)
    let chunkSize = try readCount(container, chunkSizeKey, path)

    var sums: [String: GGUFTensorInfo] = [:]
    var counts: [String: GGUFTensorInfo] = [:]
    var unused: [String] = []
    for tensor in container.tensors {
      if tensor.name.hasSuffix(sumsSuffix) {
        sums[String(tensor.name.dropLast(sumsSuffix.count))] = tensor
      } else if tensor.name.hasSuffix(countsSuffix) {
        counts[String(tensor.name.dropLast(countsSuffix.count))] = tensor
      } else {
        unused.append(tensor.name)
      }
    }
    let lonely = Set(sums.keys).symmetricDifference(counts.keys).sorted()
    if let first = lonely.first {
      throw ImportanceError(
        .missingPair,
        Fault(
          file: path, subject: first, expected: "\(sumsSuffix) and \(countsSuffix)",
          found: "only \(sums[first] == nil ? countsSuffix : sumsSuffix)"
            + (lonely.count > 1 ? ", likewise for \(lonely.count - 1) more" : ""),
          remedy: "collect the data again"))
    }
    var entries: [ImportanceLayout.Entry] = []
    entries.reserveCapacity(sums.count)
    for (name, sumInfo) in sums.sorted(by: { $0.key < $1.key }) {
      guard let countInfo = counts[name] else { continue }
      guard !name.isEmpty else {
        throw ImportanceError(
          .badName, Fault(file: path, subject: sumInfo.name, expected: "the name of a weight", found: "none"))
      }
      let raw = try values(countInfo, container, path)
      try requireFloats(sumInfo, path)
      entries.append(
        ImportanceLayout.Entry(
          name: name, valueCount: sumInfo.byteCount / 4, offset: container.position(of: sumInfo),
          counts: try rounded(raw, name, path)))
    }
    var result = ImportanceLayout(
      format: .gguf, entries: entries, datasetNames: datasets, chunkCount: chunkCount, chunkSize: chunkSize)
    result.unusedTensors = unused
    return result
  }

  private static func requireFloats(_ tensor: GGUFTensorInfo, _ path: String) throws {
    guard tensor.type == .f32 else {
      throw ImportanceError(
        .wrongTensorType, Fault(file: path, subject: tensor.name, expected: "f32", found: tensor.type.name))
    }
  }

  private static func values(_ tensor: GGUFTensorInfo, _ container: GGUFFile, _ path: String) throws
    -> [Float]
  {
    try requireFloats(tensor, path)
    return try floats(container.file, at: container.position(of: tensor), count: tensor.byteCount / 4)
  }

  /// Reads little-endian f32 values; the caller has checked that they are in the file.
  static func floats(_ file: ReadableFile, at offset: Int, count: Int) throws -> [Float] {
    #if _endian(big)
      #error("importance files are read as little-endian")
    #endif
    return try [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
      try file.read(at: offset, into: UnsafeMutableRawBufferPointer(buffer))
      initialized = count
    }
  }

  /// Counts are stored as f32 and rounded to the nearest integer, halves away from zero.
  private static func rounded(_ counts: [Float], _ name: String, _ path: String) throws -> [Int64] {
    try counts.enumerated().map { (matrix, value) in
      func bad(_ code: ImportanceError.Code) -> ImportanceError {
        ImportanceError(
          code,
          Fault(
            file: path, subject: "\(name), expert \(matrix)", expected: "a count of at least 0",
            found: "\(value)",
            remedy: "the file is damaged; collect the data again"))
      }
      guard value.isFinite, value.magnitude < 0x1p63 else { throw bad(.badCount) }
      guard value >= 0 else { throw bad(.negativeCount) }
      let floor = Int64(value)
      return value - Float(floor) >= 0.5 ? floor + 1 : floor
    }
  }

  private static func readCount(_ container: GGUFFile, _ key: String, _ path: String) throws -> Int {
    guard let value = container.value(key) else { throw missing(key, path) }
    guard case .uint32(let number) = value, number <= UInt32(Int32.max) else {
      throw ImportanceError(
        .badMetadata,
        Fault(file: path, subject: key, expected: "a u32 of at most \(Int32.max)", found: value.typedSummary))
    }
    return Int(number)
  }

  private static func readDatasets(_ container: GGUFFile, _ path: String) throws -> [[UInt8]] {
    guard let value = container.value(datasetsKey) else { throw missing(datasetsKey, path) }
    let names: [[UInt8]]
    switch value {
    case .array(.string(let strings)): names = strings.map { Array($0.utf8) }
    case .array(.rawString(let strings)): names = strings
    default:
      throw ImportanceError(
        .badMetadata,
        Fault(file: path, subject: datasetsKey, expected: "an array of strings", found: "another type"))
    }
    return names.map { Array($0.prefix { $0 != 0 }) }
  }

  private static func missing(_ key: String, _ path: String) -> ImportanceError {
    ImportanceError(
      .missingMetadata,
      Fault(
        file: path, subject: key, expected: "a key that importance files have", found: "no such key",
        remedy: "is this an importance matrix? Model files do not serve as one"))
  }

  /// The bytes of a GGUF importance file with this content, as llama-imatrix writes it.
  ///
  /// - Throws: ``ImportanceError`` with `badMetadata` for counts beyond 32 bits, `GGUFError` for names that are
  ///   too long with their suffix.
  package func encodedAsGGUF() throws -> [UInt8] {
    guard let chunks = UInt32(exactly: chunkCount), let size = UInt32(exactly: chunkSize) else {
      throw ImportanceError(
        .badMetadata,
        Fault(expected: "counts of 0 to \(UInt32.max)", found: "\(chunkCount) chunks of \(chunkSize) tokens"))
    }
    let names = datasetNames.map { String(validating: $0, as: UTF8.self) }
    let known = names.compactMap(\.self)
    let datasets: MetadataArray = known.count == names.count ? .string(known) : .rawString(datasetNames)
    let metadata = [
      MetadataEntry("general.type", .string("imatrix")),
      MetadataEntry(Self.datasetsKey, .array(datasets)),
      MetadataEntry(Self.chunkCountKey, .uint32(chunks)),
      MetadataEntry(Self.chunkSizeKey, .uint32(size)),
    ]
    var tensors: [GGUFTensorDescription] = []
    for record in records {
      let matrices = record.counts.count
      tensors.append(
        GGUFTensorDescription(
          name: record.name + Self.sumsSuffix, type: .f32,
          ggmlShape: [record.sums.count / matrices, matrices]))
      tensors.append(
        GGUFTensorDescription(name: record.name + Self.countsSuffix, type: .f32, ggmlShape: [1, matrices]))
    }
    let header = try GGUFHeaderEncoder(metadata: metadata, tensors: tensors)
    var bytes = header.bytes
    bytes.reserveCapacity(header.fileByteCount)
    for record in records {
      for values in [record.sums, record.counts.map { Float($0) }] {
        append(values, to: &bytes)
        while (bytes.count - header.dataStart) % GGUFConstants.defaultAlignment != 0 { bytes.append(0) }
      }
    }
    return bytes
  }
}

/// Appends f32 values, little-endian.
func append(_ values: [Float], to bytes: inout [UInt8]) {
  for value in values {
    withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
  }
}
