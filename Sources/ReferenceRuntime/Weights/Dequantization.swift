internal import FileBytes
internal import TensorTypes

/// Small tensors as plain floats.
enum Dequantization {
  /// Decodes `count` values.
  ///
  /// - Throws: ``RuntimeError`` with `unsupportedType`.
  static func floats(
    _ bytes: UnsafeRawBufferPointer, type: TensorType, count: Int, name: String, source: String
  ) throws -> [Float] {
    switch type {
    case .f32:
      return (0..<count).map { Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self))) }
    case .bf16:
      return (0..<count).map { Float(bitPattern: UInt32(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self))) << 16) }
    case .f16:
      return (0..<count).map { HalfFloat.widen(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self))) }
    default:
      throw RuntimeError(
        .unsupportedType,
        Fault(file: source, subject: name, expected: "a type that can be decoded", found: type.name))
    }
  }
}

/// Binary16 without the `Float16` type, which some platforms lack.
enum HalfFloat {
  /// The exact value in f32.
  static func widen(_ bits: UInt16) -> Float {
    let sign = UInt32(bits & 0x8000) << 16
    let exponent = UInt32(bits >> 10) & 31
    let fraction = UInt32(bits & 1023)
    switch exponent {
    case 0: return (sign == 0 ? 1 : -1) * Float(fraction) * Float(sign: .plus, exponent: -24, significand: 1)
    case 31: return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13)
    default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
    }
  }
}
