import TensorTypes

/// Q4_1: 32 values in 20 bytes.
///
/// Offset 0: d, 2: m, binary16; 4: nibbles. Value: code · d + m.
enum PlainQ4_1: PlainBlockFormat {
  static let type = TensorType.q4_1

  static func encode(_ x: [Float], importance: [Float]?, rowPower: Float) -> [UInt8] {
    let (d, m, codes) = RangedBlock.encode(x, importance, rowPower, nmax: 15)
    return halfBytes(d) + halfBytes(m) + nibbles(codes)
  }

  static func decode(_ bytes: [UInt8]) -> [Float] {
    (0..<32).map { Float(nibble(bytes, 4, $0)) * halfAt(bytes, 0) + halfAt(bytes, 2) }
  }
}

/// Q5_1: 32 values in 24 bytes.
///
/// Offset 0: d, 2: m, binary16; 4: fifth bits, u32; 8: nibbles. Value: code · d + m.
enum PlainQ5_1: PlainBlockFormat {
  static let type = TensorType.q5_1

  static func encode(_ x: [Float], importance: [Float]?, rowPower: Float) -> [UInt8] {
    let (d, m, codes) = RangedBlock.encode(x, importance, rowPower, nmax: 31)
    return halfBytes(d) + halfBytes(m) + fifthBits(codes) + nibbles(codes.map { $0 & 15 })
  }

  static func decode(_ bytes: [UInt8]) -> [Float] {
    (0..<32).map {
      Float(nibble(bytes, 8, $0) + fifthBit(bytes, 4, $0)) * halfAt(bytes, 0) + halfAt(bytes, 2)
    }
  }
}

/// What Q4_1 and Q5_1 share.
enum RangedBlock {
  /// `nmax` is 15 or 31.
  static func encode(
    _ x: [Float], _ importance: [Float]?, _ rowPower: Float, nmax: Int32
  ) -> (d: Float, m: Float, codes: [UInt8]) {
    if let importance {
      let search = AffineSearch(nmax: nmax, rmin: -0.9, rdelta: 0.05, steps: 36, limitsQuotients: true)
      let fit = search.fit(x, importanceWeights(x, importance, sigma2: rowPower))
      return (fit.scale, -fit.negmin, fit.codes.map { UInt8($0) })
    }
    var low = x[0]
    var high = x[0]
    for value in x {
      if value < low { low = value }
      if value > high { high = value }
    }
    let d = (high - low) / Float(nmax)
    let inverse = d != 0 ? 1 / d : 0
    return (
      d, low,
      x.map {
        let code = PlainFloats.truncate(($0 - low) * inverse + 0.5)
        // Only Q4_1 limits the code; both cut it to a byte first.
        let limited = nmax == 15 ? min(15, Int32(Int8(truncatingIfNeeded: code))) : code
        return UInt8(truncatingIfNeeded: limited)
      }
    )
  }
}
