import BlockQuantization
import ReferenceRuntime
import TensorCompute
import Testing

@Suite struct BatchInvarianceTests {
  private func logits(
    _ model: LoadedModel, _ tokens: [Int32], pieces: [Int], threads: Int = 1, mode: ComputeMode = .exact,
    cache: CacheType = .f32
  ) throws -> [Float] {
    let session = try Session(
      model: model, contextLength: tokens.count, mode: mode, threads: threads, cacheType: cache)
    var values: [Float] = []
    var start = 0
    for count in pieces {
      values += try session.evaluate(tokens: Array(tokens[start..<(start + count)]), logits: .all).values
      start += count
    }
    #expect(start == tokens.count)
    return values
  }

  @Test(
    arguments: GoldenModel.families + GoldenModel.variants + GoldenModel.others, ComputeMode.allCases)
  func batchesDoNotChangeBits(_ family: String, _ mode: ComputeMode) throws {
    let golden = try GoldenModel(family)
    let model = try LoadedModel.open(path: golden.folder)
    let whole = try logits(model, golden.tokens, pieces: [64], mode: mode)
    for pieces in [[1, 2, 3, 16, 17, 25], [63, 1], [Int](repeating: 1, count: 64)] {
      let parts = try logits(model, golden.tokens, pieces: pieces, mode: mode)
      #expect(firstDifference(parts, whole) == nil)
    }
  }

  @Test(arguments: GoldenModel.families)
  func threadsDoNotChangeBits(_ family: String) throws {
    let golden = try GoldenModel(family)
    let model = try LoadedModel.open(path: golden.folder)
    let one = try logits(model, golden.tokens, pieces: [64])
    for threads in [2, 3, 5] {
      #expect(
        firstDifference(try logits(model, golden.tokens, pieces: [40, 24], threads: threads), one) == nil)
    }
  }

  @Test(arguments: ["qwen3_moe", "qwen3_5_moe"])
  func batchesDoNotChangeBitsWithHalfPrecisionCaches(_ family: String) throws {
    let golden = try GoldenModel(family)
    let model = try LoadedModel.open(path: golden.folder)
    let whole = try logits(model, golden.tokens, pieces: [64], cache: .f16)
    #expect(
      firstDifference(try logits(model, golden.tokens, pieces: [31, 1, 32], cache: .f16), whole) == nil)
    // Rounded to 11 bits: visible, but small.
    let error = relativeError(whole, golden.logits)
    #expect(error > 1e-6 && error < 1e-2)
  }

  @Test(arguments: ["llama", "qwen3_5_moe", "qwen3_next", "mistral-window", "qwen3-layer-types"])
  func levelsDoNotChangeBits(_ family: String) throws {
    let golden = try GoldenModel(family)
    let model = try LoadedModel.open(path: golden.folder)
    let portable = try Session.levels.map { level in
      let session = try Session(
        model: model, contextLength: 64, mode: .exact, threads: 1, cacheType: .f32, batchLength: 512,
        level: level,
        matrixLevel: .current)
      return try session.evaluate(tokens: golden.tokens, logits: .all).values
    }
    #expect(portable.count >= 1)
    for other in portable.dropFirst() { #expect(firstDifference(other, portable[0]) == nil) }
  }

  @Test func smallBatchLengthDoesNotChangeBits() throws {
    let golden = try GoldenModel("qwen3_5_moe")
    let model = try LoadedModel.open(path: golden.folder)
    let whole = try logits(model, golden.tokens, pieces: [64])
    let session = try Session(model: model, contextLength: 64, threads: 1, batchLength: 5)
    #expect(firstDifference(try session.evaluate(tokens: golden.tokens, logits: .all).values, whole) == nil)
  }

  @Test func resetForgets() throws {
    let golden = try GoldenModel("qwen3_5_moe")
    let model = try LoadedModel.open(path: golden.folder)
    let session = try Session(model: model, contextLength: 64, threads: 1)
    let first = try session.evaluate(tokens: Array(golden.tokens.prefix(20)), logits: .all).values
    session.reset()
    let second = try session.evaluate(tokens: Array(golden.tokens.prefix(20)), logits: .all).values
    #expect(firstDifference(first, second) == nil)
  }
}
