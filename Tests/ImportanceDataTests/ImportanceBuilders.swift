import GGUFFormat
import ImportanceData
import TensorTypes

/// Builds the bytes of importance files, right or wrong.
enum Build {
  /// One GGUF tensor with f32 values.
  struct Tensor {
    var name: String
    var shape: [Int]
    var values: [Float]
    var type: TensorType = .f32
  }

  /// The metadata of a good file.
  static let metadata = [
    MetadataEntry("general.type", .string("imatrix")),
    MetadataEntry("imatrix.datasets", .array(.string(["wiki.txt", "code.txt"]))),
    MetadataEntry("imatrix.chunk_count", .uint32(7)),
    MetadataEntry("imatrix.chunk_size", .uint32(512)),
  ]

  /// A pair of tensors for one weight.
  static func pair(_ name: String, columns: Int, sums: [Float], counts: [Float]) -> [Tensor] {
    [
      Tensor(name: name + ".in_sum2", shape: [columns, sums.count / columns], values: sums),
      Tensor(name: name + ".counts", shape: [1, counts.count], values: counts),
    ]
  }

  /// A GGUF file.
  static func gguf(_ tensors: [Tensor], metadata: [MetadataEntry] = metadata) throws -> [UInt8] {
    let header = try GGUFHeaderEncoder(
      metadata: metadata,
      tensors: tensors.map { GGUFTensorDescription(name: $0.name, type: $0.type, ggmlShape: $0.shape) })
    var bytes = header.bytes
    for (tensor, info) in zip(tensors, header.tensors) {
      var data = tensor.values.flatMap { little($0.bitPattern) }
      data += [UInt8](repeating: 0, count: max(0, info.byteCount - data.count))
      bytes += data.prefix(info.byteCount)
      while bytes.count % 32 != 0 { bytes.append(0) }
    }
    return bytes
  }

  /// The little-endian bytes of an integer.
  static func little(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }

  /// One legacy entry; the lengths can be made to lie.
  static func entry(
    _ name: String, calls: Int32, _ values: [Float], nameLength: Int32? = nil, valueCount: Int32? = nil
  ) -> [UInt8] {
    little(nameLength ?? Int32(name.utf8.count)) + Array(name.utf8) + little(calls)
      + little(valueCount ?? Int32(values.count)) + values.flatMap { little($0.bitPattern) }
  }

  /// A legacy file.
  static func legacy(_ entries: [[UInt8]], count: Int32? = nil, tail: [UInt8] = []) -> [UInt8] {
    little(count ?? Int32(entries.count)) + entries.joined() + tail
  }
}
