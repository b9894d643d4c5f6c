import BlockQuantization
import TensorTypes
import TestSupport
import Testing

@Suite("Validation of blocks and kernel levels")
struct BlockValidationTests {
  func firstInvalid(_ type: TensorType, _ bytes: [UInt8]) -> Int? {
    bytes.withUnsafeBytes { BlockQuantizer.firstInvalidBlock(type, bytes: $0) }
  }

  /// Where each type keeps its 16-bit scales.
  static let scaleOffsets: [(TensorType, [Int])] = [
    (.q4_0, [0]), (.q5_0, [0]), (.q8_0, [0]), (.iq4_nl, [0]), (.iq4_xs, [0]), (.q4_1, [0, 2]),
    (.q5_1, [0, 2]),
    (.q4_K, [0, 2]), (.q5_K, [0, 2]), (.q2_K, [80, 82]), (.q3_K, [108]), (.q6_K, [208]), (.f16, [0]),
  ]

  @Test("Scales that are not finite are found", arguments: scaleOffsets)
  func scales(type: TensorType, offsets: [Int]) {
    for offset in offsets {
      for bad: UInt16 in [0x7C00, 0xFC00, 0x7E01] {
        // Every other byte is 0x7B: no 16-bit number made of them is infinite.
        var bytes = [UInt8](repeating: 0x7B, count: type.blockByteCount * 5)
        #expect(firstInvalid(type, bytes) == nil)
        for block in [4, 2] {
          bytes[block * type.blockByteCount + offset] = UInt8(bad & 255)
          bytes[block * type.blockByteCount + offset + 1] = UInt8(bad >> 8)
          #expect(firstInvalid(type, bytes) == block)
        }
      }
    }
  }

  @Test func earlierBlockWinsOverEarlierScale() {
    var bytes = [UInt8](repeating: 0, count: 144 * 3)
    bytes[144 * 2 + 1] = 0x7C
    bytes[144 * 1 + 3] = 0x7C
    #expect(firstInvalid(.q4_K, bytes) == 1)
  }

  @Test func otherTypes() {
    #expect(firstInvalid(.mxfp4, [254] + [UInt8](repeating: 255, count: 16)) == nil)
    #expect(
      firstInvalid(.mxfp4, [UInt8](repeating: 0, count: 17) + [255] + [UInt8](repeating: 0, count: 16)) == 1)
    #expect(firstInvalid(.f32, [0, 0, 0x7F, 0x7F, 0, 0, 0x80, 0xFF]) == 1)
    #expect(firstInvalid(.bf16, [0, 0, 0x80, 0x7F]) == 1)
    #expect(firstInvalid(.i32, [255, 255, 255, 127]) == nil)
    #expect(firstInvalid(.q4_K, []) == nil)
  }

  @Test func scalesBeyondBinary16AreReported() {
    let rows = [Float](repeating: 1e7, count: 32)
    #expect(firstInvalid(.q8_0, kernelBytes(.q8_0, rows, rowLength: 32, level: .current)) == 0)
  }

  @Test func supportedTypes() {
    for type in TensorType.allCases {
      let expected = blockTypes.contains(type) || [.f32, .f16, .bf16].contains(type)
      #expect(BlockQuantizer.canQuantize(type) == expected)
      #expect(BlockQuantizer.canDequantize(type) == expected)
    }
  }

  @Test func levels() {
    #expect(KernelLevel.portable.isAvailable)
    #expect(KernelLevel.current.isAvailable)
    #expect(KernelLevel.best != .wideAVX2)
    #expect(KernelLevel.available.contains(KernelLevel.best))
    #expect(KernelLevel(rawValue: "avx2") == .avx2)
  }

  @Test func emptyInput() {
    #expect(kernelBytes(.q4_K, [], rowLength: 256, level: .current).isEmpty)
    #expect(kernelValues(.q4_K, [], rowLength: 256, level: .current).isEmpty)
  }
}
