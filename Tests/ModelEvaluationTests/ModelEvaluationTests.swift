import FileBytes
import Foundation
import ImportanceData
import ModelEvaluation
import ReferenceRuntime
import TensorCompute
import TestSupport
import Testing
import TextTokenizers

/// The sample checkpoint and text of the repository.
private enum Sample {
  static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  static var model: String { root.appendingPathComponent("samples/Pelican-10M-A5M").path }
  static var text: String { root.appendingPathComponent("samples/texts/svg-plain.txt").path }

  static func load() throws -> (model: LoadedModel, tokens: [Int32]) {
    let model = try LoadedModel.open(path: Self.model)
    let tokenizer = try Tokenizer(metadata: try model.metadata())
    return (model, try EvaluationText(path: text).tokens(tokenizer))
  }
}

private func caught(_ body: () throws -> Void) -> EvaluationError.Code? {
  do {
    try body()
    return nil
  } catch {
    return (error as? EvaluationError)?.code
  }
}

@Suite("Texts and windows")
struct WindowTests {
  @Test("Empty texts, short texts and impossible windows are refused")
  func refused() throws {
    #expect(caught { _ = try EvaluationText(bytes: []) } == .emptyText)
    #expect(caught { _ = try EvaluationText(bytes: [10]) } == .emptyText)
    let tokens = [Int32](0..<20)
    #expect(caught { _ = try TokenWindows(tokens: tokens, length: 11, beginning: nil) } == .textTooShort)
    #expect(caught { _ = try TokenWindows(tokens: tokens, length: .max, beginning: nil) } == .textTooShort)
    #expect(caught { _ = try TokenWindows(tokens: tokens, length: 3, beginning: nil) } == .badWindow)
    #expect(caught { _ = try TokenWindows(tokens: tokens, length: 5, skip: 4, beginning: nil) } == .badWindow)
  }

  @Test("The rest is dropped, the first token replaced, the second half scored")
  func windows() throws {
    let windows = try TokenWindows(tokens: [Int32](0..<23), length: 8, beginning: 99)
    #expect(windows.count == 2)
    #expect(windows.tokens == [Int32](0..<16))
    #expect(windows.input(1) == [99, 9, 10, 11, 12, 13, 14, 15])
    #expect(windows.firstScored == 4)
    #expect(windows.scoredPerWindow == 3)
    #expect(windows.target(1, position: 4) == 13)
  }

  @Test("One newline at the end is not part of the text, but of its hash")
  func newline() throws {
    let text = try EvaluationText(bytes: Array("ab\n\n".utf8))
    #expect(text.bytes == Array("ab\n".utf8))
    #expect(text.hash != (try EvaluationText(bytes: Array("ab\n".utf8)).hash))
  }
}

@Suite("Statistics")
struct StatisticsTests {
  @Test("A uniform row has the logarithm of its length as surprise")
  func uniform() throws {
    let row = [Float](repeating: 3, count: 32)
    let surprise = try row.withUnsafeBufferPointer { try LogitSummary($0).surprise($0[5]) }
    #expect(abs(surprise - log(32)) < 1e-12)
    var perplexity = PerplexityStatistics()
    for _ in 0..<2 {
      for _ in 0..<4 { perplexity.add(surprise) }
      perplexity.endWindow()
    }
    #expect(abs(perplexity.value - 32) < 1e-9)
    #expect(perplexity.meanSurpriseError ?? 0 < 1e-5)
  }

  @Test("Values that are not finite are errors", arguments: [Float.nan, .infinity, -.infinity])
  func nonFinite(_ value: Float) throws {
    let rows: [[Float]] = value == -.infinity ? [[value, value]] : [[0, 1, value], [value, 0, 1]]
    for row in rows {
      #expect(caught { _ = try row.withUnsafeBufferPointer { try LogitSummary($0) } } == .nonFinite)
    }
  }

  @Test("Percentiles are interpolated, the median of even counts is a mean")
  func percentiles() {
    let sorted: [Float] = [0, 1, 2, 4]
    #expect(DivergenceStatistics.percentile(sorted, 0.5) == 1.5)
    #expect(DivergenceStatistics.percentile(sorted, 0) == 0)
    #expect(DivergenceStatistics.percentile(sorted, 1) == 4)
    #expect(DivergenceStatistics.median(sorted) == 1.5)
    #expect(DivergenceStatistics.median([0, 1, 7]) == 1)
  }

  @Test("Verdicts follow the interval of the paired ratio")
  func verdicts() {
    func judge(_ shift: Float, _ count: Int = 400) -> Verdict.Kind {
      var generator = SeededGenerator(seed: 3)
      var statistics = DivergenceStatistics()
      for _ in 0..<10 {
        statistics.add(
          window: (0..<(count / 10)).map { _ in
            let base = Float.random(in: 0.5...3, using: &generator)
            let noise = Float.random(in: -0.1...0.1, using: &generator)
            return PositionScore(
              surprise: base + noise + shift, baseSurprise: base, divergence: 0, divergenceBound: 0,
              isSameTop: true)
          })
      }
      return Verdict(statistics).kind
    }
    #expect(judge(0) == .notDistinguishable)
    #expect(judge(0.05) == .worse)
    #expect(judge(-0.05) == .better)
    #expect(judge(0.05, 50) == .tooFewTokens)
  }
}

@Suite("The sample")
struct SampleEvaluationTests {
  @Test("Perplexity of two windows agrees with llama-perplexity", arguments: [ComputeMode.exact, .fast])
  func perplexity(_ mode: ComputeMode) throws {
    let (model, tokens) = try Sample.load()
    #expect(tokens.count == 94314)
    let windows = try TokenWindows(tokens: tokens, length: 512, limit: 2, beginning: nil)
    let evaluator = try WindowEvaluator(model, length: 512, options: EvaluationOptions(mode: mode))
    var running: [Double] = []
    let result = try PerplexityRun(windows: windows).run(evaluator) { _, soFar in
      running.append(soFar.value)
      return true
    }
    // llama-perplexity on the bf16 GGUF prints [1]1.0321,[2]1.0408; the bound is a tenth of a percent.
    #expect(abs(running[0] - 1.0321) < 0.001)
    #expect(abs(running[1] - 1.0408) < 0.001)
    #expect(result.tokenCount == 510)
  }

  @Test("Strided perplexity agrees with llama-perplexity")
  func strided() throws {
    let (model, tokens) = try Sample.load()
    let windows = try TokenWindows(
      tokens: tokens, length: TokenWindows.stridedLength(64, stride: 64), stride: 64, limit: 2)
    let evaluator = try WindowEvaluator(
      model, length: windows.length, options: EvaluationOptions(mode: .fast))
    var running: [Double] = []
    _ = try PerplexityRun(windows: windows).run(evaluator) { _, soFar in
      running.append(soFar.value)
      return true
    }
    // -c 64 -b 64 --ppl-stride 64 on the bf16 GGUF prints [1]1.0052,[2]1.0929; the bound is a tenth of a percent.
    #expect(abs(running[0] - 1.0052) < 0.001)
    #expect(abs(running[1] - 1.0929) < 0.001)
  }

  @Test("A base file of any format gives the divergence of lock-step; compact ones within their bounds")
  func baseFiles() throws {
    let (model, tokens) = try Sample.load()
    let windows = try TokenWindows(tokens: tokens, length: 128, skip: 40, limit: 3, beginning: nil)
    let base = try WindowEvaluator(model, length: 128, options: EvaluationOptions(mode: .exact))
    let tested = try WindowEvaluator(model, length: 128, options: EvaluationOptions(mode: .fast))
    let folder = try TemporaryFolder()
    let run = DivergenceRun(windows: windows)
    let expected = try run.run([tested], base: base) { _, _ in true }[0]
    #expect(expected.count == 3 * 63)
    for format in BaseFormat.allCases {
      let path = folder.path("base." + format.rawValue)
      let writer = try BaseFileWriter(
        path: path, format: format, windows: windows, vocabularySize: base.vocabularySize, textHash: 7,
        listedTokens: 8)
      _ = try PerplexityRun(windows: windows, base: writer).run(base) { _, _ in true }
      #expect(try writer.finish() != nil)
      let reader = try BaseFileReader(path: path, beginning: nil)
      #expect(reader.format == format)
      #expect(reader.windows == windows)
      let found = try run.run(tested, base: reader) { _, _ in true }
      // Codes of 16 bits are off by up to 16 / 65535 / 2 nat; f32 sums by less.
      for (full, low) in zip(expected.divergences, found.divergences) { #expect(low <= full + 2e-4) }
      for (full, high) in zip(expected.divergences, found.divergenceBounds) { #expect(high >= full - 2e-4) }
      #expect(found.meanDivergence.value <= expected.meanDivergence.value + 1e-4)
      #expect(found.meanDivergenceBound >= expected.meanDivergence.value - 1e-4)
      #expect(abs(found.logRatio.value - expected.logRatio.value) < 1e-4)
    }
  }

  @Test("Damaged base files are refused")
  func damaged() throws {
    let folder = try TemporaryFolder()
    func code(_ bytes: [UInt8]) throws -> EvaluationError.Code? {
      let path = try folder.write("base", bytes)
      return caught { _ = try BaseFileReader(path: path, beginning: nil) }
    }
    func header(_ numbers: [Int32], _ tokens: [Int32] = []) -> [UInt8] {
      Array("_logits_".utf8) + (numbers + tokens).flatMap { withUnsafeBytes(of: $0.littleEndian, Array.init) }
    }
    #expect(try code([]) == .notABaseFile)
    #expect(try code(Array("GGUF0000".utf8)) == .notABaseFile)
    #expect(try code(header([512])) == .truncatedBase)
    #expect(try code(header([-1, 100, 1])) == .damagedBase)
    #expect(try code(header([1 << 24, 100, 1 << 24])) == .damagedBase)
    #expect(try code(header([1 << 20, 100, 1 << 10])) == .truncatedBase)
    // One scored row of 104 half words follows the tokens, of which one is not in the vocabulary.
    let row = [UInt8](repeating: 0, count: 208)
    #expect(try code(header([4, 100, 1], [1, 2, 100, 3]) + row) == .damagedBase)
    #expect(try code(header([4, 100, 1], [1, 2, 99, 3]) + row) == nil)
    #expect(try code(header([4, 100, 1], [1, 2, 99, 3]) + row.dropLast()) == .truncatedBase)
  }

  @Test("Importance data counts every token and every choice of an expert, and merges")
  func importance() throws {
    let (model, tokens) = try Sample.load()
    let expertCount = try #require(model.expertCount)
    let usedExpertCount = try #require(model.usedExpertCount)
    let windows = try TokenWindows(tokens: tokens, length: 64, limit: 2, beginning: nil)
    func collect(_ before: ImportanceFile? = nil) throws -> ImportanceFile {
      let evaluator = try WindowEvaluator(model, length: 64, options: EvaluationOptions(mode: .exact))
      let collector = ImportanceCollector(expertCount: expertCount)
      if let before { try collector.merge(before, chunkSize: 64, path: "") }
      let run = ImportanceRun(windows: windows, measuresPerplexity: false, needsOutput: false)
      _ = try run.run(evaluator, collector) { _, _ in true }
      try collector.check(against: model.store, model: model.source)
      return try collector.file(chunkSize: 64)
    }
    let once = try collect()
    #expect(once.records.count == 50)
    #expect(once.chunkCount == 2)
    for record in once.records {
      let expected = record.name.contains("_exps.") ? 128 * usedExpertCount : 128
      #expect(record.counts.reduce(0, +) == Int64(expected), "\(record.name)")
    }
    let twice = try collect(once)
    for (a, b) in zip(once.records, twice.records) {
      #expect(b.counts == a.counts.map { 2 * $0 })
      // Sums go on in f32 from where the file ends, row by row as in llama-imatrix; 128 to 256 additions
      // round at most that many times, so the doubled sum is met within 256 half units in the last place.
      let isDoubled = zip(a.sums, b.sums).allSatisfy { abs($1 - 2 * $0) <= 256 * 0x1p-24 * 2 * $0 }
      #expect(isDoubled, "\(a.name)")
    }
    let report = ExpertReport(once, threshold: 1000, usedPerToken: usedExpertCount)
    #expect(report.layers.count == 4)
    #expect(report.layers.allSatisfy { $0.tokenCount == 128 && $0.thin.count + $0.blind.count == 8 })

    let other = try ImportanceFile(
      format: .gguf, records: [ImportanceRecord(name: "blk.0.attn_q.weight", sums: [1, 2], counts: [1])],
      datasets: [], chunkCount: 1, chunkSize: 64)
    let collector = ImportanceCollector(expertCount: expertCount)
    try collector.merge(other, chunkSize: 64, path: "other")
    #expect(
      caught { try collector.check(against: model.store, model: model.source) } == .importanceMismatch)
  }
}
