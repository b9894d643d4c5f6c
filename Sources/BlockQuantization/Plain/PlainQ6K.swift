import TensorTypes

/// Q6_K: 256 values in 210 bytes.
///
/// Offset 0: 128 bytes of low nibbles; 128: 64 bytes of two high bits; 192: sixteen signed 8-bit scales; 208: d,
/// binary16. Value 128h + 32k + i: low nibble (k < 2) or high nibble of byte 64h + 32(k mod 2) + i, bits 2k of high
/// byte 32h + i. Value: (d · scale) · (code − 32).
enum PlainQ6K: PlainBlockFormat {
  static let type = TensorType.q6_K

  static func encode(_ x: [Float], importance: [Float]?, rowPower: Float) -> [UInt8] {
    let fits = (0..<16).map {
      SymmetricSearch.fit(x.part($0, of: 16), importance?.part($0, of: 16), nmax: 32)
    }
    let (top, peak) = PlainFloats.peak(fits.map(\.scale))
    if top < negligible { return [UInt8](repeating: 0, count: 210) }
    let inverse = -128 / peak
    let d = 1 / inverse
    let unit = PlainFloats.float(half: PlainFloats.halfBits(d))
    let scales = fits.map { Int8(truncatingIfNeeded: min(127, PlainFloats.round(inverse * $0.scale))) }
    var codes: [UInt8] = []
    for j in 0..<16 {
      let step = unit * Float(scales[j])
      codes +=
        step == 0
        ? fits[j].codes.map { UInt8($0) }
        : x.part(j, of: 16).map { UInt8(PlainFloats.round($0 / step, -32...31) + 32) }
    }
    let low = (0..<128).map { b in
      let e = 128 * (b / 64) + b % 64
      return (codes[e] & 15) | (codes[e + 64] & 15) << 4
    }
    let high = (0..<64).map { b in
      let e = 128 * (b / 32) + b % 32
      return byte(of: 4, step: 2) { codes[e + 32 * $0] >> 4 }
    }
    let codeBytes: [UInt8] = low + high
    return codeBytes + scales.map { UInt8(bitPattern: $0) } + halfBytes(d)
  }

  static func decode(_ bytes: [UInt8]) -> [Float] {
    let d = halfAt(bytes, 208)
    return (0..<256).map { e in
      let h = e / 128
      let k = (e % 128) / 32
      let packed = bytes[64 * h + 32 * (k % 2) + e % 32]
      let low = k < 2 ? packed & 15 : packed >> 4
      let high = (bytes[128 + 32 * h + e % 32] >> UInt8(2 * k)) & 3
      return (d * Float(Int8(bitPattern: bytes[192 + e / 16]))) * Float(Int(low | high << 4) - 32)
    }
  }
}
