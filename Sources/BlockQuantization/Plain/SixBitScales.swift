/// The 12 bytes that hold eight 6-bit scales and eight 6-bit minima in Q4_K and Q5_K.
///
/// Bytes 0…3: low six bits scale j, upper two bits those of scale j + 4. Bytes 4…7: the same for minima.
/// Bytes 8…11: low nibbles of scale j + 4 and of minimum j + 4.
enum SixBitScales {
  /// Packs eight scales and minima.
  ///
  /// Values above 63 spill as they do in the reference.
  static func pack(_ scales: [UInt8], _ mins: [UInt8]) -> [UInt8] {
    var s = [UInt8](repeating: 0, count: 12)
    for j in 0..<4 {
      s[j] = scales[j]
      s[j + 4] = mins[j]
    }
    for j in 4..<8 {
      s[j + 4] = (scales[j] & 15) | (mins[j] & 15) << 4
      s[j - 4] |= (scales[j] >> 4) << 6
      s[j] |= (mins[j] >> 4) << 6
    }
    return s
  }

  /// The scale and the minimum of sub-block `j`; `s` are the 12 bytes.
  static func unpack(_ s: [UInt8], _ j: Int) -> (scale: Float, min: Float) {
    if j < 4 { return (Float(s[j] & 63), Float(s[j + 4] & 63)) }
    return (
      Float((s[j + 4] & 15) | (s[j - 4] >> 6) << 4),
      Float((s[j + 4] >> 4) | (s[j] >> 6) << 4)
    )
  }
}
