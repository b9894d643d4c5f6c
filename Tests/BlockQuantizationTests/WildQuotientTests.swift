import BlockQuantization
import TensorTypes
import TestSupport
import Testing

/// Rows whose minimum no weight holds: the search gives it up, and quotients leave ±2^22.
///
/// There ggml 0.26.0, which gave these answers, limits quotients before rounding them; 0.25.3 gives other bytes for
/// every type of the table.
@Suite("Known answers where quotients are huge")
struct WildQuotientTests {
  static let rowLength = 512
  static let answers: [(TensorType, String)] = [
    (.q2_K, "50561f1340c8e67724d7ae06e450c389"),
    (.q4_K, "062edebf11470a64fb2e93d7e5a9cd1d"),
    (.q5_K, "9d6e666bf29d9910dfc4e0b5d49e6ef1"),
    (.q4_1, "63211c1013a696d82d187c43d5329f14"),
    (.q5_1, "aa780f881bbda6fb96a96646098fe15c"),
  ]

  private let rows: [Float]
  private let importance: [Float]

  init() {
    var state: UInt32 = 12345
    func draw() -> Float {
      state = state &* 1_664_525 &+ 1_013_904_223
      return Float(state >> 8) * 0x1p-24
    }
    rows = (0..<4 * Self.rowLength).map { i in
      let a = draw() - 0.5
      return i % 16 == 3 ? -65536 : a * 0x1p-13
    }
    importance = (0..<Self.rowLength).map { column in
      let u = draw()
      return column % 16 == 3 ? 0 : u * u
    }
  }

  @Test func inputIsTheOneTheAnswersBelongTo() {
    #expect(
      KnownAnswerInput.digest(rows) == "60b189cbb2e5958b6b7cbe411d1087fae508930e00e1962b0864c1773413f0ae")
    #expect(
      KnownAnswerInput.digest(importance)
        == "c147a5cf4ef7ec90c0b5b6c4be6a0814298b1173973c2dcb1d678a0bfcb93c41")
  }

  @Test("Kernels give the recorded bytes", arguments: answers, KernelLevel.available)
  func kernels(answer: (type: TensorType, digest: String), level: KernelLevel) {
    let bytes = kernelBytes(
      answer.type, rows, rowLength: Self.rowLength, importance: importance, level: level)
    #expect(SHA256.hexadecimalDigest(bytes).prefix(32) == answer.digest)
  }

  @Test("The readable definition gives the recorded bytes", arguments: answers)
  func plain(type: TensorType, digest: String) {
    let bytes = PlainBlockQuantizer.quantize(
      type, rows: rows, rowLength: Self.rowLength, importance: importance)
    #expect(SHA256.hexadecimalDigest(bytes).prefix(32) == digest)
  }
}
