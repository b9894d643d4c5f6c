/// Scalar conversions and roundings, defined for every input.
enum PlainFloats {
  /// binary32 to binary16: nearest even, gradual underflow, overflow to infinity, NaN payload dropped.
  static func halfBits(_ value: Float) -> UInt16 {
    let sign = UInt16(truncatingIfNeeded: value.bitPattern >> 16) & 0x8000
    let bits = value.bitPattern & 0x7FFF_FFFF
    if bits > 0x7F80_0000 { return sign | 0x7E00 }
    // 65520 and above is nearer to 65536, which binary16 does not have.
    if bits >= 0x477F_F000 { return sign | 0x7C00 }
    if bits < 0x3880_0000 {
      // The spacing of floats in [0.5, 1) is 2^-24, the same as of binary16 subnormals: the sum rounds for us.
      let sum = Float(bitPattern: bits) + 0.5
      return sign | UInt16(sum.bitPattern - 0x3F00_0000)
    }
    let rounded = bits + ((bits >> 13) & 1) + 0xFFF
    return sign | UInt16((rounded - 0x3800_0000) >> 13)
  }

  /// binary16 to binary32, exact; signalling NaNs become quiet.
  static func float(half: UInt16) -> Float {
    let sign = UInt32(half & 0x8000) << 16
    let magnitude = UInt32(half & 0x7FFF)
    if magnitude > 0x7C00 { return Float(bitPattern: sign | 0x7FC0_0000 | magnitude << 13) }
    if magnitude == 0x7C00 { return Float(bitPattern: sign | 0x7F80_0000) }
    if magnitude < 0x400 {
      let value = Float(magnitude) * 0x1p-24
      return Float(bitPattern: value.bitPattern | sign)
    }
    return Float(bitPattern: sign | (magnitude << 13 + 0x3800_0000))
  }

  /// binary32 to bfloat16: nearest even; NaNs stay NaNs.
  static func bfloatBits(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    if bits & 0x7FFF_FFFF > 0x7F80_0000 { return UInt16(truncatingIfNeeded: bits >> 16) | 0x40 }
    return UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ ((bits >> 16) & 1)) >> 16)
  }

  /// 8-bit float E4M3 (FN): bias 7, no infinities, 0x7F and 0xFF are NaN.
  static func float(e4m3 code: UInt8) -> Float {
    let sign = UInt32(code & 0x80) << 24
    let magnitude = UInt32(code & 0x7F)
    if magnitude == 0x7F { return Float(bitPattern: sign | 0x7FC0_0000) }
    if magnitude < 8 { return Float(bitPattern: (Float(magnitude) * 0x1p-9).bitPattern | sign) }
    return Float(bitPattern: sign | (magnitude << 20 + 120 << 23))
  }

  /// 8-bit float E5M2: the upper byte of a binary16.
  static func float(e5m2 code: UInt8) -> Float { float(half: UInt16(code) << 8) }

  /// The nearest integer, ties to even, for magnitudes up to 2^22; beyond that a defined but meaningless number.
  ///
  /// Files of the reference contain what this returns for huge quotients, where those are not ``limited(_:to:)``
  /// first, so no library rounding can replace it.
  static func round(_ value: Float) -> Int32 {
    let shifted = value + 12_582_912
    return Int32(shifted.bitPattern & 0x7F_FFFF) - 0x40_0000
  }

  /// `round` limited to a range.
  static func round(_ value: Float, _ range: ClosedRange<Int32>) -> Int32 {
    max(range.lowerBound, min(range.upperBound, round(value)))
  }

  /// `value` limited to `0...top`; zero when it is not a number.
  static func limited(_ value: Float, to top: Float) -> Float {
    let positive = value > 0 ? value : 0
    return positive < top ? positive : top
  }

  /// Truncation to 32 bits as x86 has it: everything out of range is the smallest integer.
  static func truncate(_ value: Float) -> Int32 {
    value.magnitude < 2_147_483_648 ? Int32(value) : Int32.min
  }

  /// The value of largest magnitude with its sign; of equals the first.
  static func peak(_ x: [Float]) -> (magnitude: Float, value: Float) {
    var top: Float = 0
    var peak: Float = 0
    for value in x where value.magnitude > top {
      top = value.magnitude
      peak = value
    }
    return (top, peak)
  }
}

/// Below this, a block counts as empty.
let negligible: Float = 1e-15
