/// Binary16 without the `Float16` type, which some platforms lack.
package enum HalfFloat {
  /// The exact value in f32.
  package static func widen(_ bits: UInt16) -> Float {
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
