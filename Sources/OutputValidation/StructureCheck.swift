internal import FileBytes
internal import GGUFFormat
internal import TensorTypes

/// The container: what the reader refuses, and the bytes that it does not look at.
enum StructureCheck {
  /// Opens a model, or says what is wrong with its container.
  ///
  /// - Throws: `FileError` when a file cannot be read at all.
  static func open(_ path: String) throws -> Result<GGUFSplitSet, GGUFError> {
    do {
      return .success(try GGUFSplitSet(path: path, allowsForeignTypes: true))
    } catch let error as GGUFError {
      return .failure(error)
    }
  }

  /// A refusal of the reader as a finding.
  static func finding(_ error: GGUFError, path: String) -> Finding {
    let fault = error.fault
    let isOtherFile = !fault.file.isEmpty && fault.file != path
    return Finding(
      .error, .structure, fault.subject, place: isOtherFile ? FileSystem.name(of: fault.file) : "",
      expected: fault.expected, found: fault.found, remedy: fault.remedy)
  }

  /// Whether a file can be used where it is mapped: llama.cpp wants the first tensor that it uses there at a multiple
  /// of 32 bytes, and copies those of some types elsewhere.
  static func mapping(_ set: GGUFSplitSet) -> [Finding] {
    set.files.compactMap { file in
      let first = file.tensors.first
      let firstKept = file.tensors.first { ![.q4_0, .q4_K, .iq4_nl].contains($0.type) }
      let bad = [first, firstKept].compactMap(\.self).first { file.position(of: $0) % 32 != 0 }
      return bad.map { tensor in
        Finding(
          .error, .structure, tensor.name, place: set.isSplit ? FileSystem.name(of: file.file.path) : "",
          expected: "a position that is a multiple of 32 bytes, where mapped files are used",
          found: "\(file.position(of: tensor)), with an alignment of \(file.alignment)",
          remedy: "llama.cpp ends, unless told not to map files; pouch-quantize FILE OUTPUT COPY aligns it")
      }
    }
  }

  /// Looks at every byte outside of header, metadata and tensors.
  ///
  /// - Throws: `FileError`.
  static func padding(_ set: GGUFSplitSet) throws -> [Finding] {
    var findings: [Finding] = []
    for file in set.files {
      let inFile = set.isSplit ? ", in \(FileSystem.name(of: file.file.path))" : ""
      // The table of tensors ends less than one alignment before the data; encoding it anew tells where.
      if let first = try nonZero(file, from: headerEnd(file), to: min(file.dataStart, file.file.byteCount)) {
        findings.append(damage("the header", at: first, inFile))
      }
      var end = file.dataStart
      for tensor in file.tensors {
        let start = file.position(of: tensor)
        end = start + tensor.byteCount
        let next = min(GGUFConstants.padded(end, to: file.alignment) ?? end, file.file.byteCount)
        if let first = try nonZero(file, from: end, to: next) {
          findings.append(damage(tensor.name, at: first, inFile))
        }
      }
      guard !file.tensors.isEmpty else { continue }
      let complete = GGUFConstants.padded(end, to: file.alignment) ?? end
      let actual = file.file.byteCount
      if actual < complete {
        findings.append(
          Finding(
            .warning, .missingPadding, file.tensors.last?.name ?? "",
            expected: "a file of \(complete) bytes\(inFile)",
            found: "\(actual): the padding after the last tensor is missing",
            remedy: "llama.cpp reads it; the writer was interrupted or does not follow the format"))
      } else if actual > complete {
        findings.append(
          Finding(
            .warning, .trailingBytes, file.tensors.last?.name ?? "",
            expected: "a file of \(complete) bytes\(inFile)",
            found: "\(actual): \(actual - complete) bytes follow the last tensor",
            remedy: "readers ignore them; cut them off or fetch the file again"))
      }
    }
    return findings
  }

  private static func damage(_ subject: String, at position: Int, _ inFile: String) -> Finding {
    Finding(
      .error, .padding, subject, place: "byte \(position) of the file\(inFile)",
      expected: "zeros between here and the next multiple of the alignment", found: "another byte",
      remedy: "the file is damaged or its writer does not follow the format")
  }

  /// The position of the first byte in a range that is not zero.
  private static func nonZero(_ file: GGUFFile, from start: Int, to end: Int) throws -> Int? {
    // A large alignment makes long gaps.
    for position in stride(from: start, to: end, by: 1 << 20) {
      let bytes = try file.file.bytes(at: position, count: min(1 << 20, end - position))
      if let first = bytes.firstIndex(where: { $0 != 0 }) { return position + first }
    }
    return nil
  }

  /// The first byte after the table of tensors.
  private static func headerEnd(_ file: GGUFFile) -> Int {
    var size = 24
    for entry in file.metadata { size += 8 + entry.key.utf8.count + 4 + byteCount(entry.value) }
    for tensor in file.tensors { size += 8 + tensor.name.utf8.count + 4 + 8 * tensor.ggmlShape.count + 4 + 8 }
    return size
  }

  private static func byteCount(_ value: MetadataValue) -> Int {
    switch value {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64: 8
    case .string(let text): 8 + text.utf8.count
    case .rawString(let bytes): 8 + bytes.count
    case .array(let array): 12 + byteCount(array)
    }
  }

  private static func byteCount(_ array: MetadataArray) -> Int {
    switch array {
    case .uint8, .int8, .bool: array.count
    case .uint16, .int16: 2 * array.count
    case .uint32, .int32, .float32: 4 * array.count
    case .uint64, .int64, .float64: 8 * array.count
    case .string(let texts): texts.reduce(0) { $0 + 8 + $1.utf8.count }
    case .rawString(let texts): texts.reduce(0) { $0 + 8 + $1.count }
    }
  }
}
