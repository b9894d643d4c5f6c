import BlockQuantization
import TensorTypes
import TestSupport
import Testing

private let weightTypes: [ElementType] = [.f32, .f16, .bf16]

@Suite("Groups of MLX: kernels against the readable definition")
struct GroupQuantizerTests {
  /// Nine groups of 128 values, and more of the smaller ones.
  static let count = 9 * 128

  @Test("Every level gives the same bytes", arguments: GroupFormat.all, ValueDistribution.allCases)
  func sameBytes(format: GroupFormat, distribution: ValueDistribution) {
    var generator = SeededGenerator(seed: UInt64(distribution.rawValue.utf8.count))
    let values = distribution.values(Self.count, &generator)
    for type in weightTypes {
      let rounded = held(values, type)
      let expected = PlainGroups.quantize(format, type: type, values: rounded)
      for level in KernelLevel.available {
        let found = kernelParts(format, type, rounded, level: level)
        #expect(firstDifference(expected.codes, found.codes) == nil, "codes, \(type), \(level)")
        #expect(firstDifference(expected.scales, found.scales) == nil, "scales, \(type), \(level)")
        #expect(firstDifference(expected.biases, found.biases) == nil, "biases, \(type), \(level)")
      }
    }
  }

  @Test("One group alone is what it is among others", arguments: GroupFormat.all)
  func cutting(format: GroupFormat) {
    var generator = SeededGenerator(seed: 11)
    let values = held(ValueDistribution.wideBlocks.values(5 * format.groupSize, &generator), .bf16)
    let whole = kernelParts(format, .bf16, values, level: .current)
    let parts = (0..<5).map {
      kernelParts(
        format, .bf16, Array(values[$0 * format.groupSize..<($0 + 1) * format.groupSize]), level: .current)
    }
    #expect(whole.codes == parts.flatMap(\.codes))
    #expect(whole.scales == parts.flatMap(\.scales))
    #expect(whole.biases == parts.flatMap(\.biases))
  }

  /// A value is off by half a step, which is the range of its group divided by the number of steps; the step is up to a
  /// third larger where the further end of the range is moved to a whole number of steps from zero, and scale and bias are
  /// rounded to the type.
  @Test("Decoded values are within a step", arguments: GroupFormat.all.filter { $0.mode == .affine })
  func error(format: GroupFormat) {
    var generator = SeededGenerator(seed: 4)
    let values = ValueDistribution.normal.values(Self.count, &generator)
    let decoded = PlainGroups.dequantize(
      format, type: .f32, PlainGroups.quantize(format, type: .f32, values: values))
    for start in stride(from: 0, to: values.count, by: format.groupSize) {
      let group = values[start..<(start + format.groupSize)]
      let step = ((group.max() ?? 0) - (group.min() ?? 0)) / Float(1 << format.bits - 1)
      for index in group.indices { #expect((decoded[index] - values[index]).magnitude <= step) }
    }
  }

  @Test("Codes of MXFP4 and NVFP4 are the nearest values", arguments: [GroupFormat.Mode.mxfp4, .nvfp4])
  func nearest(mode: GroupFormat.Mode) throws {
    let format = try #require(GroupFormat(mode))
    // The largest value is 6 times a power of two, so that no value is rounded but by its code.
    let grid: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.5, -1, -1.5, -2, -3, -4, -6, 5.9]
    let values = (0..<format.groupSize).map { grid[$0 % 16] }
    let decoded = PlainGroups.dequantize(
      format, type: .f32, PlainGroups.quantize(format, type: .f32, values: values))
    #expect(decoded == values.map { $0 == 5.9 ? 6 : $0 })
  }

  @Test("Zeros stay zeros", arguments: GroupFormat.all)
  func zeros(format: GroupFormat) {
    let parts = kernelParts(
      format, .bf16, [Float](repeating: 0, count: format.groupSize), level: .current)
    #expect(parts.codes.allSatisfy { $0 == 0 })
    #expect(PlainGroups.dequantize(format, type: .bf16, parts).allSatisfy { $0 == 0 })
  }

  @Test func formatsThatMLXHasNot() {
    #expect(GroupFormat(.affine, bits: 7) == nil)
    #expect(GroupFormat(.affine, bits: 4, groupSize: 16) == nil)
    #expect(GroupFormat(.mxfp4, bits: 8) == nil)
    #expect(GroupFormat(.nvfp4, groupSize: 32) == nil)
    #expect(GroupFormat()?.name == "affine4/64")
    #expect(GroupFormat.all.allSatisfy { GroupFormat(name: $0.name) == $0 })
  }

  @Test("Infinite scales are found", arguments: weightTypes)
  func invalidScales(type: ElementType) throws {
    let format = try #require(GroupFormat())
    var values = [Float](repeating: 1, count: 128)
    #expect(invalid(format, type, values) == nil)
    guard type != .f16 else { return }
    values[64] = 3e38
    values[65] = -3e38
    #expect(invalid(format, type, held(values, type)) == 1)
  }

  private func invalid(_ format: GroupFormat, _ type: ElementType, _ values: [Float]) -> Int? {
    kernelParts(format, type, values, level: .current).scales.withUnsafeBytes {
      GroupQuantizer.firstInvalidScale(format, $0, type: type)
    }
  }
}

/// Quantizes with the kernels of one level.
func kernelParts(
  _ format: GroupFormat, _ type: ElementType, _ values: [Float], level: KernelLevel
) -> PlainGroups.Parts {
  let scaleCount = format.groupCount(rowLength: values.count) * format.scaleType(weights: type).bitCount / 8
  var parts = PlainGroups.quantize(format, type: type, values: [])
  parts.codes = [UInt8](repeating: 0xA5, count: format.codeByteCount(rowLength: values.count))
  parts.scales = [UInt8](repeating: 0xA5, count: scaleCount)
  parts.biases = [UInt8](repeating: 0xA5, count: format.hasBiases ? scaleCount : 0)
  values.withUnsafeBufferPointer { values in
    parts.codes.withUnsafeMutableBytes { codes in
      parts.scales.withUnsafeMutableBytes { scales in
        parts.biases.withUnsafeMutableBytes { biases in
          GroupQuantizer.quantize(
            format, type: type, values: values, into: .init(codes: codes, scales: scales, biases: biases),
            level: level)
        }
      }
    }
  }
  return parts
}

/// Values as a type holds them, the largest finite ones in place of infinities.
func held(_ values: [Float], _ type: ElementType) -> [Float] {
  let limit: Float = type == .f16 ? 65504 : type == .bf16 ? 0x1.FEp127 : .greatestFiniteMagnitude
  let limited = values.map { max(-limit, min(limit, $0)) }
  guard type != .f32 else { return limited }
  var bytes = [UInt8](repeating: 0, count: 2 * values.count)
  var result = limited
  limited.withUnsafeBufferPointer { from in
    bytes.withUnsafeMutableBytes {
      type == .f16
        ? FloatConversion.narrowToF16(from, into: $0) : FloatConversion.narrowToBF16(from, into: $0)
    }
  }
  bytes.withUnsafeBytes { from in
    result.withUnsafeMutableBufferPointer { FloatConversion.widen(type, bytes: from, into: $0) }
  }
  return result
}
