import TensorTypes

/// Q3_K: 256 values in 110 bytes.
///
/// Offset 0: 32 bytes, bit j of byte i is bit 2 of the code of value 32j + i; 32: 64 bytes of two-bit codes
/// (``TwoBitCodes``); 96: twelve bytes of 6-bit scales plus 32; 108: d, binary16. Value: (d · scale) · (code − 4).
enum PlainQ3K: PlainBlockFormat {
  static let type = TensorType.q3_K

  static func encode(_ x: [Float], importance: [Float]?, rowPower: Float) -> [UInt8] {
    let parts = (0..<16).map { x.part($0, of: 16) }
    var fits: [(scale: Float, codes: [Int32])] = []
    var levels = [Int32](repeating: 0, count: 16)
    var d: Float = 0
    if let importance {
      let w = importanceWeights(x, importance, sigma2: (2 * squareSum(x)) / 256)
      let weights = (0..<16).map { w.part($0, of: 16) }
      fits = zip(parts, weights).map { SymmetricSearch.fit($0, $1, nmax: 4) }
      (d, levels) = SymmetricSearch.fit(fits.map(\.scale), weights.map(plainSum), nmax: 32)
    } else {
      fits = parts.map { SymmetricSearch.refined($0) }
      let peak = PlainFloats.peak(fits.map(\.scale)).value
      if peak != 0 {
        let inverse = -32 / peak
        d = 1 / inverse
        levels = fits.map {
          let level = Int32(Int8(truncatingIfNeeded: PlainFloats.round(inverse * $0.scale)))
          return max(-32, min(31, level)) + 32
        }
      }
    }
    let unit = PlainFloats.float(half: PlainFloats.halfBits(d))
    var codes: [UInt8] = []
    for j in 0..<16 {
      let step = unit * Float(levels[j] - 32)
      codes +=
        step == 0
        ? fits[j].codes.map { UInt8($0) }
        : parts[j].map { UInt8(PlainFloats.round($0 / step, -4...3) + 4) }
    }
    let mask = (0..<32).map { i in byte(of: 8, step: 1) { codes[32 * $0 + i] >> 2 } }
    let bits = levels.map { UInt8($0) }
    let low = (0..<8).map { (bits[$0] & 15) | (bits[$0 + 8] & 15) << 4 }
    let high = (0..<4).map { j in byte(of: 4, step: 2) { bits[j + 4 * $0] >> 4 } }
    let scales = low + high
    return mask + TwoBitCodes.pack(codes) + scales + halfBytes(d)
  }

  static func decode(_ bytes: [UInt8]) -> [Float] {
    let d = halfAt(bytes, 108)
    return (0..<256).map { e in
      let j = e / 16
      let low = j < 8 ? bytes[96 + j] & 15 : bytes[96 + j - 8] >> 4
      let high = (bytes[104 + j % 4] >> UInt8(2 * (j / 4))) & 3
      let scale = Int(low | high << 4) - 32
      let set = (bytes[e % 32] >> UInt8(e / 32)) & 1
      let code = Int(TwoBitCodes.code(bytes, 32, e)) - (set == 1 ? 0 : 4)
      return (d * Float(scale)) * Float(code)
    }
  }
}
