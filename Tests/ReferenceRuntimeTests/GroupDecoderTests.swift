import FileBytes
import ReferenceRuntime
import TensorCompute
import TensorTypes
import TestSupport
import Testing

/// Sequences that go on together token by token give the bits that each gives alone.
@Suite struct GroupDecoderTests {
  /// A sequence that begins with a prompt at some step, and ends with its last token.
  private struct Text {
    var tokens: [Int32]
    var promptLength: Int
    var firstStep: Int
  }

  private static func texts(_ tokens: [Int32]) -> [Text] {
    [(30, 12, 0), (24, 1, 0), (20, 20, 1), (26, 7, 3), (18, 5, 9), (22, 15, 14)].enumerated().map {
      let start = ($0 * 13) % tokens.count
      return Text(
        tokens: Array((tokens + tokens)[start..<(start + $1.0)]), promptLength: $1.1, firstStep: $1.2)
    }
  }

  /// The logits of the last token of each step of each text.
  private func decode(_ decoder: GroupDecoder, _ texts: [Text]) throws -> [[Float]] {
    var found = texts.map { _ in [Float]() }
    var sequences: [Int: Int] = [:]
    var done = texts.map { _ in 0 }
    let vocabulary = decoder.model.vocabularySize
    var step = 0
    while done != texts.map(\.tokens.count) {
      for (number, text) in texts.enumerated() where text.firstStep == step {
        sequences[number] = try decoder.begin()
      }
      let members = sequences.keys.sorted()
      let inputs = members.map { number in
        let text = texts[number]
        let count = done[number] == 0 ? text.promptLength : 1
        return GroupDecoder.Input(
          sequence: sequences[number] ?? -1,
          tokens: Array(text.tokens[done[number]..<(done[number] + count)]))
      }
      #expect(
        try decoder.evaluate(inputs) { first, rows in
          for row in 0..<(rows.count / vocabulary) {
            found[members[first + row]] += rows[(row * vocabulary)..<((row + 1) * vocabulary)]
          }
        })
      for (number, input) in zip(members, inputs) {
        done[number] += input.tokens.count
        #expect(decoder.position(of: input.sequence) == done[number])
        if done[number] == texts[number].tokens.count {
          decoder.end(input.sequence)
          sequences[number] = nil
        }
      }
      step += 1
    }
    return found
  }

  private func expected(_ model: LoadedModel, _ texts: [Text], _ mode: ComputeMode, _ type: CacheType = .f32)
    throws -> [[Float]]
  {
    try texts.map { text in
      let session = try Session(model: model, contextLength: 64, mode: mode, threads: 1, cacheType: type)
      return try session.evaluate(
        tokens: text.tokens, logits: .range((text.promptLength - 1)..<text.tokens.count)
      ).values
    }
  }

  private static let ways: [(threads: Int, options: GroupOptions, kept: KeptWeights)] = [
    (1, GroupOptions(), .all),
    (2, GroupOptions(), KeptWeights(layerCount: 0, keepsOutput: false)),
    (1, GroupOptions(batchLength: 5, feedForwardRows: 3), KeptWeights(layerCount: 1, keepsOutput: true)),
    (2, GroupOptions(batchLength: 16, feedForwardRows: 512), KeptWeights(layerCount: 1, keepsOutput: false)),
  ]

  @Test(
    arguments: GoldenModel.families + GoldenModel.variants + GoldenModel.others, ComputeMode.allCases)
  func stepsTogetherDoNotChangeBits(_ family: String, _ mode: ComputeMode) throws {
    let golden = try GoldenModel(family)
    let texts = Self.texts(golden.tokens)
    let wanted = try expected(try LoadedModel.open(path: golden.folder), texts, mode)
    for (number, way) in Self.ways.enumerated() {
      let model = try LoadedModel.open(path: golden.folder, isLate: number > 0)
      let decoder = try GroupDecoder(
        model: model, contextLength: 64, mode: mode, threads: way.threads, options: way.options,
        kept: way.kept)
      for (text, found) in try decode(decoder, texts).enumerated() {
        #expect(firstDifference(found, wanted[text]) == nil, "way \(number), text \(text)")
      }
      #expect((decoder.loaded.byteCount > 0) == (way.kept.readByteCount(of: model, rows: 1) > 0))
    }
  }

  @Test(arguments: ["qwen3_moe", "deepseek_v3", "gpt_oss"], [false, true])
  func copiesAndInflatedShards(_ family: String, _ isCompressed: Bool) throws {
    let golden = try GoldenModel(family)
    let parent = try TemporaryFolder()
    var stored = try StoredCheckpoint(folder: golden.folder)
    stored.storeAsFP8(blockRows: 16, blockColumns: 20)
    let folder = try stored.write(in: parent, name: "fp8")
    if isCompressed { try StoredFormsTests.compress(folder) }
    let texts = Self.texts(golden.tokens)
    let wanted = try expected(try LoadedModel.open(path: folder), texts, .fast)
    let late = try LoadedModel.open(path: folder, late: LateWeights(keptByteCount: 0))
    let atFirst = late.store.materializedByteCount
    do {
      let decoder = try GroupDecoder(
        model: late, contextLength: 64, mode: .fast, threads: 2,
        kept: KeptWeights(layerCount: 0, keepsOutput: false))
      for (text, found) in try decode(decoder, texts).enumerated() {
        #expect(firstDifference(found, wanted[text]) == nil, "text \(text)")
      }
    }
    #expect(late.store.materializedByteCount == atFirst)
  }

  @Test(arguments: [CacheType.f16, CacheType(key: .q8_0, value: .f16)])
  func cacheTypes(_ type: CacheType) throws {
    let golden = try GoldenModel("qwen3_moe")
    let model = try LoadedModel.open(path: golden.folder)
    let texts = Self.texts(golden.tokens)
    let decoder = try GroupDecoder(model: model, contextLength: 64, threads: 2, cacheType: type)
    for (text, (found, wanted)) in zip(
      try decode(decoder, texts), try expected(model, texts, .exact, type)
    ).enumerated() {
      #expect(firstDifference(found, wanted) == nil, "text \(text)")
    }
  }

  /// One token of one sequence uses a part of the experts, and only these are read.
  @Test func fewRowsReadFewExperts() throws {
    let golden = try GoldenModel("qwen3_moe")
    let model = try LoadedModel.open(path: golden.folder)
    let none = KeptWeights(layerCount: 0, keepsOutput: false)
    let whole = none.readByteCount(of: model, rows: 1_000)
    for rows in [1, 16] {
      let decoder = try GroupDecoder(model: model, contextLength: 64, threads: 1, kept: none)
      let sequence = try decoder.begin()
      let steps = golden.tokens.count / rows
      for step in 0..<steps {
        let part = golden.tokens[(step * rows)..<((step + 1) * rows)]
        _ = try decoder.evaluate([.init(sequence: sequence, tokens: Array(part))]) { _, _ in }
      }
      // What was read ahead for one more step may be there or not.
      let expected = none.readByteCount(of: model, rows: rows)
      #expect((steps * expected...(steps * expected + whole)).contains(decoder.loaded.byteCount))
      #expect(rows == 1 ? expected < whole : expected == whole)
    }
    #expect(KeptWeights.all.readByteCount(of: model, rows: 16) == 0)
  }

  @Test func aStepCanBeEndedAndOthersGoOn() throws {
    let golden = try GoldenModel("qwen3_moe")
    let model = try LoadedModel.open(path: golden.folder)
    let texts = Array(Self.texts(golden.tokens)[..<2])
    let decoder = try GroupDecoder(
      model: model, contextLength: 64, threads: 1, kept: KeptWeights(layerCount: 0, keepsOutput: false))
    let broken = try decoder.begin()
    #expect(
      try !decoder.evaluate([.init(sequence: broken, tokens: golden.tokens)], onLayer: { $0 < 1 }) { _, _ in }
    )
    decoder.end(broken)
    let wanted = try expected(model, texts, .exact)
    for (text, found) in try decode(decoder, texts).enumerated() {
      #expect(firstDifference(found, wanted[text]) == nil, "text \(text)")
    }
  }

  @Test func badTokensAreRefusedBeforeAnythingIsComputed() throws {
    let golden = try GoldenModel("qwen3_moe")
    let model = try LoadedModel.open(path: golden.folder)
    let decoder = try GroupDecoder(model: model, contextLength: 16, threads: 1)
    let (first, second) = (try decoder.begin(), try decoder.begin())
    for (bad, code) in [
      ([], RuntimeError.Code.emptyInput), ([Int32(model.vocabularySize)], .tokenOutOfRange),
      (Array(golden.tokens.prefix(17)), .contextOverflow),
    ] {
      let error = #expect(throws: RuntimeError.self) {
        try decoder.evaluate([
          .init(sequence: first, tokens: [1, 2]), .init(sequence: second, tokens: bad),
        ]) { _, _ in }
      }
      #expect(error?.code == code)
    }
    #expect(decoder.position(of: first) == 0)
  }

  @Test func replayingASamplerGoesOnWhereItWas() {
    var options = SamplingOptions()
    options.seed = 11
    options.repeatPenalty = 1.2
    let logits = (0..<50).map { Float(($0 * 37) % 17) / 3 }
    var whole = Sampler(options: options)
    var drawn: [Int32] = []
    for _ in 0..<30 {
      drawn.append(whole.sample(logits))
      whole.accept(drawn[drawn.count - 1])
    }
    var later = Sampler(options: options)
    for token in drawn[..<17] { later.replay(token) }
    for token in drawn[17...] {
      #expect(later.sample(logits) == token)
      later.accept(token)
    }
  }
}
