import TensorCompute
import Testing

@Suite("Reading memory")
struct MemoryReadingTests {
  /// The sum by its definition.
  private func expected(_ bytes: [UInt8]) -> UInt64 {
    var sum: UInt64 = 0
    for start in stride(from: 0, to: bytes.count / 64 * 64, by: 64) {
      for index in 0..<8 { sum &+= UInt64(bytes[start + index]) << (8 * index) }
    }
    return sum
  }

  private func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7 + 3) } }

  @Test(
    "a word of every line is read, none behind them",
    arguments: [0, 7, 8, 63, 64, 65, 127, 128, 191, 192, 200, 4096, 4160, 10_001])
  func sum(count: Int) {
    let bytes = bytes(count)
    #expect(bytes.withUnsafeBytes { MemoryReading.lineSum($0) } == expected(bytes))
  }

  @Test("threads together read every piece once", arguments: [1, 3])
  func pieces(threads: Int) {
    let pool = WorkerPool(threadCount: threads)
    for count in [0, 64, 2 << 20, (4 << 20) + 192] {
      let bytes = bytes(count)
      #expect(bytes.withUnsafeBytes { MemoryReading.read($0, pool) } == expected(bytes))
    }
  }
}
