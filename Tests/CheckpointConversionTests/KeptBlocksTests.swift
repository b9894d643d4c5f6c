import CheckpointConversion
import FileBytes
import QuantRecipes
import TensorTypes
import TestSupport
import Testing

/// What is said of experts that a source has as MXFP4 already.
@Suite("Blocks of MXFP4 in a source")
struct KeptBlocksTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func plan(_ source: String, _ mix: StockMix) throws -> ConversionPlan {
    var request = ConversionRequest(source: source, outputType: .mix(mix))
    request.outputPath = folder.path("\(mix.rawValue).gguf")
    request.mixOptions.allowRequantize = true
    return try ConversionPlanner.prepareGGUF(request).plan
  }

  @Test func larger() throws {
    let plain = try TinyGGUF().write(to: folder)
    for mix in [StockMix.q4_K_M, .q8_0, .mxfp4_MOE] { #expect(try plan(plain, mix).advice.isEmpty) }
    var request = ConversionRequest(source: plain, outputType: .mix(.mxfp4_MOE))
    request.outputPath = folder.path("kept.gguf")
    _ = try ConversionPlanner.prepareGGUF(request).executor.run(ExecutionOptions(threadCount: 1))
    let kept = folder.path("kept.gguf")
    // 2 x 256 x 96 x 4 values, of which 32 take 17 bytes, or 34 in Q8_0.
    let text = try #require(try plan(kept, .q8_0).advice.first)
    #expect(
      text.hasPrefix("the source has experts as MXFP4, 0.1 MB; Q8_0 makes q8_0 of them, 0.2 MB"), "\(text)")
    #expect(text.hasSuffix("pouch-quantize INPUT OUTPUT MXFP4_MOE"))
    // Rows of 96 fall back, those of 256 do not.
    let fallen = try #require(try plan(kept, .q4_K_M).advice.first)
    #expect(
      fallen.contains("Q4_K_M makes q5_0, q6_K of them, since its types do not fit rows of 96"), "\(fallen)")
    #expect(PlanReport(try plan(kept, .q4_K_M)).notices.contains(Wording(fallen)))
    // Kept, or smaller.
    for mix in [StockMix.mxfp4_MOE, .copy, .q2_K] {
      #expect(try plan(kept, mix).advice.isEmpty, "\(mix.rawValue)")
    }
  }
}
