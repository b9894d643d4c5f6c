public import FileBytes
public import TensorTypes

/// A GGUF file open for reading: its checked header, and its bytes on request.
///
/// Opening reads the header alone. Values are immutable; any thread may use them.
public struct GGUFFile: Sendable {
  /// The open file, for reading tensor data.
  public let file: ReadableFile
  /// The checked header.
  public let header: GGUFHeader
  /// XXH64 (seed 0) of the file up to the data section.
  package let headerHash: UInt64

  /// The metadata in file order.
  public var metadata: [MetadataEntry] { header.metadata }
  /// The tensors in file order.
  public var tensors: [GGUFTensorInfo] { header.tensors }
  /// Where the data section starts in the file.
  public var dataStart: Int { header.dataStart }
  /// The alignment of tensor data.
  public var alignment: Int { header.alignment }
  /// The format version.
  public var version: UInt32 { header.version }

  /// Opens and checks a file.
  ///
  /// - Parameters:
  ///   - path: A GGUF file, whole or one shard.
  ///   - requireData: False for files that may end right after the header.
  ///   - allowsForeignTypes: Whether tensors may have types whose layout is not known here; their sizes are then
  ///     told from where the next ones start, padding included.
  /// - Throws: ``GGUFError`` for what is wrong with the file, `FileError` when it cannot be read.
  public init(path: String, requireData: Bool = true, allowsForeignTypes: Bool = false) throws {
    try SourceRecognition.requireGGUF(at: path)
    let file = try ReadableFile(path: path)
    self.file = file
    (header, headerHash) = try Self.readHeader(
      file, requireData: requireData, allowsForeignTypes: allowsForeignTypes)
  }

  /// The value stored under `key`.
  public func value(_ key: String) -> MetadataValue? { header.value(key) }

  /// The position in the file of a tensor of this file; cannot overflow.
  public func position(of tensor: GGUFTensorInfo) -> Int { header.dataStart + tensor.offset }

  /// Reads the header in growing pieces: how long it is, only parsing tells.
  private static func readHeader(
    _ file: ReadableFile, requireData: Bool, allowsForeignTypes: Bool
  ) throws -> (GGUFHeader, UInt64) {
    var count = min(file.byteCount, 1 << 23)
    while true {
      let bytes = try file.bytes(at: 0, count: count)
      let header: GGUFHeader?
      do {
        header = try bytes.withUnsafeBytes {
          try GGUFHeader.parse(
            $0, fileByteCount: file.byteCount, file: file.path, requireData: requireData,
            allowsForeignTypes: allowsForeignTypes)
        }
      } catch let error as GGUFError where error.code == .badMagic {
        throw naming(FileContent(bytes), in: error)
      }
      if let header {
        let hash = bytes.withUnsafeBytes {
          XXHash64.hash(UnsafeRawBufferPointer(rebasing: $0.prefix(header.dataStart)))
        }
        return (header, hash)
      }
      guard count < GGUFConstants.maximumHeaderByteCount, count < file.byteCount else {
        throw GGUFError(
          .headerTooLarge,
          Fault(
            file: file.path, expected: "a header of at most \(GGUFConstants.maximumHeaderByteCount) bytes",
            found: "a longer one", remedy: "headers of this size are not supported yet"))
      }
      count = min(file.byteCount, GGUFConstants.maximumHeaderByteCount, count * 4)
    }
  }

  /// Adds what a file is that is no GGUF.
  private static func naming(_ content: FileContent?, in error: GGUFError) -> GGUFError {
    guard let content else { return error }
    var named = error
    named.fault.found += ", which is \(content.name)"
    if !content.remedy.isEmpty { named.fault.remedy = Wording(content.remedy) }
    return named
  }
}
