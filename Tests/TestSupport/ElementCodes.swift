public import TensorTypes

/// Elements of checkpoints, made and read without the code under test.
public enum ElementCodes {
  /// A random finite element, as its bytes.
  public static func random(_ type: ElementType, _ generator: inout SeededGenerator) -> [UInt8] {
    let value = Float.random(in: -0.25...0.25, using: &generator)
    switch type {
    case .bf16: return bytes(UInt16(value.bitPattern >> 16))
    // Exponents below that of infinities, the smallest ones included.
    case .f16: return bytes(UInt16.random(in: 0..<0x4000, using: &generator) | (value < 0 ? 0x8000 : 0))
    case .f32: return bytes(value.bitPattern)
    case .f64: return bytes((Double(value) * 1.000_000_03).bitPattern)
    case .f8E4M3: return [UInt8.random(in: 0..<0x7F, using: &generator) | (value < 0 ? 0x80 : 0)]
    case .f8E5M2: return [UInt8.random(in: 0..<0x7C, using: &generator) | (value < 0 ? 0x80 : 0)]
    default: preconditionFailure("not among the types of tests: \(type)")
    }
  }

  /// The value of an element.
  public static func value(_ type: ElementType, _ bytes: some Collection<UInt8>) -> Float {
    let code = bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    switch type {
    case .bf16: return Float(bitPattern: UInt32(code) << 16)
    case .f16: return small(Int(code), exponentBits: 5, fractionBits: 10, bias: 15)
    case .f32: return Float(bitPattern: UInt32(code))
    case .f64: return Float(Double(bitPattern: code))
    case .f8E4M3: return small(Int(code), exponentBits: 4, fractionBits: 3, bias: 7)
    case .f8E5M2: return small(Int(code), exponentBits: 5, fractionBits: 2, bias: 15)
    default: preconditionFailure("not among the types of tests: \(type)")
    }
  }

  /// The bytes of a value in f32.
  public static func f32(_ value: Float) -> [UInt8] { bytes(value.bitPattern) }

  private static func bytes(_ code: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: code.littleEndian, Array.init)
  }

  /// A finite value with few bits: sign, exponent, fraction.
  private static func small(_ code: Int, exponentBits: Int, fractionBits: Int, bias: Int) -> Float {
    let fraction = code & (1 << fractionBits - 1)
    let exponent = code >> fractionBits & (1 << exponentBits - 1)
    let isNegative = code >> (fractionBits + exponentBits) & 1 == 1
    let significand = Float(exponent == 0 ? fraction : fraction + 1 << fractionBits)
    let scale = Float(sign: .plus, exponent: max(exponent, 1) - bias - fractionBits, significand: 1)
    return isNegative ? -(significand * scale) : significand * scale
  }
}
