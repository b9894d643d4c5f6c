import TensorCompute
import TestSupport
import Testing

@Suite("Reading memory")
struct MemoryReadingTests {
  @Test("Every whole word is in the sum", arguments: [0, 7, 8, 63, 64, 72, 200, 1 << 16, (1 << 16) + 13])
  func sum(count: Int) {
    var random = SeededGenerator(seed: UInt64(count))
    let bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    var expected: UInt64 = 0
    for word in 0..<count / 8 {
      for byte in 0..<8 { expected &+= UInt64(bytes[8 * word + byte]) << UInt64(8 * byte) }
    }
    #expect(bytes.withUnsafeBytes { MemoryReading.wordSum($0) } == expected)
  }
}
