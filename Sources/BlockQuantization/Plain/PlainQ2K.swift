import TensorTypes

/// Q2_K: 256 values in 84 bytes.
///
/// Offset 0: sixteen bytes, scale in the low and minimum in the high nibble; 16: 64 bytes of codes, two bits k of
/// byte 32h + i belonging to value 128h + 32k + i; 80: d, 82: dmin, binary16.
/// Value: (d · scale) · code − dmin · min.
enum PlainQ2K: PlainBlockFormat {
  static let type = TensorType.q2_K

  static func encode(_ x: [Float], importance: [Float]?, rowPower: Float) -> [UInt8] {
    let parts = (0..<16).map { x.part($0, of: 16) }
    var fits: [AffineSearch.Fit] = []
    var scales = [UInt8](repeating: 0, count: 16)
    var d: Float = 0
    var dmin: Float = 0
    if let importance {
      let w = importanceWeights(x, importance, sigma2: squareSum(x) / 256)
      let weights = (0..<16).map { w.part($0, of: 16) }
      let search = AffineSearch(nmax: 3, rmin: -0.9, rdelta: 0.05, steps: 36, limitsQuotients: true)
      fits = zip(parts, weights).map { search.fit($0, $1) }
      let sums = weights.map(plainSum)
      let steps = PositiveSearch.fit(fits.map(\.scale), sums, nmax: 15)
      let mins = PositiveSearch.fit(fits.map(\.negmin), sums, nmax: 15)
      d = steps.scale
      dmin = mins.scale
      scales = zip(steps.codes, mins.codes).map { $0 | $1 << 4 }
    } else {
      let search = AffineSearch(nmax: 3, rmin: -0.5, rdelta: 0.1, steps: 15, absolute: true)
      fits = parts.map { part in search.fit(part, part.map(\.magnitude)) }
      let top = fits.reduce(Float(0)) { $1.scale > $0 ? $1.scale : $0 }
      let topMin = fits.reduce(Float(0)) { $1.negmin > $0 ? $1.negmin : $0 }
      if top > 0 {
        d = top / 15
        let inverse = 15 / top
        for j in 0..<16 {
          scales[j] = UInt8(truncatingIfNeeded: PlainFloats.round(inverse * fits[j].scale))
        }
      }
      if topMin > 0 {
        dmin = topMin / 15
        let inverse = 15 / topMin
        for j in 0..<16 {
          scales[j] |= UInt8(truncatingIfNeeded: PlainFloats.round(inverse * fits[j].negmin) << 4)
        }
      }
    }
    let units = halfBytes(d) + halfBytes(dmin)
    var codes: [UInt8] = []
    for j in 0..<16 {
      let step = halfAt(units, 0) * Float(scales[j] & 15)
      let offset = halfAt(units, 2) * Float(scales[j] >> 4)
      codes += requantized(parts[j], step, offset, nmax: 3, searched: fits[j].codes)
    }
    return scales + TwoBitCodes.pack(codes) + units
  }

  static func decode(_ bytes: [UInt8]) -> [Float] {
    let d = halfAt(bytes, 80)
    let dmin = halfAt(bytes, 82)
    return (0..<256).map { e in
      let scale = bytes[e / 16]
      return (d * Float(scale & 15)) * Float(TwoBitCodes.code(bytes, 16, e)) - dmin * Float(scale >> 4)
    }
  }
}

/// The order of two-bit codes in Q2_K and Q3_K.
enum TwoBitCodes {
  /// Packs the low two bits of 256 codes into 64 bytes.
  static func pack(_ codes: [UInt8]) -> [UInt8] {
    (0..<64).map { b in
      let e = 128 * (b / 32) + b % 32
      return byte(of: 4, step: 2) { codes[e + 32 * $0] & 3 }
    }
  }

  /// The code of value `e`; the 64 bytes begin at `offset`.
  static func code(_ bytes: [UInt8], _ offset: Int, _ e: Int) -> UInt8 {
    (bytes[offset + 32 * (e / 128) + e % 32] >> UInt8(2 * ((e % 128) / 32))) & 3
  }
}
