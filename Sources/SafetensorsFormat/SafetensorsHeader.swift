public import FileBytes
public import TensorTypes

/// One tensor of a safetensors file and where its bytes are.
public struct SafetensorsEntry: Hashable, Sendable {
  /// Name, element type and shape.
  public var tensor: SourceTensor
  /// The first byte, counted from the start of the data section.
  public var begin: Int
  /// The byte after the last one, counted from the start of the data section.
  public var end: Int

  /// Creates an entry.
  package init(tensor: SourceTensor, begin: Int, end: Int) {
    self.tensor = tensor
    self.begin = begin
    self.end = end
  }

  /// The size of the tensor in bytes.
  public var byteCount: Int { end - begin }
}

/// The checked header of a safetensors file.
///
/// A file is a little-endian `u64` N, N bytes of JSON, then the data section. The JSON
/// is an object from tensor names to `{"dtype", "shape", "data_offsets"}` and,
/// optionally, `"__metadata__"` with string values. A header that exists as a value has
/// passed every check: the entries cover the data section without gap or overlap, and
/// sizes follow from shapes without overflow.
public struct SafetensorsHeader: Hashable, Sendable {
  /// The longest JSON text accepted, in bytes; the limit of the reference reader.
  public static let maximumByteCount = 100_000_000

  /// The tensors in the order of their bytes.
  public var entries: [SafetensorsEntry]
  /// The strings under `__metadata__`.
  public var metadata: [String: String]
  /// Where the data section starts in the file.
  public var dataStart: Int
  /// The size of the data section in bytes.
  public var dataByteCount: Int

  /// Reads the header length from the first eight bytes of a file and checks it.
  ///
  /// - Parameters:
  ///   - prefix: At least the first eight bytes of the file, or all of a shorter one.
  ///   - fileByteCount: The size of the file, or `nil` when it is not known (a compressed file).
  ///   - file: The name used in messages.
  /// - Returns: The position of the first byte after the header.
  /// - Throws: ``SafetensorsError`` with `fileTooShort`, `headerTooLarge` or `headerPastEnd`.
  public static func dataStart(
    prefix: UnsafeRawBufferPointer, fileByteCount: Int?, file: String
  ) throws(SafetensorsError) -> Int {
    var cursor = ByteCursor(prefix)
    guard let length = cursor.read(UInt64.self), (fileByteCount ?? 8) >= 8 else {
      throw SafetensorsError(
        .fileTooShort,
        Fault(
          file: file, expected: "at least 8 bytes", found: "\(fileByteCount ?? prefix.count)",
          remedy: "the file is incomplete; fetch it again"))
    }
    guard length <= UInt64(maximumByteCount) else {
      let content = FileContent([UInt8](prefix.prefix(FileContent.sampleByteCount)))
      throw SafetensorsError(
        .headerTooLarge,
        Fault(
          file: file, expected: "a header of at most \(maximumByteCount) bytes",
          found: "\(length)" + (content.map { ": the file is " + $0.name } ?? ""),
          remedy: content.flatMap { $0.remedy.isEmpty ? nil : $0.remedy }
            ?? "this is probably not a safetensors file"))
    }
    let start = 8 + Int(length)
    if let fileByteCount, start > fileByteCount {
      throw SafetensorsError(
        .headerPastEnd,
        Fault(
          file: file, expected: "a header of \(length) bytes after the first 8",
          found: "a file of \(fileByteCount) bytes, \(start - fileByteCount) too few",
          remedy: "the file is incomplete; fetch it again"))
    }
    return start
  }

  /// Parses and checks the start of a file.
  ///
  /// - Parameters:
  ///   - bytes: The file from its first byte; at least the eight length bytes and the header.
  ///   - fileByteCount: The size of the file, or `nil` when it is not known (a compressed file).
  ///   - file: The name used in messages.
  ///   - requireData: False for files that may end right after the header.
  /// - Throws: ``SafetensorsError``; `truncated` when the file is shorter than the header says.
  /// - Complexity: Linear in the header, plus a sort when tensors are not listed in the order of their bytes.
  public init(
    parsing bytes: UnsafeRawBufferPointer, fileByteCount: Int?, file: String, requireData: Bool = true
  ) throws(SafetensorsError) {
    let start = try Self.dataStart(prefix: bytes, fileByteCount: fileByteCount, file: file)
    guard bytes.count >= start else {
      throw SafetensorsError(
        .headerPastEnd,
        Fault(
          file: file, expected: "a header of \(start - 8) bytes after the first 8",
          found: "\(bytes.count) bytes in all", remedy: "the file is incomplete; fetch it again"))
    }
    var parser = SafetensorsHeaderParser(
      .strict(UnsafeRawBufferPointer(rebasing: bytes[8..<start]), file: file))
    try parser.parse()
    try parser.sortAndCheckLayout()
    entries = parser.entries
    metadata = parser.metadata
    dataStart = start
    dataByteCount = entries.last?.end ?? 0
    if requireData, let fileByteCount { try checkSize(fileByteCount, file: file) }
  }

  /// Parses and checks the start of a file; see ``init(parsing:fileByteCount:file:requireData:)``.
  ///
  /// - Throws: ``SafetensorsError``.
  public init(
    parsing bytes: [UInt8], fileByteCount: Int?, file: String, requireData: Bool = true
  ) throws(SafetensorsError) {
    let result = bytes.withUnsafeBytes { buffer in
      Result { () throws(SafetensorsError) in
        try Self(parsing: buffer, fileByteCount: fileByteCount, file: file, requireData: requireData)
      }
    }
    self = try result.get()
  }

  /// The size that a complete file with this header has.
  ///
  /// The sum cannot overflow: offsets are checked to leave room for the largest header.
  public var fileByteCount: Int { dataStart + dataByteCount }

  /// Compares the size that the header demands with the size that is there.
  private func checkSize(_ actual: Int, file: String) throws(SafetensorsError) {
    guard actual != fileByteCount else { return }
    let isShort = actual < fileByteCount
    throw SafetensorsError(
      isShort ? .truncated : .trailingBytes,
      Fault(
        file: file, expected: "\(fileByteCount) bytes (header \(dataStart), data \(dataByteCount))",
        found: "\(actual) bytes, \(isShort ? fileByteCount - actual : actual - fileByteCount) too "
          + (isShort ? "few" : "many"),
        remedy: isShort ? "the file is incomplete; fetch it again" : "the file is damaged; fetch it again"))
  }
}
