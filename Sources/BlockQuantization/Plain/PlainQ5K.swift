import TensorTypes

/// Q5_K: 256 values in 176 bytes.
///
/// As Q4_K, with the fifth bits between scales and nibbles: offset 16, 32 bytes, bit j of byte i belongs to
/// value 32j + i; nibbles at offset 48.
enum PlainQ5K: PlainBlockFormat {
  static let type = TensorType.q5_K

  static func encode(_ x: [Float], importance: [Float]?, rowPower: Float) -> [UInt8] {
    let (header, codes) = PlainAffineSuperBlock(
      plain: AffineSearch(nmax: 31, rmin: -0.5, rdelta: 0.1, steps: 15),
      weighted: AffineSearch(nmax: 31, rmin: -0.9, rdelta: 0.05, steps: 36, limitsQuotients: true),
      limitsWeightedLevels: true
    ).encode(x, importance)
    let high = (0..<32).map { i in byte(of: 8, step: 1) { codes[32 * $0 + i] >> 4 } }
    return header + high + PlainAffineSuperBlock.nibbles(codes)
  }

  static func decode(_ bytes: [UInt8]) -> [Float] {
    let d = halfAt(bytes, 0)
    let dmin = halfAt(bytes, 2)
    let scales = Array(bytes[4..<16])
    return (0..<256).map { e in
      let (scale, min) = SixBitScales.unpack(scales, e / 32)
      let packed = bytes[48 + 32 * (e / 64) + e % 32]
      let low = e % 64 < 32 ? packed & 15 : packed >> 4
      let high = (bytes[16 + e % 32] >> UInt8(e / 32)) & 1
      return (d * scale) * Float(low + 16 * high) - dmin * min
    }
  }
}
