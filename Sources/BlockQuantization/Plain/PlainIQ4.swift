import TensorTypes

/// Sixteen unevenly spaced levels, and the search for the scale that fits them.
enum IQ4Levels {
  /// The level of each code.
  static let levels: [Float] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]

  /// The code of the nearest level; ties go up, NaN to the top.
  static func nearest(_ value: Float) -> Int {
    if value <= levels[0] { return 0 }
    if value >= levels[15] { return 15 }
    let above = levels.firstIndex { value < $0 } ?? 15
    return (value - levels[above - 1]) < (levels[above] - value) ? above - 1 : above
  }

  /// The scale of 32 values under weights `w`.
  static func scale(_ x: [Float], _ w: [Float]) -> Float {
    let (top, peak) = PlainFloats.peak(x)
    if top < negligible { return 0 }
    func sums(_ inverse: Float) -> (sqx: Float, sq2: Float) {
      var sqx: Float = 0
      var sq2: Float = 0
      for i in 0..<32 {
        let q = levels[nearest(inverse * x[i])]
        sqx += (w[i] * q) * x[i]
        sq2 += (w[i] * q) * q
      }
      return (sqx, sq2)
    }
    var (sqx, sq2) = sums(1 / (-peak / -127))
    var scale = sq2 > 0 ? sqx / sq2 : 0
    var best = scale * sqx
    for t in -7...7 {
      (sqx, sq2) = sums((Float(t) - 127) / peak)
      if sq2 > 0 && sqx * sqx > best * sq2 {
        scale = sqx / sq2
        best = scale * sqx
      }
    }
    return scale
  }

  /// Codes of 32 values as 16 bytes: value i low, value i + 16 high.
  static func pack(_ x: [Float], inverse: Float) -> [UInt8] {
    (0..<16).map { UInt8(nearest(inverse * x[$0])) | UInt8(nearest(inverse * x[$0 + 16])) << 4 }
  }
}

/// IQ4_NL: 32 values in 18 bytes.
///
/// Offset 0: d, binary16; 2: codes. Value: d · level.
enum PlainIQ4NL: PlainBlockFormat {
  static let type = TensorType.iq4_nl

  static func encode(_ x: [Float], importance: [Float]?, rowPower: Float) -> [UInt8] {
    let w =
      importance.map { importanceWeights(x, $0, sigma2: squareSum(x) * (2.0 / 32)) } ?? x.map { $0 * $0 }
    let d = IQ4Levels.scale(x, w)
    // Codes follow the scale before it is rounded to binary16.
    return halfBytes(d) + IQ4Levels.pack(x, inverse: d != 0 ? 1 / d : 0)
  }

  static func decode(_ bytes: [UInt8]) -> [Float] {
    let d = halfAt(bytes, 0)
    return (0..<32).map { e in
      d * IQ4Levels.levels[Int(e < 16 ? bytes[2 + e] & 15 : bytes[2 + e - 16] >> 4)]
    }
  }
}

/// IQ4_XS: 256 values in 136 bytes.
///
/// Offset 0: d, binary16; 2: upper two bits of eight 6-bit scales; 4: their low nibbles; 8: codes, 16 bytes for
/// each 32 values. Value: (d · (scale − 32)) · level.
enum PlainIQ4XS: PlainBlockFormat {
  static let type = TensorType.iq4_xs

  static func encode(_ x: [Float], importance: [Float]?, rowPower: Float) -> [UInt8] {
    let w =
      importance.map { importanceWeights(x, $0, sigma2: squareSum(x) * (2.0 / 256)) } ?? x.map { $0 * $0 }
    let scales = (0..<8).map { IQ4Levels.scale(x.part($0, of: 32), w.part($0, of: 32)) }
    let d = -PlainFloats.peak(scales).value / 32
    let inverse = d != 0 ? 1 / d : 0
    var low: UInt32 = 0
    var high: UInt16 = 0
    var codes: [UInt8] = []
    for j in 0..<8 {
      let level = PlainFloats.round(inverse * scales[j], -32...31)
      let step = d * Float(level)
      codes += IQ4Levels.pack(x.part(j, of: 32), inverse: step != 0 ? 1 / step : 0)
      let stored = level + 32
      low |= UInt32(stored & 15) << UInt32(4 * j)
      high |= UInt16(stored >> 4) << UInt16(2 * j)
    }
    return halfBytes(d) + littleEndian(high) + littleEndian(low) + codes
  }

  static func decode(_ bytes: [UInt8]) -> [Float] {
    let d = halfAt(bytes, 0)
    let high = word(bytes, 2)
    return (0..<256).map { e in
      let j = e / 32
      let i = e % 32
      let low = (bytes[4 + j / 2] >> UInt8(4 * (j % 2))) & 15
      let scale = Int(low) + 16 * Int((high >> UInt16(2 * j)) & 3) - 32
      let packed = bytes[8 + 16 * j + i % 16]
      return (d * Float(scale)) * IQ4Levels.levels[Int(i < 16 ? packed & 15 : packed >> 4)]
    }
  }
}
