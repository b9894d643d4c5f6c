import TensorTypes

/// Q4_K: 256 values in 144 bytes.
///
/// Offset 0: d, binary16; 2: dmin, binary16; 4: twelve bytes of 6-bit scales and minima (``SixBitScales``);
/// 16: 128 bytes of codes, byte 32k + i holding values 64k + i (low nibble) and 64k + 32 + i (high nibble).
/// Value: (d · scale) · code − dmin · min.
enum PlainQ4K: PlainBlockFormat {
  static let type = TensorType.q4_K

  static func encode(_ x: [Float], importance: [Float]?, rowPower: Float) -> [UInt8] {
    let (header, codes) = PlainAffineSuperBlock(
      plain: AffineSearch(nmax: 15, rmin: -1, rdelta: 0.1, steps: 20),
      weighted: AffineSearch(nmax: 15, rmin: -0.9, rdelta: 0.05, steps: 36, limitsQuotients: true),
      limitsWeightedLevels: false
    ).encode(x, importance)
    return header + PlainAffineSuperBlock.nibbles(codes)
  }

  static func decode(_ bytes: [UInt8]) -> [Float] {
    let d = halfAt(bytes, 0)
    let dmin = halfAt(bytes, 2)
    let scales = Array(bytes[4..<16])
    return (0..<256).map { e in
      let (scale, min) = SixBitScales.unpack(scales, e / 32)
      let packed = bytes[16 + 32 * (e / 64) + e % 32]
      let code = e % 64 < 32 ? packed & 15 : packed >> 4
      return (d * scale) * Float(code) - dmin * min
    }
  }
}

/// What Q4_K and Q5_K share: eight sub-blocks of 32, two-level scales, and codes formed anew from the stored scales.
struct PlainAffineSuperBlock {
  var plain: AffineSearch
  var weighted: AffineSearch
  /// Q5_K limits the weighted levels to 63, Q4_K does not.
  var limitsWeightedLevels: Bool

  /// Returns the first 16 bytes and the 256 codes.
  func encode(_ x: [Float], _ importance: [Float]?) -> (header: [UInt8], codes: [UInt8]) {
    let parts = (0..<8).map { x.part($0, of: 32) }
    var fits: [AffineSearch.Fit] = []
    var levels: [UInt8]
    var minLevels: [UInt8]
    var d: Float
    var dmin: Float
    if let importance {
      let w = importanceWeights(x, importance, sigma2: (2 * squareSum(x)) / 256)
      let weights = (0..<8).map { w.part($0, of: 32) }
      fits = zip(parts, weights).map { weighted.fit($0, $1) }
      let sums = weights.map(plainSum)
      (d, levels) = PositiveSearch.fit(fits.map(\.scale), sums, nmax: 63)
      (dmin, minLevels) = PositiveSearch.fit(fits.map(\.negmin), sums, nmax: 63)
      if limitsWeightedLevels {
        levels = levels.map { min(63, $0) }
        minLevels = minLevels.map { min(63, $0) }
      }
    } else {
      fits = parts.map { part in
        let average = (squareSum(part) / 32).squareRoot()
        return plain.fit(part, part.map { average + $0.magnitude })
      }
      (d, levels) = Self.sixBitLevels(fits.map(\.scale))
      (dmin, minLevels) = Self.sixBitLevels(fits.map(\.negmin))
    }
    let scales = SixBitScales.pack(levels, minLevels)
    let header = halfBytes(d) + halfBytes(dmin) + scales
    var codes: [UInt8] = []
    for j in 0..<8 {
      let (scale, min) = SixBitScales.unpack(scales, j)
      let step = halfAt(header, 0) * scale
      let offset = halfAt(header, 2) * min
      codes += requantized(parts[j], step, offset, nmax: plain.nmax, searched: fits[j].codes)
    }
    return (header, codes)
  }

  /// Levels relative to the largest number, which becomes 63.
  private static func sixBitLevels(_ x: [Float]) -> (unit: Float, levels: [UInt8]) {
    var top: Float = 0
    for value in x where value > top { top = value }
    let inverse = top > 0 ? 63 / top : 0
    return (top / 63, x.map { min(63, UInt8(truncatingIfNeeded: PlainFloats.round(inverse * $0))) })
  }

  /// Low nibbles of 256 codes as 128 bytes.
  static func nibbles(_ codes: [UInt8]) -> [UInt8] {
    (0..<128).map { b in
      let e = 64 * (b / 32) + b % 32
      return (codes[e] & 15) | (codes[e + 32] & 15) << 4
    }
  }
}

/// Codes from the stored step and offset; the search's own where the step is zero.
func requantized(
  _ x: [Float], _ step: Float, _ offset: Float, nmax: Int32, searched: [Int32]
) -> [UInt8] {
  if step == 0 { return searched.map { UInt8(truncatingIfNeeded: $0) } }
  return x.map { UInt8(PlainFloats.round(($0 + offset) / step, 0...nmax)) }
}
