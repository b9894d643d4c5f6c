import CheckpointConversion
import FileBytes
import Foundation
import GGUFFormat
import QuantRecipes
import Synchronization
import TensorTypes
import TestSupport
import Testing

@Suite("Weights outside of the range of their type")
struct RangeTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func prepare(_ tiny: TinyGGUF, _ mix: StockMix, _ output: String = "out.gguf") throws
    -> PreparedConversion
  {
    var request = ConversionRequest(source: try tiny.write(to: folder), outputType: .mix(mix))
    request.outputPath = folder.path(output)
    return try ConversionPlanner.prepareGGUF(request)
  }

  private func losses(_ tiny: TinyGGUF, _ mix: StockMix) throws -> [LostWeights] {
    try prepare(tiny, mix).executor.run(ExecutionOptions(threadCount: 2, force: true)).losses
  }

  private func isMissing(_ name: String) -> Bool { FileSystem.kind(of: folder.path(name)) == .missing }

  @Test(
    "a weight that becomes an infinity is refused with its place, and nothing is left",
    arguments: [65536, -65536, 1e6, Float(bitPattern: 0x7F7F_0000)] as [Float])
  func overflow(value: Float) throws {
    var tiny = TinyGGUF()
    tiny.poison = ("blk.0.ffn_down_exps.weight", (2 * 96 + 5) * 256 + 17, value)
    let prepared = try prepare(tiny, .f16)
    let error = #expect(throws: ConversionError.self) {
      try prepared.executor.run(ExecutionOptions(threadCount: 2))
    }
    let bits = UInt32(value.bitPattern & 0xFFFF_0000)
    #expect(error?.code == .valueOutOfRange)
    #expect(error?.faultClass == .rejected)
    #expect(error?.fault.subject.hasSuffix("blk.0.ffn_down_exps.weight, expert 2, row 5") == true)
    #expect(error?.fault.found == "\(Float(bitPattern: bits)) in column 17")
    #expect(error?.fault.remedy.contains("bf16 or f32") == true)
    #expect(isMissing("out.gguf") && isMissing("out.gguf.partial") && isMissing("out.gguf.journal"))
    // bf16 and blocks of 32 bits hold it.
    _ = try prepare(tiny, .bf16, "bf16.gguf").executor.run(ExecutionOptions(threadCount: 1))
  }

  @Test("the largest f16 is held")
  func largest() throws {
    var tiny = TinyGGUF()
    // 65280 is the largest bf16 below 65504.
    tiny.poison = ("blk.0.attn_q.weight", 3, 65280)
    #expect(try losses(tiny, .f16).isEmpty)
  }

  @Test("an f32 weight beyond bf16 is refused, too")
  func bfloatOverflow() throws {
    var tiny = TinyGGUF()
    tiny.tensors[4].type = .f32
    tiny.poison = ("blk.0.ffn_down_exps.weight", 300, .greatestFiniteMagnitude)
    let prepared = try prepare(tiny, .bf16)
    let error = #expect(throws: ConversionError.self) {
      try prepared.executor.run(ExecutionOptions(threadCount: 1))
    }
    #expect(error?.code == .valueOutOfRange)
    #expect(error?.fault.subject.hasSuffix("expert 0, row 1") == true)
    #expect(error?.fault.remedy.contains("f32") == true)
  }

  static let mixes: [StockMix] = [
    .f16, .q8_0, .q4_0, .q4_1, .q5_0, .q5_1, .q4_K_M, .q5_K_S, .q6_K, .q3_K_S, .q2_K, .iq4_NL, .iq4_XS,
  ]

  @Test("good weights lose nothing", arguments: mixes + [.bf16, .f32])
  func good(mix: StockMix) throws { #expect(try losses(TinyGGUF(), mix).isEmpty) }

  @Test("a tensor that becomes zeros is named", arguments: mixes)
  func whole(mix: StockMix) throws {
    var tiny = TinyGGUF()
    tiny.scaled = ("blk.0.attn_q.weight", 0..<(256 * 256), 0x1p-34)
    let found = try losses(tiny, mix)
    #expect(found.map(\.tensor) == ["blk.0.attn_q.weight"])
    let loss = try #require(found.first)
    #expect(loss.isWhole && loss.rows == 256 && loss.rowsWithValues == 256 && loss.experts.isEmpty)
    #expect(loss.largest > 5e-12 && loss.largest < 6e-12)
    #expect(loss.text.hasPrefix("all weights became zeros as \(loss.type)"))
  }

  @Test("experts and rows that become zeros are named; rows of zeros are not")
  func parts() throws {
    var tiny = TinyGGUF()
    tiny.scaled = ("blk.0.ffn_down_exps.weight", (2 * 96 * 256)..<(3 * 96 * 256), 0x1p-40)
    let expert = try #require(try losses(tiny, .q8_0).first)
    #expect(expert.experts == [2] && expert.expertCount == 4 && expert.rows == 96 && !expert.isWhole)
    #expect(expert.text.hasPrefix("expert 2 of 4, 96 of 384 rows, became zeros"))
    tiny.scaled = ("blk.0.ffn_down_exps.weight", (100 * 256)..<(103 * 256), 0x1p-40)
    let rows = try #require(try losses(tiny, .q4_0).first)
    #expect(rows.rows == 3 && rows.experts.isEmpty && rows.text.hasPrefix("3 of 384 rows became zeros"))
    tiny.scaled = ("blk.0.attn_q.weight", 0..<(256 * 256), 0)
    #expect(try losses(tiny, .q4_0).isEmpty)
    // Rows that are no whole number of 32 values, in a float type.
    tiny.tensors[3] = ("blk.0.extra.weight", [24, 7, 5], .f32)
    tiny.scaled = ("blk.0.extra.weight", (24 * 7)..<(24 * 14), 0x1p-40)
    let odd = try #require(try losses(tiny, .f16).first)
    #expect(odd.tensor == "blk.0.extra.weight" && odd.rows == 7 && odd.experts == [1])
  }

  @Test("a refusing run keeps its work, and the next one finishes from it and says the same")
  func refusal() throws {
    var tiny = TinyGGUF()
    tiny.scaled = ("blk.0.attn_v.weight", 0..<(128 * 256), 0x1p-40)
    let reference = try prepare(tiny, .q4_K_M, "reference.gguf")
    let expected = try reference.executor.run(ExecutionOptions(threadCount: 1)).losses
    #expect(expected.count == 1)
    let prepared = try prepare(tiny, .q4_K_M)
    var options = ExecutionOptions(threadCount: 2)
    options.refusesLosses = true
    for _ in 0..<2 {
      let error = #expect(throws: ConversionError.self) { try prepared.executor.run(options) }
      #expect(error?.code == .strictViolation)
      #expect(error?.fault.description.contains("blk.0.attn_v.weight: all weights became zeros") == true)
      #expect(isMissing("out.gguf") && !isMissing("out.gguf.partial"))
    }
    options.refusesLosses = false
    let summary = try prepared.executor.run(options)
    #expect(summary.resumedByteCount == prepared.plan.sourceByteCount)
    #expect(summary.losses == expected)
    #expect(try contents(folder.path("out.gguf")) == contents(folder.path("reference.gguf")))
  }

  @Test("a run that was interrupted again and again says what one run says")
  func resumed() throws {
    var tiny = TinyGGUF()
    tiny.scaled = ("blk.0.ffn_down_exps.weight", (90 * 256)..<(300 * 256), 0x1p-40)
    let expected = try losses(tiny, .q8_0)
    #expect(expected.first?.experts == [1, 2])
    let prepared = try prepare(tiny, .q8_0, "again.gguf")
    for attempt in 1... {
      let tiles = Atomic<Int>(0)
      let options = ExecutionOptions(
        // Other limits cut other tiles.
        threadCount: 1, maxMemory: 360_000 + 20_000 * (attempt % 3),
        onProgress: { _ in tiles.wrappingAdd(1, ordering: .relaxed) },
        isCancelled: { tiles.load(ordering: .relaxed) >= 2 })
      do {
        #expect(try prepared.executor.run(options).losses == expected)
        break
      } catch let error as ConversionError {
        #expect(error.code == .interrupted)
      } catch let error as ResumeLogError {
        // A process that another test starts holds the lock until it runs its program.
        #expect(error.code == .inUse)
      }
      try #require(attempt < 100)
    }
  }
}
