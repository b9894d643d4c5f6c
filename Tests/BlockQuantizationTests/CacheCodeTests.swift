import BlockQuantization
import TensorTypes
import Testing

@Suite("Codes of caches")
struct CacheCodeTests {
  /// 96 numbers that a loop makes; the last 32 are small.
  private static var values: [Float] {
    var state: UInt32 = 12345
    return (0..<96).map { index in
      state = (state &* 1_103_515_245 &+ 12345) & 0x7FFF_FFFF
      let value = Float((state >> 7) & 0xFFFF) / 32768 - 1
      return index < 64 ? value : value * 1e-3
    }
  }

  private func codes(_ type: TensorType, _ values: [Float]) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0xAA, count: try #require(type.rowByteCount(length: values.count)))
    values.withUnsafeBufferPointer { row in
      bytes.withUnsafeMutableBytes { BlockQuantizer.quantizeForCache(type, row: row, into: $0) }
    }
    return bytes
  }

  @Test("IQ4_NL is that of ggml's quantize_row_iq4_nl_ref, recorded from 0.25.3")
  func iq4() throws {
    let hex =
      "1ea0142f03eb0ddbbd34d4f2bbadddf3be710ca0e1a169f1b3e30bf9af34b532891ea6068300ba5204eae15fd9d610ac320de6be6ec5"
    let found = try codes(.iq4_nl, Self.values).map { byte in
      let digits = String(byte, radix: 16)
      return digits.count == 1 ? "0" + digits : digits
    }
    #expect(found.joined() == hex)
    #expect(try codes(.iq4_nl, [Float](repeating: 0, count: 32)) == [UInt8](repeating: 0, count: 18))
  }

  @Test("Other types are quantized as matrices are", arguments: TensorType.cacheTypes)
  func others(_ type: TensorType) throws {
    let values = Self.values
    var expected = [UInt8](repeating: 0, count: try #require(type.rowByteCount(length: values.count)))
    values.withUnsafeBufferPointer { rows in
      expected.withUnsafeMutableBytes {
        BlockQuantizer.quantize(type, rows: rows, rowLength: 96, importance: nil, into: $0)
      }
    }
    #expect((try codes(type, values) == expected) == (type != .iq4_nl))
  }
}
