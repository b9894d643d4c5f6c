public import TensorTypes

/// The groups of MLX in their readable form: the definition that the kernels are held against.
///
/// All operations are single f32 operations in the order written.
public enum PlainGroups {
  /// What a matrix is stored as.
  public struct Parts: Hashable, Sendable {
    /// The codes.
    public var codes: [UInt8]
    /// The scales.
    public var scales: [UInt8]
    /// The biases; empty for formats without.
    public var biases: [UInt8]
  }

  /// Quantizes whole groups.
  ///
  /// - Parameters:
  ///   - format: The format.
  ///   - type: The type that the weights had: f32, f16 or bf16.
  ///   - values: Values that `type` holds exactly.
  /// - Returns: The bytes of the three parts.
  public static func quantize(_ format: GroupFormat, type: ElementType, values: [Float]) -> Parts {
    var parts = Parts(codes: [], scales: [], biases: [])
    for start in stride(from: 0, to: values.count, by: format.groupSize) {
      let group = Array(values[start..<(start + format.groupSize)])
      let codes: [UInt8]
      switch format.mode {
      case .affine:
        let made = affine(group, bits: format.bits)
        codes = made.codes
        parts.scales += stored(made.scale, type)
        parts.biases += stored(made.bias, type)
      case .mxfp4:
        // The smallest power of two that leaves the largest magnitude within 6.
        let scale = rounded(largest(group) / 6, type)
        var exponent = -127
        while scale > Float(sign: .plus, exponent: exponent, significand: 1) { exponent += 1 }
        if scale == 0 { exponent = 0 }
        let power = Float(sign: .plus, exponent: exponent, significand: 1)
        codes = group.map { nearest(rounded($0 / power, type)) }
        parts.scales.append(UInt8(exponent + 127))
      case .nvfp4:
        let code = e4m3(rounded(largest(group) / 6, type))
        let scale = PlainFloats.float(e4m3: code)
        // Without a scale everything is as far from every value, so that the first one counts.
        codes = group.map { scale == 0 ? 0 : nearest(rounded($0 / scale, type)) }
        parts.scales.append(code)
      }
      parts.codes += packed(codes, bits: format.bits)
    }
    return parts
  }

  /// Decodes what ``quantize(_:type:values:)`` made, in f32.
  public static func dequantize(_ format: GroupFormat, type: ElementType, _ parts: Parts) -> [Float] {
    let codes = unpacked(parts.codes, bits: format.bits)
    return codes.indices.map { index in
      let group = index / format.groupSize
      switch format.mode {
      case .affine:
        return Float(codes[index]) * float(parts.scales, group, type) + float(parts.biases, group, type)
      case .mxfp4:
        let power = Float(sign: .plus, exponent: Int(parts.scales[group]) - 127, significand: 1)
        return values[Int(codes[index])] * power
      case .nvfp4: return values[Int(codes[index])] * PlainFloats.float(e4m3: parts.scales[group])
      }
    }
  }

  /// The end of the range that is further from zero is a bias; the other end is near the highest code.
  private static func affine(_ group: [Float], bits: Int) -> (codes: [UInt8], scale: Float, bias: Float) {
    let top = Float(1 << bits - 1)
    let (low, high) = (group.min() ?? 0, group.max() ?? 0)
    let falls = low.magnitude > high.magnitude
    var scale = max((high - low) / top, 1e-7)
    if !falls { scale = -scale }
    let edge = falls ? low : high
    // Zero shall have a code of its own without an error, so the edge is a whole number of steps from it.
    let steps = (edge / scale).rounded(.toNearestOrEven)
    var bias: Float = 0
    if steps != 0 {
      scale = edge / steps
      bias = edge
    }
    let codes = group.map { UInt8(max(0, min(top, (($0 - bias) / scale).rounded(.toNearestOrEven)))) }
    return (codes, scale, bias)
  }

  /// The values of E2M1 by their codes.
  private static let values: [Float] = {
    let magnitudes: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    return magnitudes + magnitudes.map { -$0 }
  }()

  /// The code of the nearest value; of several as near the first.
  private static func nearest(_ value: Float) -> UInt8 {
    var best = 0
    for code in 1..<16 where (value - values[code]).magnitude < (value - values[best]).magnitude {
      best = code
    }
    return UInt8(best)
  }

  private static func largest(_ group: [Float]) -> Float { group.reduce(0) { max($0, $1.magnitude) } }

  /// The nearest E4M3 number, ties to even, of a number that is not negative; 448 at most.
  private static func e4m3(_ value: Float) -> UInt8 {
    var best: UInt8 = 0
    for code in UInt8(1)...126 {
      let (old, new) = (
        (value - PlainFloats.float(e4m3: best)).magnitude, (value - PlainFloats.float(e4m3: code)).magnitude
      )
      if new < old || new == old && code % 2 == 0 { best = code }
    }
    return value >= 448 ? 126 : best
  }

  /// Codes as one string of bits, the first one lowest.
  private static func packed(_ codes: [UInt8], bits: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: codes.count * bits / 8)
    for (index, code) in codes.enumerated() {
      for bit in 0..<bits where code >> UInt8(bit) & 1 == 1 {
        bytes[(index * bits + bit) / 8] |= 1 << UInt8((index * bits + bit) % 8)
      }
    }
    return bytes
  }

  private static func unpacked(_ bytes: [UInt8], bits: Int) -> [UInt8] {
    (0..<(bytes.count * 8 / bits)).map { index in
      (0..<bits).reduce(0) { code, bit in
        let place = index * bits + bit
        return code | (bytes[place / 8] >> UInt8(place % 8) & 1) << UInt8(bit)
      }
    }
  }

  private static func rounded(_ value: Float, _ type: ElementType) -> Float {
    switch type {
    case .f16: PlainFloats.float(half: PlainFloats.halfBits(value))
    case .bf16: Float(bitPattern: UInt32(PlainFloats.bfloatBits(value)) << 16)
    default: value
    }
  }

  private static func stored(_ value: Float, _ type: ElementType) -> [UInt8] {
    switch type {
    case .f16: littleEndian(PlainFloats.halfBits(value))
    case .bf16: littleEndian(PlainFloats.bfloatBits(value))
    default: littleEndian(value.bitPattern)
    }
  }

  private static func float(_ bytes: [UInt8], _ index: Int, _ type: ElementType) -> Float {
    switch type {
    case .f16: halfAt(bytes, 2 * index)
    case .bf16: Float(bitPattern: UInt32(word(bytes, 2 * index)) << 16)
    default: Float(bitPattern: UInt32(word(bytes, 4 * index)) | UInt32(word(bytes, 4 * index + 2)) << 16)
    }
  }
}
