import TensorTypes

/// Q4_0: 32 values in 18 bytes.
///
/// Offset 0: d, binary16; 2: nibbles. Value: (code − 8) · d.
enum PlainQ4_0: PlainBlockFormat {
  static let type = TensorType.q4_0

  static func encode(_ x: [Float], importance: [Float]?, rowPower: Float) -> [UInt8] {
    let (d, codes) = SignedBlock.encode(x, importance, rowPower, half: 8)
    return halfBytes(d) + nibbles(codes)
  }

  static func decode(_ bytes: [UInt8]) -> [Float] {
    let d = halfAt(bytes, 0)
    return (0..<32).map { Float(Int(nibble(bytes, 2, $0)) - 8) * d }
  }
}

/// Q5_0: 32 values in 22 bytes.
///
/// Offset 0: d, binary16; 2: fifth bits, u32; 6: nibbles. Value: (code − 16) · d.
enum PlainQ5_0: PlainBlockFormat {
  static let type = TensorType.q5_0

  static func encode(_ x: [Float], importance: [Float]?, rowPower: Float) -> [UInt8] {
    let (d, codes) = SignedBlock.encode(x, importance, rowPower, half: 16)
    return halfBytes(d) + fifthBits(codes) + nibbles(codes.map { $0 & 15 })
  }

  static func decode(_ bytes: [UInt8]) -> [Float] {
    let d = halfAt(bytes, 0)
    return (0..<32).map { Float(Int(nibble(bytes, 6, $0) + fifthBit(bytes, 2, $0)) - 16) * d }
  }
}

/// What Q4_0 and Q5_0 share.
enum SignedBlock {
  /// `half` is 8 or 16: the code of zero.
  static func encode(
    _ x: [Float], _ importance: [Float]?, _ rowPower: Float, half: Int32
  ) -> (d: Float, codes: [UInt8]) {
    if let importance {
      let w = importanceWeights(x, importance, sigma2: rowPower)
      let (d, codes) = SymmetricSearch.fit(x, w, nmax: half)
      return (d, codes.map { UInt8($0) })
    }
    // The peak becomes code 0; an empty block has d = −0.
    let d = PlainFloats.peak(x).value / Float(-half)
    let inverse = d != 0 ? 1 / d : 0
    return (
      d,
      x.map {
        let code = PlainFloats.truncate($0 * inverse + (Float(half) + 0.5))
        return UInt8(truncatingIfNeeded: min(2 * half - 1, Int32(Int8(truncatingIfNeeded: code))))
      }
    )
  }
}

/// Codes of 32 values as 16 bytes: value i low, value i + 16 high.
func nibbles(_ codes: [UInt8]) -> [UInt8] { (0..<16).map { codes[$0] | codes[$0 + 16] << 4 } }

/// The nibble of value `e`.
func nibble(_ bytes: [UInt8], _ offset: Int, _ e: Int) -> UInt8 {
  e < 16 ? bytes[offset + e] & 15 : bytes[offset + e - 16] >> 4
}

/// Bit 4 of 32 codes: bit e of a little-endian u32.
func fifthBits(_ codes: [UInt8]) -> [UInt8] {
  (0..<4).map { b in byte(of: 8, step: 1) { (codes[8 * b + $0] >> 4) & 1 } }
}

/// 16 when the fifth bit of value `e` is set, else 0.
func fifthBit(_ bytes: [UInt8], _ offset: Int, _ e: Int) -> UInt8 {
  ((bytes[offset + e / 8] >> UInt8(e % 8)) & 1) << 4
}
