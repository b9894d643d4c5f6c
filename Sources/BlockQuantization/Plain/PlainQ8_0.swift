import TensorTypes

/// Q8_0: 32 values in 34 bytes.
///
/// Offset 0: d, binary16; 2: signed bytes. Value: code · d. Weights are ignored.
enum PlainQ8_0: PlainBlockFormat {
  static let type = TensorType.q8_0

  static func encode(_ x: [Float], importance: [Float]?, rowPower: Float) -> [UInt8] {
    let d = PlainFloats.peak(x).magnitude / 127
    let inverse = d != 0 ? 1 / d : 0
    return halfBytes(d)
      + x.map { UInt8(truncatingIfNeeded: roundedAwayFromZero($0 * inverse)) }
  }

  static func decode(_ bytes: [UInt8]) -> [Float] {
    let d = halfAt(bytes, 0)
    return (0..<32).map { Float(Int8(bitPattern: bytes[2 + $0])) * d }
  }

  /// Half away from zero; infinities and NaN become the smallest integer, whose low byte is 0.
  private static func roundedAwayFromZero(_ value: Float) -> Int32 {
    let magnitude = value.magnitude
    guard magnitude < 8_388_608 else { return PlainFloats.truncate(value) }
    let whole = Int32(magnitude)
    // Adding 0.5 before truncating would round 0.49999997 up.
    let rounded = magnitude - Float(whole) >= 0.5 ? whole + 1 : whole
    return value < 0 ? -rounded : rounded
  }
}
