internal import CQuantKernels
import TensorTypes

/// MXFP4: 32 values in 17 bytes.
///
/// Offset 0: exponent e; 1: nibbles. Value: level · 2^(e − 128). Weights are ignored.
enum PlainMXFP4: PlainBlockFormat {
  static let type = TensorType.mxfp4

  /// Twice the E2M1 numbers; code 8 is minus zero, decoded as zero.
  static let levels: [Float] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]

  static func encode(_ x: [Float], importance: [Float]?, rowPower: Float) -> [UInt8] {
    let top = PlainFloats.peak(x).magnitude
    var exponent: UInt8 = 0
    if top > 0 && top.isFinite {
      exponent = UInt8(truncatingIfNeeded: Int(cqk_floor_log2(top)) - 2 + 127)
    }
    let d = scale(exponent)
    let codes = x.map { value in
      var best = 0
      for i in 1..<16 where (levels[i] * d - value).magnitude < (levels[best] * d - value).magnitude {
        best = i
      }
      return UInt8(best)
    }
    return [exponent] + nibbles(codes)
  }

  static func decode(_ bytes: [UInt8]) -> [Float] {
    let d = scale(bytes[0])
    return (0..<32).map { levels[Int(nibble(bytes, 1, $0))] * d }
  }

  /// 2^(e − 128), exact down to the subnormals.
  static func scale(_ e: UInt8) -> Float {
    Float(bitPattern: e < 2 ? 0x0020_0000 << UInt32(e) : (UInt32(e) - 1) << 23)
  }
}
