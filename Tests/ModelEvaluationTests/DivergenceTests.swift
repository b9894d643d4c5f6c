import FileBytes
import Foundation
import ModelEvaluation
import TestSupport
import Testing

@Suite("Forms of a base at one position")
struct BaseFormTests {
  private struct Case {
    var base: [Float]
    var tested: [Float]
    var target: Int
    var limit: Int
  }

  /// Distributions from nearly flat to nearly certain, tested ones from nearly equal to unrelated.
  private func cases(_ count: Int) -> [Case] {
    var generator = SeededGenerator(seed: 11)
    func normal() -> Float {
      // The sum of twelve uniform numbers; the tails matter less here than the spread.
      (0..<12).reduce(Float(-6)) { sum, _ in sum + Float.random(in: 0..<1, using: &generator) }
    }
    return (0..<count).map { number in
      let size = [2, 3, 17, 257, 1500][number % 5]
      let spread = Float.random(in: 0...6, using: &generator)
      let noise = [0.001, 0.1, 1, 10][number / 5 % 4] as Float
      let base = (0..<size).map { _ in spread * normal() }
      let tested =
        number % 7 == 0 ? (0..<size).map { _ in spread * normal() } : base.map { $0 + noise * normal() }
      return Case(
        base: base, tested: tested, target: Int.random(in: 0..<size, using: &generator),
        limit: [1, 2, 8, 64, 256].randomElement(using: &generator) ?? 1)
    }
  }

  private func score(_ item: Case, _ format: BaseFormat?) throws -> PositionScore {
    try item.base.withUnsafeBufferPointer { base in
      try item.tested.withUnsafeBufferPointer { tested in
        guard let format else { return try BaseDistribution.logits(base).score(tested, target: item.target) }
        let bytes = try BaseEncoder(format: format, limit: item.limit)
          .encode(base, LogitSummary(base), target: item.target)
        return try bytes.withUnsafeBytes { raw in
          guard format == .compact else {
            return try BaseDistribution.codes(CodedRecord(raw)).score(tested, target: item.target)
          }
          var cursor = ByteCursor(raw)
          let record = try #require(CompactRecord(&cursor, vocabularySize: base.count))
          #expect(cursor.remaining == 0)
          return try BaseDistribution.compact(record).score(tested, target: item.target)
        }
      }
    }
  }

  /// `sum of p ln(p / q)` in f64 throughout.
  private func reference(_ item: Case) -> Double {
    func logs(_ row: [Float]) -> [Double] {
      let top = Double(row.max() ?? 0)
      let sum = log(row.reduce(0) { $0 + exp(Double($1) - top) })
      return row.map { Double($0) - top - sum }
    }
    return zip(logs(item.base), logs(item.tested)).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) }
  }

  @Test("Whole vocabularies give the divergence; compact records an interval that holds it")
  func bounds() throws {
    var widest = 0.0
    var openIntervals = 0
    for (number, item) in cases(700).enumerated() {
      let expected = reference(item)
      // Terms are f32: each is off by a few units in the last place of a log-probability up to some tens.
      let tolerance = 1e-5 + 1e-5 * expected
      let full = try score(item, nil)
      #expect(abs(Double(full.divergence) - expected) < tolerance, "case \(number)")
      #expect(full.divergenceBound == full.divergence)
      let compact = try score(item, .compact)
      #expect(Double(compact.divergence) <= expected + tolerance, "case \(number)")
      #expect(Double(compact.divergenceBound) >= expected - tolerance, "case \(number)")
      #expect(compact.divergenceBound >= compact.divergence)
      // The same number by another order of f32 operations on logits up to some tens.
      #expect(abs(compact.surprise - full.surprise) < 2e-5)
      #expect(abs(compact.baseSurprise - full.baseSurprise) < 2e-5)
      #expect(compact.isSameTop == full.isSameTop)
      if compact.divergenceBound > compact.divergence {
        openIntervals += 1
        widest = max(widest, Double(compact.divergenceBound - compact.divergence))
      }
    }
    // Most records leave a tail, so that the interval was put to the test.
    #expect(openIntervals > 300 && widest > 0.1)
  }

  @Test("A longer list gives a narrower interval")
  func width() throws {
    var total: [Int: Double] = [:]
    for item in cases(200) where item.base.count == 1500 {
      var item = item
      for limit in [8, 64, 512] {
        item.limit = limit
        let score = try score(item, .compact)
        total[limit, default: 0] += Double(score.divergenceBound - score.divergence)
      }
    }
    let widths = [8, 64, 512].map { total[$0] ?? 0 }
    #expect(widths[0] > widths[1] && widths[1] > widths[2], "\(widths)")
  }

  @Test("16-bit codes give the divergence over what is within 16 nats, to the resolution of the codes")
  func codes() throws {
    for (number, item) in cases(200).enumerated() {
      let top = item.base.max() ?? 0
      // Clipped tails are raised, as in llama.cpp; the comparison is for rows without any.
      guard item.base.allSatisfy({ top - $0 < 12 }) else { continue }
      let found = Double(try score(item, .full).divergence)
      #expect(abs(found - reference(item)) < 4e-4, "case \(number)")
    }
  }

  @Test("Records with impossible values are not records")
  func hostile() throws {
    let row: [Float] = [3, 2, 1, 0]
    let bytes = try row.withUnsafeBufferPointer {
      try BaseEncoder(format: .compact, limit: 2).encode($0, LogitSummary($0), target: 1)
    }
    func reads(_ bytes: [UInt8], size: Int = 4) -> Bool {
      bytes.withUnsafeBytes {
        var cursor = ByteCursor($0)
        return CompactRecord(&cursor, vocabularySize: size) != nil
      }
    }
    #expect(reads(bytes))
    // Tokens 0 and 1 begin at byte 14, log-probabilities at 22.
    #expect(!reads(bytes, size: 1))
    #expect(!reads(Array(bytes.dropLast())))
    for (offset, values) in [
      (0, [0, 0]), (0, [0xFF, 0xFF]), (2, [0, 0, 0xC0, 0x7F]), (6, [0, 0, 0x80, 0x7F]),
      (10, [0, 0, 0x80, 0xFF]),
      (18, [0, 0, 0, 0]), (22, [0, 0, 0xC0, 0x7F]), (22, [0, 0, 0x80, 0x3F]),
    ] as [(Int, [UInt8])] {
      var damaged = bytes
      damaged.replaceSubrange(offset..<(offset + values.count), with: values)
      #expect(!reads(damaged), "byte \(offset)")
    }
  }
}

@Suite("Strided windows, window errors, text checks")
struct ProcedureTests {
  private func code(_ body: () throws -> Void) -> EvaluationError.Code? {
    do {
      try body()
      return nil
    } catch { return (error as? EvaluationError)?.code }
  }

  @Test("Windows begin every stride, the last stride of predictions is scored, nothing is replaced")
  func strided() throws {
    let windows = try TokenWindows(tokens: [Int32](0..<30), length: 12, stride: 4)
    // ceil((30 - 12) / 4)
    #expect(windows.count == 5 && windows.isStrided)
    #expect(windows.firstScored == 7 && windows.scoredPerWindow == 4)
    #expect(windows.input(2) == [Int32](8..<20))
    #expect(windows.target(2, position: 7) == 16)
    // Every token is predicted once, without gaps, up to the last window.
    let targets = (0..<5).flatMap { index in (7..<11).map { windows.target(index, position: $0) } }
    #expect(targets == Array(8..<28))
    #expect(try TokenWindows(tokens: [Int32](0..<30), length: 12, stride: 4, limit: 2).tokens.count == 16)
    for (length, stride) in [(12, 0), (12, 12), (3, 1), (12, -4)] {
      #expect(
        code { _ = try TokenWindows(tokens: [Int32](0..<30), length: length, stride: stride) } == .badWindow)
    }
    #expect(code { _ = try TokenWindows(tokens: [Int32](0..<23), length: 12, stride: 4) } == .textTooShort)
  }

  @Test(
    "Strided windows are as long as llama-perplexity's",
    arguments: [(512, 128, 768), (512, 512, 768), (64, 64, 256), (448, 128, 512), (512, 1, 512)])
  func stridedLength(_ length: Int, _ stride: Int, _ expected: Int) {
    #expect(TokenWindows.stridedLength(length, stride: stride) == expected)
  }

  @Test("Texts that are not UTF-8 are refused at the first bad byte")
  func invalid() throws {
    for bytes: [UInt8] in [[0x61, 0xFF], [0x61, 0xC3], [0x61, 0xED, 0xA0, 0x80], [0x61, 0xC0, 0x80]] {
      #expect(code { _ = try EvaluationText(bytes: bytes) } == .invalidText)
      do { _ = try EvaluationText(bytes: bytes) } catch let error as EvaluationError {
        #expect(error.fault.found.contains("at 1 of \(bytes.count)"), "\(error.fault.found)")
      }
    }
    #expect(try EvaluationText(bytes: Array("zählen ✓".utf8)).byteCount == 11)
  }

  @Test("The error is that of window means, not that of tokens")
  func windows() throws {
    var alike = PerplexityStatistics()
    var mixed = PerplexityStatistics()
    for window in 0..<10 {
      for token in 0..<50 {
        alike.add(window % 2 == 0 ? 1 : 2)
        mixed.add(token % 2 == 0 ? 1 : 2)
      }
      alike.endWindow()
      mixed.endWindow()
    }
    #expect(alike.value == mixed.value)
    // Ten windows of mean 1 or 2: sqrt(10 * 0.25 / (10 * 9)); t with 9 degrees of freedom.
    #expect(abs((alike.meanSurpriseError ?? 0) - (0.25 / 9).squareRoot()) < 1e-12)
    let interval = try #require(alike.estimate.interval95)
    #expect(abs(log(interval.upperBound) - (1.5 + 2.262157 * (0.25 / 9).squareRoot())) < 1e-6)
    #expect(interval.contains(exp(1.5)) && alike.verdict.contains("500 tokens, 10 windows"))
    // Windows that are all the same tell nothing of others.
    #expect(mixed.meanSurpriseError == nil && mixed.estimate.interval95 == nil)
  }
}
