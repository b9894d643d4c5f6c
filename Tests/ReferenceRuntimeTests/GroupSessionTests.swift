import FileBytes
import ReferenceRuntime
import TensorCompute
import Testing

/// Many sequences layer by layer give the bits that each gives alone.
@Suite struct GroupSessionTests {
  /// Sequences of several lengths, one of them a single token.
  private static func sequences(_ tokens: [Int32]) -> [[Int32]] {
    [64, 17, 1, 40, 33, 64, 5].enumerated().map { number, length in
      let start = (number * 13) % tokens.count
      return Array((tokens + tokens)[start..<(start + length)])
    }
  }

  private func alone(_ model: LoadedModel, _ tokens: [Int32], _ mode: ComputeMode) throws -> [Float] {
    let session = try Session(model: model, contextLength: 64, mode: mode, threads: 1)
    return try session.evaluate(tokens: tokens, logits: .all).values
  }

  private func logits(_ group: GroupSession, _ sequence: Int, _ positions: Range<Int>) throws -> [Float] {
    var values: [Float] = []
    var next = positions.lowerBound
    try group.logits(sequence: sequence, positions: positions) { first, rows in
      #expect(first == next)
      values += Array(rows)
      next += rows.count / group.model.vocabularySize
    }
    #expect(next == positions.upperBound)
    return values
  }

  @Test(
    arguments: GoldenModel.families + GoldenModel.variants + GoldenModel.others, ComputeMode.allCases)
  func groupsDoNotChangeBits(_ family: String, _ mode: ComputeMode) throws {
    let golden = try GoldenModel(family)
    let model = try LoadedModel.open(path: golden.folder)
    let sequences = Self.sequences(golden.tokens)
    let expected = try sequences.map { try alone(model, $0, mode) }
    for (size, threads, options) in [
      (1, 1, GroupOptions()), (3, 2, GroupOptions(batchLength: 16, feedForwardRows: 48)),
      (3, 1, GroupOptions(batchLength: 512, feedForwardRows: 7)), (7, 2, GroupOptions()),
      (7, 1, GroupOptions(batchLength: 5, feedForwardRows: 1)),
    ] {
      let group = GroupSession(
        model: model, contextLength: 64, mode: mode, threads: threads, options: options)
      for first in stride(from: 0, to: sequences.count, by: size) {
        let members = first..<min(first + size, sequences.count)
        #expect(try group.run(Array(sequences[members])))
        for member in members {
          let found = try logits(group, member - first, 0..<sequences[member].count)
          #expect(firstDifference(found, expected[member]) == nil, "group of \(size), sequence \(member)")
        }
      }
    }
  }

  @Test(arguments: ["qwen3_moe", "qwen3_5_moe", "deepseek_v3"])
  func partsOfASequenceCanBeAskedForAgain(_ family: String) throws {
    let golden = try GoldenModel(family)
    let model = try LoadedModel.open(path: golden.folder)
    let expected = try alone(model, golden.tokens, .exact)
    let group = GroupSession(model: model, contextLength: 64, threads: 2)
    #expect(try group.run([Array(golden.tokens.prefix(9)), golden.tokens]))
    let width = model.vocabularySize
    for range in [10..<64, 63..<64, 0..<3, 10..<64, 5..<5] {
      let part = Array(expected[(range.lowerBound * width)..<(range.upperBound * width)])
      #expect(firstDifference(try logits(group, 1, range), part) == nil)
    }
  }

  @Test func halfPrecisionCachesGiveTheSameBits() throws {
    let golden = try GoldenModel("qwen3_moe")
    let model = try LoadedModel.open(path: golden.folder)
    let session = try Session(model: model, contextLength: 64, threads: 1, cacheType: .f16)
    let expected = try session.evaluate(tokens: golden.tokens, logits: .all).values
    let group = GroupSession(model: model, contextLength: 64, threads: 1, cacheType: .f16)
    #expect(try group.run([golden.tokens, golden.tokens]))
    for sequence in 0..<2 { #expect(firstDifference(try logits(group, sequence, 0..<64), expected) == nil) }
  }

  @Test func aPassCanBeEndedAndItsWorkAddsUp() throws {
    let golden = try GoldenModel("qwen3_moe")
    let model = try LoadedModel.open(path: golden.folder)
    let group = GroupSession(
      model: model, contextLength: 64, threads: 1, options: GroupOptions(feedForwardRows: 100))
    var last: GroupSession.Step?
    var isAscending = true
    #expect(
      try group.run(
        [golden.tokens, golden.tokens],
        onStep: { step in
          isAscending = isAscending && step.work > (last?.work ?? 0) && step.layer >= (last?.layer ?? 0)
          last = step
          return true
        }))
    let step = try #require(last)
    #expect(isAscending && step.layer == step.layerCount - 1)
    #expect(abs(step.work - model.work(tokens: 128, logits: 0, mode: .exact)) < 1e-6 * step.work)
    #expect(try !group.run([golden.tokens], onStep: { $0.layer < 1 }))
    // Nothing of the pass that was ended stays.
    #expect(try group.run([golden.tokens]))
    #expect(firstDifference(try logits(group, 0, 0..<64), try alone(model, golden.tokens, .exact)) == nil)
  }

  @Test func badTokensAreRefusedBeforeAnythingIsComputed() throws {
    let golden = try GoldenModel("qwen3_moe")
    let model = try LoadedModel.open(path: golden.folder)
    let group = GroupSession(model: model, contextLength: 16, threads: 1)
    for (bad, code) in [
      ([], RuntimeError.Code.emptyInput), ([Int32(model.vocabularySize)], .tokenOutOfRange),
      (Array(golden.tokens.prefix(17)), .contextOverflow),
    ] {
      let error = #expect(throws: RuntimeError.self) { try group.run([[1, 2], bad]) }
      #expect(error?.code == code)
    }
  }
}
