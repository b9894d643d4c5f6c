internal import CQuantKernels
public import TensorTypes

/// Conversions between f32 and the element types of checkpoints, and operations on f32.
public enum FloatConversion {
  /// True when ``widen(_:bytes:into:level:)`` accepts the element type.
  public static func canWiden(_ type: ElementType) -> Bool {
    switch type {
    case .bool, .u8, .i8, .f8E4M3, .f8E5M2, .f8E8M0, .i16, .u16, .f16, .bf16, .i32, .u32, .f32, .i64, .u64,
      .f64:
      true
    case .f8E4M3FNUZ, .f8E5M2FNUZ, .c64, .f4, .f6E2M3, .f6E3M2: false
    }
  }

  /// Converts elements to f32.
  ///
  /// Exact for bf16, f16 and 8-bit floats; f64 and integers beyond 24 bits are rounded to nearest even.
  ///
  /// - Parameters:
  ///   - type: A type for which ``canWiden(_:)`` holds.
  ///   - bytes: The elements, little-endian, in any alignment.
  ///   - output: As many values.
  ///   - level: The kernels to use.
  public static func widen(
    _ type: ElementType,
    bytes: UnsafeRawBufferPointer,
    into output: UnsafeMutableBufferPointer<Float>,
    level: KernelLevel = .current
  ) {
    precondition(level.isAvailable, "the level \(level) cannot run here")
    precondition(canWiden(type), "no conversion from \(type)")
    precondition(bytes.count == output.count * type.bitCount / 8, "as many elements as values")
    guard let from = bytes.baseAddress, let to = output.baseAddress else { return }
    switch type {
    case .f32: cqk_widen(level.index, Int32(CQK_FROM_F32), from, output.count, to)
    case .f16: cqk_widen(level.index, Int32(CQK_FROM_F16), from, output.count, to)
    case .bf16: cqk_widen(level.index, Int32(CQK_FROM_BF16), from, output.count, to)
    case .f8E4M3: cqk_widen(level.index, Int32(CQK_FROM_E4M3), from, output.count, to)
    case .f8E5M2: cqk_widen(level.index, Int32(CQK_FROM_E5M2), from, output.count, to)
    case .f64:
      for i in output.indices {
        let bits = bytes.loadUnaligned(fromByteOffset: i * 8, as: UInt64.self).littleEndian
        output[i] = Float(Double(bitPattern: bits))
      }
    case .bool, .u8: widenIntegers(bytes, output, UInt8.self)
    case .i8: widenIntegers(bytes, output, Int8.self)
    case .i16: widenIntegers(bytes, output, Int16.self)
    case .u16: widenIntegers(bytes, output, UInt16.self)
    case .i32: widenIntegers(bytes, output, Int32.self)
    case .u32: widenIntegers(bytes, output, UInt32.self)
    case .i64: widenIntegers(bytes, output, Int64.self)
    case .u64: widenIntegers(bytes, output, UInt64.self)
    case .f8E8M0: for i in output.indices { output[i] = powerOfTwo(bytes[i]) }
    case .f8E4M3FNUZ, .f8E5M2FNUZ, .c64, .f4, .f6E2M3, .f6E3M2: break
    }
  }

  /// Makes floats of codes that are integers, the first one in the lowest bits of a string of bits.
  ///
  /// - Parameters:
  ///   - bits: Bits of a code: 2, 3, 4, 5, 6 or 8.
  ///   - bytes: The codes.
  ///   - output: As many values, a multiple of 8.
  public static func widen(
    codesOf bits: Int, bytes: UnsafeRawBufferPointer, into output: UnsafeMutableBufferPointer<Float>
  ) {
    precondition(GroupFormat.affineBits.contains(bits), "codes of \(bits) bits")
    precondition(output.count % 8 == 0 && bytes.count * 8 == output.count * bits, "as many codes as values")
    guard let from = bytes.baseAddress, let to = output.baseAddress else { return }
    cqk_unpack_codes(Int32(bits), from, output.count, to)
  }

  /// The value of an exponent with bias 127 and nothing beside it; 255 is a NaN.
  private static func powerOfTwo(_ code: UInt8) -> Float {
    switch code {
    case 0: Float(bitPattern: 0x0040_0000)
    case 255: .nan
    default: Float(bitPattern: UInt32(code) << 23)
    }
  }

  private static func widenIntegers<T: FixedWidthInteger & BitwiseCopyable>(
    _ bytes: UnsafeRawBufferPointer, _ output: UnsafeMutableBufferPointer<Float>, _: T.Type
  ) {
    let size = MemoryLayout<T>.size
    for i in output.indices {
      output[i] = Float(T(littleEndian: bytes.loadUnaligned(fromByteOffset: i * size, as: T.self)))
    }
  }

  /// Converts to binary16: nearest even, gradual underflow, 65520 and above to infinity, NaN to a quiet NaN.
  public static func narrowToF16(
    _ values: UnsafeBufferPointer<Float>,
    into output: UnsafeMutableRawBufferPointer,
    level: KernelLevel = .current
  ) {
    precondition(level.isAvailable, "the level \(level) cannot run here")
    precondition(output.count == values.count * 2, "two bytes per value")
    guard let from = values.baseAddress, let to = output.baseAddress else { return }
    cqk_narrow_f16(level.index, from, values.count, to)
  }

  /// Converts to bfloat16: nearest even; NaNs stay NaNs.
  public static func narrowToBF16(
    _ values: UnsafeBufferPointer<Float>,
    into output: UnsafeMutableRawBufferPointer,
    level: KernelLevel = .current
  ) {
    precondition(level.isAvailable, "the level \(level) cannot run here")
    precondition(output.count == values.count * 2, "two bytes per value")
    guard let from = values.baseAddress, let to = output.baseAddress else { return }
    cqk_narrow_bf16(level.index, from, values.count, to)
  }

  /// The index of the first NaN or infinity, or `nil` when all values are finite.
  public static func firstNonFinite(
    _ values: UnsafeBufferPointer<Float>, level: KernelLevel = .current
  ) -> Int? {
    precondition(level.isAvailable, "the level \(level) cannot run here")
    guard let from = values.baseAddress else { return nil }
    let index = cqk_first_non_finite(level.index, from, values.count)
    return index < values.count ? index : nil
  }

  /// Adds one to each value, in f32.
  package static func addOne(_ values: UnsafeMutableBufferPointer<Float>) {
    for i in values.indices { values[i] += 1 }
  }

  /// Replaces each x by −exp(x), in f32.
  ///
  /// The exponential is that of torch's wheels on x86 processors which are not Intel's, bit for bit; torch on Intel's
  /// differs from it in the last place of four values of a hundred, where SLEEF computes it in nine.
  package static func negateExponential(_ values: UnsafeMutableBufferPointer<Float>) {
    guard let base = values.baseAddress else { return }
    cqk_negate_exponential(base, values.count)
  }
}
