import BlockQuantization
import Foundation
import TensorTypes
import TestSupport
import Testing

@Suite("Float conversions")
struct FloatConversionTests {
  func widen(_ type: ElementType, _ bytes: [UInt8], level: KernelLevel = .current) -> [Float] {
    var values = [Float](repeating: 7, count: bytes.count * 8 / type.bitCount)
    bytes.withUnsafeBytes { from in
      values.withUnsafeMutableBufferPointer {
        FloatConversion.widen(type, bytes: from, into: $0, level: level)
      }
    }
    return values
  }

  func bytes<T: FixedWidthInteger>(_ values: [T]) -> [UInt8] {
    values.flatMap { value in (0..<T.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> T($0 * 8)) } }
  }

  func narrowed(_ type: TensorType, _ values: [Float], level: KernelLevel) -> [UInt16] {
    var bytes = [UInt8](repeating: 0, count: values.count * 2)
    values.withUnsafeBufferPointer { from in
      bytes.withUnsafeMutableBytes {
        if type == .f16 {
          FloatConversion.narrowToF16(from, into: $0, level: level)
        } else {
          FloatConversion.narrowToBF16(from, into: $0, level: level)
        }
      }
    }
    return stride(from: 0, to: bytes.count, by: 2).map { UInt16(bytes[$0]) | UInt16(bytes[$0 + 1]) << 8 }
  }

  /// Values with their nearest binary16, worked out by hand.
  static let halves: [(Float, UInt16)] = [
    (0, 0), (-0.0, 0x8000), (1, 0x3C00), (-2, 0xC000), (65504, 0x7BFF), (65519.996, 0x7BFF), (65520, 0x7C00),
    (-1e30, 0xFC00), (0x1p-14, 0x0400), (0x1p-24, 1), (0x1p-25, 0), (0x1.000002p-25, 1), (0x1.8p-24, 2),
    (0x1.4p-23, 2), (1 + 0x1p-11, 0x3C00), (1 + 0x1.8p-10, 0x3C02), (0x1.ffap-15, 0x03FF),
    (0x1.ffcp-15, 0x0400), (0x1.ffep-15, 0x0400),
    (.infinity, 0x7C00), (-.infinity, 0xFC00), (.nan, 0x7E00), (-.nan, 0xFE00), (0x1p-133, 0),
  ]

  @Test(arguments: KernelLevel.available)
  func halfOfKnownValues(level: KernelLevel) {
    #expect(narrowed(.f16, Self.halves.map(\.0), level: level) == Self.halves.map(\.1))
  }

  @Test(arguments: KernelLevel.available)
  func brainFloatOfKnownValues(level: KernelLevel) {
    let known: [(UInt32, UInt16)] = [
      (0x3F80_0000, 0x3F80), (0x3F80_8000, 0x3F80), (0x3F81_8000, 0x3F82), (0x3F80_8001, 0x3F81),
      (0x8000_0000, 0x8000), (0x7F7F_FFFF, 0x7F80), (0x0000_0001, 0), (0x0001_8000, 2), (0x7F80_0000, 0x7F80),
      (0x7F80_0001, 0x7FC0), (0xFFFF_FFFF, 0xFFFF),
    ]
    #expect(narrowed(.bf16, known.map { Float(bitPattern: $0.0) }, level: level) == known.map(\.1))
  }

  @Test("All binary16 and bfloat16 numbers survive", arguments: KernelLevel.available)
  func everyHalf(level: KernelLevel) {
    let all = Array(UInt16.min...UInt16.max)
    let halves = widen(.f16, bytes(all), level: level)
    for (code, back) in zip(all, narrowed(.f16, halves, level: level)) {
      let isNaN = code & 0x7FFF > 0x7C00
      if back != (isNaN ? code & 0x8000 | 0x7E00 : code) { Issue.record("\(code) became \(back)") }
    }
    #expect(halves[0x3555] == 0.333251953125)
    let brains = widen(.bf16, bytes(all), level: level)
    #expect(brains.map(\.bitPattern) == all.map { UInt32($0) << 16 })
    for (code, back) in zip(all, narrowed(.bf16, brains, level: level)) {
      let isNaN = code & 0x7FFF > 0x7F80
      if back != (isNaN ? code | 0x40 : code) { Issue.record("\(code) became \(back)") }
    }
  }

  @Test("Random floats round alike at every level")
  func randomHalves() {
    var generator = SeededGenerator(seed: 11)
    let values = (0..<20_003).map { _ in Float(bitPattern: UInt32(truncatingIfNeeded: generator.next())) }
    let plain = PlainBlockQuantizer.quantize(.f16, rows: values, rowLength: 1)
    let brains = PlainBlockQuantizer.quantize(.bf16, rows: values, rowLength: 1)
    for level in KernelLevel.available {
      #expect(firstDifference(plain, kernelBytes(.f16, values, rowLength: 1, level: level)) == nil)
      #expect(firstDifference(brains, kernelBytes(.bf16, values, rowLength: 1, level: level)) == nil)
    }
  }

  @Test("8-bit floats", arguments: KernelLevel.available)
  func eightBits(level: KernelLevel) {
    let all = Array(UInt8.min...UInt8.max)
    let e4m3 = widen(.f8E4M3, all, level: level)
    let e5m2 = widen(.f8E5M2, all, level: level)
    for code in all {
      let sign: Float = code < 128 ? 1 : -1
      let m = Int(code & 0x7F)
      let four = e4m3[Int(code)]
      if m == 0x7F {
        #expect(four.isNaN)
      } else {
        let magnitude = m < 8 ? Float(m) * 0x1p-9 : Float(8 + m % 8) * pow2(m / 8 - 10)
        #expect(four.bitPattern == (sign * magnitude).bitPattern)
      }
      let five = e5m2[Int(code)]
      if m > 0x7C {
        #expect(five.isNaN)
      } else if m == 0x7C {
        #expect(five == sign * .infinity)
      } else {
        let magnitude = m < 4 ? Float(m) * 0x1p-16 : Float(4 + m % 4) * pow2(m / 4 - 17)
        #expect(five.bitPattern == (sign * magnitude).bitPattern)
      }
    }
    #expect(e4m3[0x7E] == 448)
  }

  private func pow2(_ exponent: Int) -> Float { Float(sign: .plus, exponent: exponent, significand: 1) }

  @Test func otherSources() {
    #expect(widen(.bool, [0, 1]) == [0, 1])
    #expect(widen(.i8, [0x80, 0x7F, 0xFF]) == [-128, 127, -1])
    #expect(widen(.u16, bytes([UInt16(65535), 1])) == [65535, 1])
    #expect(widen(.i16, bytes([Int16(-2)])) == [-2])
    #expect(widen(.i32, bytes([Int32(16_777_217), .min])) == [16_777_216, -2_147_483_648])
    #expect(widen(.u32, bytes([UInt32.max])) == [4_294_967_296])
    #expect(widen(.i64, bytes([Int64(-1)])) == [-1])
    #expect(widen(.u64, bytes([UInt64.max])) == [18_446_744_073_709_551_616])
    let doubles: [Double] = [0.1, -1e300, 1e-50, .pi]
    #expect(widen(.f64, bytes(doubles.map(\.bitPattern))) == [0.1, -.infinity, 0, 3.14159274])
    #expect(widen(.f32, bytes([Float(0.1).bitPattern])) == [0.1])
    #expect(!FloatConversion.canWiden(.f4))
  }

  @Test("The first number that is not finite", arguments: KernelLevel.available)
  func nonFinite(level: KernelLevel) {
    for count in [0, 1, 7, 64, 1000] {
      var values = [Float](repeating: Float.greatestFiniteMagnitude, count: count)
      #expect(values.withUnsafeBufferPointer { FloatConversion.firstNonFinite($0, level: level) } == nil)
      for place in stride(from: count - 1, through: 0, by: -61) {
        values[place] = place % 2 == 0 ? .nan : -.infinity
        #expect(values.withUnsafeBufferPointer { FloatConversion.firstNonFinite($0, level: level) } == place)
      }
    }
  }

  @Test func operations() {
    var values: [Float] = [0, 1, -1.5]
    values.withUnsafeMutableBufferPointer { FloatConversion.addOne($0) }
    #expect(values == [1, 2, -0.5])
    values = [0, 1, -2, -200, 100, .infinity, -.infinity]
    values.withUnsafeMutableBufferPointer { FloatConversion.negateExponential($0) }
    #expect(values == [-1, -2.7182817, -0.13533528, -0.0, -.infinity, -.infinity, -0.0])
  }

  /// The sum is that of `scripts/make-golden-exponential.py`.
  @Test func decayRatesAreThoseOfTorch() {
    let magnitudes = stride(from: UInt32(0x3A80_0000), to: 0x4180_0000, by: 23)
    var sum: UInt64 = 0
    for sign: UInt32 in [0, 0x8000_0000] {
      var values = magnitudes.map { Float(bitPattern: $0 | sign) }
      values.withUnsafeMutableBufferPointer { FloatConversion.negateExponential($0) }
      for (index, value) in values.enumerated() {
        sum &+= UInt64(value.bitPattern) &* (2 &* UInt64(index) &+ 1)
      }
    }
    #expect(sum == 0xc41c_34a1_3551_9a9d)
  }

  /// Beside the C library's log2f, near all powers of two, where the logarithm rounds up to an integer.
  @Test func exponentsOfLargestMagnitudes() {
    for exponent in UInt32(0)..<255 {
      for step in UInt32(0)...200 {
        let bits = [exponent << 23 + step, (exponent + 1) << 23 - 1 - step]
        for value in bits.map({ Float(bitPattern: $0) }) where value > 0 && value.isFinite {
          let values = [value] + [Float](repeating: 0, count: 31)
          let block = values.withUnsafeBufferPointer { quantized($0) }
          let expected = UInt8(truncatingIfNeeded: Int(log2(value).rounded(.down)) + 125)
          #expect(block == expected, "\(value.bitPattern)")
        }
      }
    }
  }

  /// The exponent of an MXFP4 block.
  private func quantized(_ values: UnsafeBufferPointer<Float>) -> UInt8 {
    withUnsafeTemporaryAllocation(byteCount: 17, alignment: 1) { bytes in
      BlockQuantizer.quantize(.mxfp4, rows: values, rowLength: 32, importance: nil, into: bytes)
      return bytes[0]
    }
  }
}
