public import FileBytes
public import TensorTypes

/// How many dimensions of a shape are written.
public enum GGUFDimensionStyle: Hashable, Sendable {
  /// Trailing dimensions of 1 are dropped, at least one stays; what llama.cpp's own writer does.
  case trimmed
  /// All that the description has, at least one; what the Python converter does.
  case asGiven
}

/// The encoded header of a GGUF file that does not exist yet, with every offset in it.
///
/// This is arithmetic and byte packing alone, no I/O: the whole layout of an output is
/// known before its first tensor is. Layout as in ``GGUFHeader``, version 3, alignment 32.
public struct GGUFHeaderEncoder: Sendable {
  /// The header's bytes, padded to the alignment: the data section starts right after them.
  public let bytes: [UInt8]
  /// The tensors in the order given, with shapes as written, offsets and sizes.
  public let tensors: [GGUFTensorInfo]
  /// The size of the complete file; the last tensor is padded too.
  public let fileByteCount: Int

  /// Where the data section starts.
  public var dataStart: Int { bytes.count }

  /// Lays out a file.
  ///
  /// - Parameters:
  ///   - metadata: The entries in the order in which they are written.
  ///   - tensors: The tensors in the order of their bytes.
  ///   - dimensions: How many dimensions of each shape are written.
  ///   - file: The name used in messages.
  /// - Throws: ``GGUFError`` for a duplicate or empty key, a duplicate or long name, a shape that does not fit
  ///   its type, or a `general.alignment` other than 32.
  /// - Complexity: Linear in the size of the header.
  public init(
    metadata: [MetadataEntry], tensors: [GGUFTensorDescription], dimensions: GGUFDimensionStyle = .trimmed,
    file: String = ""
  ) throws(GGUFError) {
    var output = GGUFByteWriter()
    output.append(UInt32(0x4655_4747))
    output.append(GGUFConstants.version)
    output.append(Int64(tensors.count))
    output.append(Int64(metadata.count))
    try Self.check(metadata, file)
    for entry in metadata { output.append(entry) }

    var infos: [GGUFTensorInfo] = []
    infos.reserveCapacity(tensors.count)
    var seen: Set<String> = []
    var nextOffset = 0
    for tensor in tensors {
      guard seen.insert(tensor.name).inserted else {
        throw GGUFError(
          .duplicateTensor,
          Fault(file: file, subject: tensor.name, expected: "each output tensor once", found: "a second one"))
      }
      let info = try Self.info(tensor, offset: nextOffset, dimensions, file)
      guard let padded = GGUFConstants.padded(info.byteCount),
        case let (sum, overflow) = nextOffset.addingReportingOverflow(padded), !overflow,
        sum <= Int.max - GGUFConstants.maximumHeaderByteCount
      else {
        throw GGUFError(
          .sizeOverflow,
          Fault(
            file: file, subject: tensor.name, expected: "tensor data below 2^63 bytes",
            found: "\(nextOffset) + \(info.byteCount)"))
      }
      nextOffset = sum
      output.append(info)
      infos.append(info)
    }
    output.pad(to: GGUFConstants.defaultAlignment)
    guard output.bytes.count <= GGUFConstants.maximumHeaderByteCount else {
      throw GGUFError(
        .headerTooLarge,
        Fault(
          file: file, expected: "a header of at most \(GGUFConstants.maximumHeaderByteCount) bytes",
          found: "\(output.bytes.count)"))
    }
    bytes = output.bytes
    self.tensors = infos
    fileByteCount = output.bytes.count + nextOffset
  }

  /// Checks keys.
  private static func check(_ metadata: [MetadataEntry], _ file: String) throws(GGUFError) {
    var keys: Set<String> = []
    for entry in metadata {
      guard !entry.key.isEmpty else {
        throw GGUFError(.emptyKey, Fault(file: file, expected: "a metadata key", found: "an empty string"))
      }
      guard keys.insert(entry.key).inserted else {
        throw GGUFError(
          .duplicateKey,
          Fault(file: file, subject: entry.key, expected: "each key once", found: "a second one"))
      }
      guard entry.key != "general.alignment" || entry.value == .uint32(UInt32(GGUFConstants.defaultAlignment))
      else {
        throw GGUFError(
          .badAlignment,
          Fault(
            file: file, subject: entry.key, expected: "the u32 \(GGUFConstants.defaultAlignment)",
            found: entry.value.typedSummary, remedy: "remove the key; the output is always aligned to 32"))
      }
    }
  }

  /// Checks one tensor and gives it its place.
  private static func info(
    _ tensor: GGUFTensorDescription, offset: Int, _ dimensions: GGUFDimensionStyle, _ file: String
  ) throws(GGUFError) -> GGUFTensorInfo {
    let nameByteCount = tensor.name.utf8.count
    guard nameByteCount <= GGUFConstants.maximumNameByteCount, !tensor.name.utf8.contains(0) else {
      throw GGUFError(
        .badName,
        Fault(
          file: file, subject: tensor.name,
          expected: "a name of at most \(GGUFConstants.maximumNameByteCount) bytes without NUL",
          found: "\(nameByteCount) bytes"))
    }
    var shape = tensor.ggmlShape
    if shape.isEmpty { shape = [1] }
    if dimensions == .trimmed {
      while shape.count > 1, shape.last == 1 { shape.removeLast() }
    }
    guard shape.count <= GGUFConstants.maximumDimensionCount else {
      throw GGUFError(
        .tooManyDimensions,
        Fault(
          file: file, subject: tensor.name,
          expected: "at most \(GGUFConstants.maximumDimensionCount) dimensions", found: "shape \(shape)"))
    }
    switch TensorSize.byteCount(type: tensor.type, ggmlShape: shape) {
    case .success(let byteCount):
      return GGUFTensorInfo(
        name: tensor.name, type: tensor.type, ggmlShape: shape, offset: offset, byteCount: byteCount)
    case .failure(let problem):
      throw GGUFError(
        TensorSize.code(problem),
        Fault(
          file: file, subject: tensor.name, expected: TensorSize.expectation(problem, tensor.type),
          found: "shape \(shape)",
          remedy: problem == .partialBlock ? "choose a type with shorter blocks for this tensor" : ""))
    }
  }
}
