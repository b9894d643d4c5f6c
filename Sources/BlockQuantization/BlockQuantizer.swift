internal import CQuantKernels
public import TensorTypes

/// Packs rows of floats into blocks, and unpacks them.
///
/// The bytes depend on the arguments alone: kernel level, thread count and the way
/// work is cut into calls do not change them, as long as calls are cut between rows.
/// They equal those of ggml 0.26.0 built for x86-64 without fused multiply-add. Those of 0.25.3 differ from them only
/// with importance, in Q2_K, Q4_K, Q5_K, Q4_1 and Q5_1, on rows whose quotients leave ±2^22.
public enum BlockQuantizer {
  /// True when ``quantize(_:rows:rowLength:importance:into:level:)`` accepts the type.
  public static func canQuantize(_ type: TensorType) -> Bool {
    switch type {
    case .f32, .f16, .bf16: true
    default: format(type) != nil
    }
  }

  /// True when ``dequantize(_:bytes:rowLength:into:level:)`` accepts the type.
  public static func canDequantize(_ type: TensorType) -> Bool { canQuantize(type) }

  /// Quantizes whole rows.
  ///
  /// Values must be finite; see ``FloatConversion/firstNonFinite(_:level:)``. Scales can still overflow binary16; see
  /// ``firstInvalidBlock(_:bytes:)``.
  ///
  /// - Parameters:
  ///   - type: A type for which ``canQuantize(_:)`` holds.
  ///   - rows: Rows of `rowLength` values, one after the other.
  ///   - rowLength: Values per row, a multiple of the block length.
  ///   - importance: The mean squared activation of each column (`rowLength` numbers, not negative), the same for
  ///     every row; `nil` runs the unweighted search. Float types, Q8_0 and MXFP4 do not use it.
  ///   - output: Receives exactly `type.rowByteCount(length: rowLength)` bytes per row.
  ///   - level: The kernels to use.
  /// - Complexity: O(`rows.count`), without heap allocation.
  public static func quantize(
    _ type: TensorType,
    rows: UnsafeBufferPointer<Float>,
    rowLength: Int,
    importance: UnsafeBufferPointer<Float>?,
    into output: UnsafeMutableRawBufferPointer,
    level: KernelLevel = .current
  ) {
    precondition(level.isAvailable, "the level \(level) cannot run here")
    precondition(rowLength > 0 && rows.count % rowLength == 0, "rows must be whole")
    guard let rowBytes = type.rowByteCount(length: rowLength) else {
      preconditionFailure("a row of \(rowLength) values does not hold whole blocks of \(type)")
    }
    let rowCount = rows.count / rowLength
    precondition(output.count == rowCount * rowBytes, "the output must be exactly as large as the rows")
    precondition(importance.map { $0.count == rowLength } ?? true, "one importance value per column")
    guard let values = rows.baseAddress, let bytes = output.baseAddress else { return }
    switch type {
    case .f32: bytes.copyMemory(from: values, byteCount: output.count)
    case .f16: cqk_narrow_f16(level.index, values, rows.count, bytes)
    case .bf16: cqk_narrow_bf16(level.index, values, rows.count, bytes)
    default:
      guard let format = format(type) else { preconditionFailure("no encoder for \(type)") }
      cqk_quantize(level.index, format, values, rowCount, rowLength, importance?.baseAddress, bytes)
    }
  }

  /// Decodes whole rows to f32.
  ///
  /// - Parameters:
  ///   - type: A type for which ``canDequantize(_:)`` holds.
  ///   - bytes: Whole rows of blocks.
  ///   - rowLength: Values per row, a multiple of the block length.
  ///   - output: Receives exactly the values of all rows.
  ///   - level: The kernels to use.
  public static func dequantize(
    _ type: TensorType,
    bytes: UnsafeRawBufferPointer,
    rowLength: Int,
    into output: UnsafeMutableBufferPointer<Float>,
    level: KernelLevel = .current
  ) {
    precondition(level.isAvailable, "the level \(level) cannot run here")
    guard rowLength > 0, let rowBytes = type.rowByteCount(length: rowLength) else {
      preconditionFailure("a row of \(rowLength) values does not hold whole blocks of \(type)")
    }
    precondition(bytes.count % rowBytes == 0, "rows must be whole")
    precondition(
      output.count == bytes.count / rowBytes * rowLength, "the output must be exactly as large as the rows")
    guard let from = bytes.baseAddress, let to = output.baseAddress else { return }
    switch type {
    case .f32: cqk_widen(level.index, Int32(CQK_FROM_F32), from, output.count, to)
    case .f16: cqk_widen(level.index, Int32(CQK_FROM_F16), from, output.count, to)
    case .bf16: cqk_widen(level.index, Int32(CQK_FROM_BF16), from, output.count, to)
    default:
      guard let format = format(type) else { preconditionFailure("no decoder for \(type)") }
      cqk_dequantize(level.index, format, from, output.count / type.blockLength, to)
    }
  }

  /// The index of the first block whose scale is not finite, or `nil` when all are.
  ///
  /// Blocks of the float types are single values. Types with integer values, and types that Pouch cannot decode,
  /// have no check and give `nil`. Bytes after the last whole block are not looked at.
  public static func firstInvalidBlock(_ type: TensorType, bytes: UnsafeRawBufferPointer) -> Int? {
    let size = type.blockByteCount
    let blockCount = bytes.count / size
    switch type {
    case .f32:
      return (0..<blockCount).first {
        bytes.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self).littleEndian & 0x7F80_0000 == 0x7F80_0000
      }
    case .bf16: return firstBlock(bytes, size, [0], exponent: 0x7F80)
    case .mxfp4: return (0..<blockCount).first { bytes[$0 * size] == 255 }
    default: return firstBlock(bytes, size, halfOffsets(type), exponent: 0x7C00)
    }
  }

  /// Where the binary16 numbers of a block are.
  private static func halfOffsets(_ type: TensorType) -> [Int] {
    switch type {
    case .f16, .q4_0, .q5_0, .q8_0, .iq4_nl, .iq4_xs: [0]
    case .q4_1, .q5_1, .q8_1, .q4_K, .q5_K: [0, 2]
    case .q2_K: [80, 82]
    case .q3_K: [108]
    case .q6_K: [208]
    default: []
    }
  }

  private static func firstBlock(
    _ bytes: UnsafeRawBufferPointer, _ size: Int, _ offsets: [Int], exponent: UInt16
  ) -> Int? {
    var first: Int?
    for offset in offsets {
      for block in 0..<(first ?? bytes.count / size) {
        let half = bytes.loadUnaligned(fromByteOffset: block * size + offset, as: UInt16.self).littleEndian
        if half & exponent == exponent {
          first = block
          break
        }
      }
    }
    return first
  }

  /// The number that the C target knows a block format by.
  private static func format(_ type: TensorType) -> Int32? {
    switch type {
    case .q4_0: Int32(CQK_Q4_0)
    case .q4_1: Int32(CQK_Q4_1)
    case .q5_0: Int32(CQK_Q5_0)
    case .q5_1: Int32(CQK_Q5_1)
    case .q8_0: Int32(CQK_Q8_0)
    case .q2_K: Int32(CQK_Q2_K)
    case .q3_K: Int32(CQK_Q3_K)
    case .q4_K: Int32(CQK_Q4_K)
    case .q5_K: Int32(CQK_Q5_K)
    case .q6_K: Int32(CQK_Q6_K)
    case .iq4_nl: Int32(CQK_IQ4_NL)
    case .iq4_xs: Int32(CQK_IQ4_XS)
    case .mxfp4: Int32(CQK_MXFP4)
    default: nil
    }
  }
}
