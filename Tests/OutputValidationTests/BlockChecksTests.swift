import BlockQuantization
import TensorTypes
import TestSupport
import Testing

/// The reach of blocks and the sums over pairs: all levels give the same bits, and those of a plain definition.
@Suite("Block checks")
struct BlockChecksTests {
  static let types: [TensorType] = [
    .f32, .f16, .bf16, .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .q2_K, .q3_K, .q4_K, .q5_K, .q6_K, .iq4_nl, .iq4_xs,
    .mxfp4,
    .iq2_xxs, .iq2_xs, .iq2_s, .iq3_xxs, .iq3_s, .iq1_s, .tq1_0, .tq2_0, .q1_0, .q2_0,
  ]

  private func reach(_ type: TensorType, _ bytes: [UInt8], _ level: KernelLevel) throws -> [Float] {
    let elements = bytes.count / type.blockByteCount * type.blockLength
    var result = [Float](repeating: -1, count: BlockChecks.blockCount(type, elementCount: elements))
    let isKnown = bytes.withUnsafeBytes { bytes in
      result.withUnsafeMutableBufferPointer { BlockChecks.reach(type, bytes: bytes, into: $0, level: level) }
    }
    try #require(isKnown)
    return result
  }

  @Test("all levels agree on random bytes, infinities and NaNs among them", arguments: types)
  func levels(_ type: TensorType) throws {
    var generator = SeededGenerator(seed: UInt64(type.rawValue) + 1)
    for count in [1, 2, 31, 32, 33, 77] {
      let bytes = (0..<count * type.blockByteCount).map { _ in UInt8.random(in: 0...255, using: &generator) }
      let expected = try reach(type, bytes, .portable)
      for level in KernelLevel.available {
        #expect(try reach(type, bytes, level).map(\.bitPattern) == expected.map(\.bitPattern), "\(level)")
      }
    }
  }

  @Test("no decoded value is beyond what the reach allows, and zero reach means zeros", arguments: types)
  func bound(_ type: TensorType) throws {
    guard BlockQuantizer.canDequantize(type) else { return }
    // The largest code of a format, minima included.
    let most: [TensorType: Float] = [
      .f32: 1, .f16: 1, .bf16: 1, .q4_0: 8, .q4_1: 16, .q5_0: 16, .q5_1: 32, .q8_0: 128, .q2_K: 4, .q3_K: 4,
      .q4_K: 16,
      .q5_K: 32, .q6_K: 32, .iq4_nl: 127, .iq4_xs: 127, .mxfp4: 12,
    ]
    var generator = SeededGenerator(seed: 9)
    let rowLength = 256
    let factor = try #require(most[type])
    for scale in [Float(0), 1e-4, 0.3, 900] {
      var values = (0..<rowLength * 4).map { _ in Float.random(in: -1...1, using: &generator) * scale }
      let size = try #require(type.rowByteCount(length: rowLength)) * 4
      var bytes = [UInt8](repeating: 0, count: size)
      bytes.withUnsafeMutableBytes { bytes in
        values.withUnsafeBufferPointer {
          BlockQuantizer.quantize(type, rows: $0, rowLength: rowLength, importance: nil, into: bytes)
        }
      }
      bytes.withUnsafeBytes { bytes in
        values.withUnsafeMutableBufferPointer {
          BlockQuantizer.dequantize(type, bytes: bytes, rowLength: rowLength, into: $0)
        }
      }
      let reaches = try reach(type, bytes, .current)
      let unit = BlockChecks.blockLength(type)
      for (block, reach) in reaches.enumerated() {
        let largest = values[block * unit..<(block + 1) * unit].map(\.magnitude).max() ?? 0
        #expect(largest <= reach * factor * 1.001, "block \(block): \(largest), reach \(reach)")
        #expect(
          (reach == 0) == (largest == 0) || scale > 0 && reach < 1e-6,
          "block \(block): \(largest), reach \(reach)")
      }
    }
  }

  @Test("scales that are not finite give an infinite reach", arguments: types)
  func infinite(_ type: TensorType) throws {
    var bytes = [UInt8](repeating: 0, count: type.blockByteCount * 3)
    let offset: Int
    switch type {
    case .q2_K: offset = 80
    case .q3_K: offset = 108
    case .q6_K: offset = 208
    case .tq1_0: offset = 52
    case .tq2_0: offset = 64
    default: offset = 0
    }
    for bits in [UInt32(0x7C00), 0xFC00, 0x7E00] {
      let at = type.blockByteCount + offset
      if type == .f32 {
        let wide: UInt32 = bits == 0x7E00 ? 0x7FC0_0000 : 0xFF80_0000
        for byte in 0..<4 { bytes[at + byte] = UInt8(truncatingIfNeeded: wide >> (8 * UInt32(byte))) }
      } else if type == .mxfp4 {
        bytes[at] = 255
      } else {
        let half: UInt32 = type == .bf16 ? (bits == 0x7E00 ? 0x7FC0 : 0xFF80) : bits
        bytes[at] = UInt8(truncatingIfNeeded: half)
        bytes[at + 1] = UInt8(truncatingIfNeeded: half >> 8)
      }
      for level in KernelLevel.available {
        let reaches = try reach(type, bytes, level)
        #expect(reaches[type.isQuantized ? 1 : 0] == .infinity)
        if type.isQuantized { #expect(reaches[0].isFinite && reaches[2].isFinite) }
      }
    }
  }

  @Test(
    "sums: all levels give the same bits, near the exact ones", arguments: [1, 15, 16, 17, 256, 1000, 4096])
  func sums(_ count: Int) throws {
    var generator = SeededGenerator(seed: UInt64(count))
    let x = (0..<count).map { _ in Float.random(in: -2...2, using: &generator) }
    let y = x.map { $0 + Float.random(in: -0.1...0.1, using: &generator) }
    for unit in [32, 256] {
      var results: [(BlockChecks.Sums, [Float])] = []
      for level in KernelLevel.available {
        var errors = [Float](repeating: 0, count: (count + unit - 1) / unit)
        let sums = x.withUnsafeBufferPointer { x in
          y.withUnsafeBufferPointer { y in
            errors.withUnsafeMutableBufferPointer {
              BlockChecks.compare(x, y, blockLength: unit, errors: $0, level: level)
            }
          }
        }
        results.append((sums, errors))
      }
      let first = try #require(results.first)
      for other in results { #expect(other.0 == first.0 && other.1 == first.1) }
      let exact = zip(x, y).reduce(0.0) { $0 + (Double($1.0) - Double($1.1)) * (Double($1.0) - Double($1.1)) }
      let cross = zip(x, y).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
      #expect(abs(first.0.ee - exact) <= 1e-5 * exact)
      #expect(abs(first.0.xy - cross) <= 1e-5 * cross)
      #expect(abs(first.1.reduce(0) { $0 + Double($1) } - first.0.ee) <= 1e-6 * exact)
      // A single pair may be near zero, where 0.1 is much.
      if count > 1 { #expect(first.0.cosine > 0.99 && first.0.relativeError < 0.1) }
    }
  }
}
