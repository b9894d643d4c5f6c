internal import CQuantKernels
public import TensorTypes

/// Packs rows of floats into the groups of MLX: codes, scales and biases apart.
///
/// The bytes depend on the arguments alone, as those of ``BlockQuantizer`` do. They equal those of mlx 0.32.4 on a CPU,
/// but for mxfp4 groups whose largest magnitude is below 6 · 2^-128: there MLX's exponent wraps around, so that it decodes
/// them as numbers of 1e38; here they get the smallest exponent. MLX on a GPU rounds otherwise.
public enum GroupQuantizer {
  /// Where the three parts of rows are put; each exactly as large as its part.
  public struct Parts {
    /// The codes.
    public var codes: UnsafeMutableRawBufferPointer
    /// The scales.
    public var scales: UnsafeMutableRawBufferPointer
    /// The biases; empty for formats without.
    public var biases: UnsafeMutableRawBufferPointer

    /// Names the places.
    public init(
      codes: UnsafeMutableRawBufferPointer, scales: UnsafeMutableRawBufferPointer,
      biases: UnsafeMutableRawBufferPointer
    ) {
      self.codes = codes
      self.scales = scales
      self.biases = biases
    }
  }

  /// Whether weights of a type can be quantized: f32, f16 and bf16.
  public static func canQuantize(_ type: ElementType) -> Bool { source(type) != nil }

  /// Quantizes whole rows.
  ///
  /// Values must be finite. Affine scales can still leave the range of f32 when a group holds values beyond 1.7e38; see
  /// ``firstInvalidScale(_:_:type:)``.
  ///
  /// - Parameters:
  ///   - format: The format.
  ///   - type: The type that the weights had, for which ``canQuantize(_:)`` holds; scales and biases of the affine mode
  ///     are stored in it, and the other modes round to it on the way.
  ///   - values: Whole rows, each of whole groups, of values that `type` holds exactly.
  ///   - parts: Where the result is put.
  ///   - level: The kernels to use.
  /// - Complexity: O(`values.count`).
  public static func quantize(
    _ format: GroupFormat, type: ElementType, values: UnsafeBufferPointer<Float>, into parts: Parts,
    level: KernelLevel = .current
  ) {
    precondition(level.isAvailable, "the level \(level) cannot run here")
    precondition(values.count % format.groupSize == 0, "groups must be whole")
    guard let source = source(type) else { preconditionFailure("no groups of \(type)") }
    let groupCount = values.count / format.groupSize
    let scaleByteCount = groupCount * format.scaleType(weights: type).bitCount / 8
    precondition(parts.codes.count == format.codeByteCount(rowLength: values.count), "room for the codes")
    precondition(parts.scales.count == scaleByteCount, "room for the scales")
    precondition(parts.biases.count == (format.hasBiases ? scaleByteCount : 0), "room for the biases")
    guard let from = values.baseAddress, let codes = parts.codes.baseAddress,
      let scales = parts.scales.baseAddress
    else { return }
    switch format.mode {
    case .mxfp4: cqk_group_mxfp4(level.index, source, from, groupCount, codes, scales)
    case .nvfp4: cqk_group_nvfp4(level.index, source, from, groupCount, codes, scales)
    case .affine:
      withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * groupCount) { floats in
        guard let base = floats.baseAddress else { return }
        cqk_group_affine(
          level.index, Int32(format.bits), format.groupSize, from, groupCount, codes, base, base + groupCount)
        store(UnsafeBufferPointer(rebasing: floats[..<groupCount]), type, into: parts.scales, level)
        store(UnsafeBufferPointer(rebasing: floats[groupCount...]), type, into: parts.biases, level)
      }
    }
  }

  /// The index of the first scale or bias of some parts that is not a finite number; `nil` when all are.
  ///
  /// - Parameters:
  ///   - format: The format.
  ///   - floats: Scales or biases.
  ///   - type: The type that the weights had.
  /// - Returns: The group.
  public static func firstInvalidScale(
    _ format: GroupFormat, _ floats: UnsafeRawBufferPointer, type: ElementType
  ) -> Int? {
    guard format.mode == .affine else { return nil }
    switch type {
    case .f16: return BlockQuantizer.firstInvalidBlock(.f16, bytes: floats)
    case .bf16: return BlockQuantizer.firstInvalidBlock(.bf16, bytes: floats)
    default: return BlockQuantizer.firstInvalidBlock(.f32, bytes: floats)
    }
  }

  private static func store(
    _ values: UnsafeBufferPointer<Float>, _ type: ElementType, into output: UnsafeMutableRawBufferPointer,
    _ level: KernelLevel
  ) {
    switch type {
    case .f16: FloatConversion.narrowToF16(values, into: output, level: level)
    case .bf16: FloatConversion.narrowToBF16(values, into: output, level: level)
    default: output.copyMemory(from: UnsafeRawBufferPointer(values))
    }
  }

  private static func source(_ type: ElementType) -> Int32? {
    switch type {
    case .f32: Int32(CQK_FROM_F32)
    case .f16: Int32(CQK_FROM_F16)
    case .bf16: Int32(CQK_FROM_BF16)
    default: nil
    }
  }
}
