internal import FileBytes
internal import TensorTypes

extension SafetensorsCheckpoint {
  /// The largest tensor that ``values(of:)`` reads, in values; norms and the like are far smaller.
  public static let valueLimit = 1 << 20

  /// All values of a small tensor as f32.
  ///
  /// - Parameter name: The name of a tensor.
  /// - Returns: The values in order; `nil` when there is no tensor of this name, when its shard is compressed, when
  ///   it is stored in another type than F32, F16 or BF16, or when it has more than ``valueLimit`` values.
  /// - Throws: `FileError` when the shard cannot be read.
  public func values(of name: String) throws -> [Float]? {
    guard let tensor = tensor(name), !shards[tensor.shard].isCompressed else { return nil }
    let width: Int
    switch tensor.tensor.elementType {
    case .bf16, .f16: width = 2
    case .f32: width = 4
    default: return nil
    }
    guard tensor.byteCount <= width * Self.valueLimit else { return nil }
    let bytes = try ReadableFile(path: shards[tensor.shard].path).bytes(
      at: tensor.byteOffset, count: tensor.byteCount)
    let isHalf = tensor.tensor.elementType == .f16
    return bytes.withUnsafeBytes { raw in
      (0..<(raw.count / width)).map { index in
        if width == 4 {
          let bits = UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self))
          return Float(bitPattern: bits)
        }
        let bits = UInt16(littleEndian: raw.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self))
        return isHalf ? HalfFloat.widen(bits) : Float(bitPattern: UInt32(bits) << 16)
      }
    }
  }
}
