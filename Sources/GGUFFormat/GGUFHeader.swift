public import FileBytes
public import TensorTypes

/// The checked header of a GGUF file: metadata and the tensor table.
///
/// Layout, all little-endian: magic `GGUF`; version (u32); tensor count and metadata
/// count (i64 each); the metadata; the tensor infos; zero padding to the alignment; the
/// data section. A string is a u64 byte count and its bytes. A metadata entry is a key
/// string, a value type (i32) and the value; an array is element type (i32), count
/// (u64), elements. A tensor info is a name string, a dimension count (u32), the
/// dimensions (i64, fastest first), the type (i32) and the offset (u64).
///
/// A header that exists as a value has passed every check of llama.cpp's reader.
public struct GGUFHeader: Sendable {
  /// The format version, 2 or 3.
  public var version: UInt32
  /// The metadata in file order.
  public var metadata: [MetadataEntry]
  /// The tensors in file order, which is also the order of their bytes.
  public var tensors: [GGUFTensorInfo]
  /// The alignment of tensor data, a power of two.
  public var alignment: Int
  /// Where the data section starts in the file.
  public var dataStart: Int
  /// Where each key is in ``metadata``.
  private var keys: [String: Int]

  /// Parses and checks the start of a file.
  ///
  /// - Parameters:
  ///   - bytes: The file from its first byte; at least the whole header.
  ///   - fileByteCount: The size of the file.
  ///   - file: The name used in messages.
  ///   - requireData: False for files that may end right after the header.
  /// - Throws: ``GGUFError``; `truncated` when the tensor data does not fit the file.
  /// - Complexity: Linear in the header; memory is bounded by a small multiple of `bytes`.
  public init(
    parsing bytes: UnsafeRawBufferPointer, fileByteCount: Int, file: String, requireData: Bool = true
  ) throws(GGUFError) {
    guard
      let header = try Self.parse(
        bytes, fileByteCount: fileByteCount, file: file, requireData: requireData)
    else {
      throw GGUFError(
        .headerTruncated,
        Fault(file: file, expected: "the whole header", found: "its first \(bytes.count) bytes"))
    }
    self = header
  }

  /// Parses and checks the start of a file; see ``init(parsing:fileByteCount:file:requireData:)``.
  ///
  /// - Throws: ``GGUFError``.
  public init(
    parsing bytes: [UInt8], fileByteCount: Int? = nil, file: String, requireData: Bool = true
  ) throws(GGUFError) {
    let result = bytes.withUnsafeBytes { buffer in
      Result { () throws(GGUFError) in
        try Self(
          parsing: buffer, fileByteCount: fileByteCount ?? buffer.count, file: file, requireData: requireData)
      }
    }
    self = try result.get()
  }

  /// Parses a prefix of a file; `nil` when the header goes on after it.
  static func parse(
    _ bytes: UnsafeRawBufferPointer, fileByteCount: Int, file: String, requireData: Bool,
    allowsForeignTypes: Bool = false
  ) throws(GGUFError) -> GGUFHeader? {
    var parser = GGUFHeaderParser(
      bytes, fileByteCount: fileByteCount, file: file, allowsForeignTypes: allowsForeignTypes)
    do {
      try parser.parse()
    } catch {
      switch error {
      case .needsMoreBytes: return nil
      case .rejected(let reason): throw reason
      }
    }
    let header = GGUFHeader(
      version: parser.version, metadata: parser.metadata, tensors: parser.tensors,
      alignment: parser.alignment, dataStart: parser.dataStart, keys: parser.keys)
    if requireData { try header.checkSize(fileByteCount, file: file) }
    return header
  }

  private init(
    version: UInt32, metadata: [MetadataEntry], tensors: [GGUFTensorInfo], alignment: Int, dataStart: Int,
    keys: [String: Int]
  ) {
    self.version = version
    self.metadata = metadata
    self.tensors = tensors
    self.alignment = alignment
    self.dataStart = dataStart
    self.keys = keys
  }

  /// The value stored under `key`.
  public func value(_ key: String) -> MetadataValue? { keys[key].map { metadata[$0].value } }

  /// The size that the file must at least have; the padding after the last tensor may be missing.
  ///
  /// The sum cannot overflow: the parser bounds the data section.
  public var minimumFileByteCount: Int {
    guard let last = tensors.last else { return dataStart }
    return dataStart + last.offset + last.byteCount
  }

  /// Checks that all tensor data lies inside the file.
  private func checkSize(_ actual: Int, file: String) throws(GGUFError) {
    guard actual < minimumFileByteCount else { return }
    let first = tensors.first { dataStart + $0.offset + $0.byteCount > actual }
    throw GGUFError(
      .truncated,
      Fault(
        file: file, subject: first?.name ?? "", expected: "at least \(minimumFileByteCount) bytes",
        found:
          "\(actual) bytes, \(minimumFileByteCount - actual) too few; this is the first tensor that ends past them",
        remedy: "the file is incomplete; fetch it again"))
  }
}
