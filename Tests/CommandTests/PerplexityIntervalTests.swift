import Foundation
import TestSupport
import Testing

/// What `pouch-perplexity --json` prints.
struct PerplexityReport: Decodable {
  struct Estimate: Decodable {
    var value: Double
    var interval95: [Double]?
  }
  struct Comparison: Decodable {
    var meanDivergence: Estimate
    var perplexityChangePercent: Estimate
    var meanDivergenceBound: Double
    var sameTop: Estimate
    var verdict: String
  }
  struct Pairing: Decodable {
    var model: String
    var meanDivergenceChange: Double
    var meanDivergenceChangePercent: Estimate?
    var verdict: String
  }
  struct Result: Decodable {
    var model: String
    var cache: String
    var intervalUnits: Int
    var paired: [Pairing]?
    var textXXH64: String
    var tokens, windows, windowLength, windowStep, scoredTokens: Int
    var `protocol`: String
    var mode: String
    var isComplete: Bool
    var perplexity: Estimate
    var verdictText: String
    var comparison: Comparison?
  }
  var pouchVersion: String
  var isComplete: Bool
  var results: [Result]
}

extension PerplexityFixture {
  /// Runs with `--json`.
  func json(_ arguments: [String]) throws -> PerplexityReport {
    let run = try run(arguments + ["--json"])
    try #require(run.status == 0, "\(run.errors)")
    return try JSONDecoder().decode(PerplexityReport.self, from: Data(run.output.utf8))
  }
}

@Suite("pouch-perplexity: intervals, windows left out, progress")
struct PerplexityIntervalTests {
  let fixture: PerplexityFixture

  init() throws { fixture = try PerplexityFixture() }

  /// The numbers in the brackets of a line.
  private func brackets(_ line: Substring) throws -> [[Double]] {
    try line.matches(of: /\[([^\]]*)\]/).map { match in
      try match.1.split(separator: ", ").map { try #require(Double($0), "\(line)") }
    }
  }

  @Test("Blocks, table, verdict and JSON have the same intervals, and nothing has another")
  func oneDefinition() throws {
    let (model, quantized) = (fixture.checkpoint, fixture.quantized)
    let small = fixture.folder.path("tiny-Q4_0.gguf")
    let made = try CommandRun.convert(model, "--outtype", "q4_0", "--outfile", small)
    try #require(made.status == 0, "\(made.errors)")
    let arguments = ["--base", model, "-m", quantized, "-m", small, "-f", fixture.text, "-c", "64"]
    let text = try fixture.run(arguments)
    let report = try fixture.json(arguments)
    #expect(text.status == 0 && !text.output.contains("±") && !text.output.contains("+/-"))
    let lines = text.output.split(separator: "\n")
    #expect(lines.contains { $0.contains("95 % intervals over 46 windows") })
    for (index, result) in report.results.enumerated() {
      #expect(result.intervalUnits == 46)
      let comparison = try #require(result.comparison)
      func close(_ found: [Double], _ expected: PerplexityReport.Estimate, _ tolerance: Double) throws {
        let interval = try #require(expected.interval95)
        #expect(interval.count == 2 && interval[0] < expected.value && expected.value < interval[1])
        for (a, b) in zip(found, interval) { #expect(abs(a - b) <= tolerance, "\(found) \(interval)") }
      }
      let row = try #require(lines.first { $0.hasPrefix(result.model + "  ") })
      let found = try brackets(row)
      #expect(found.count == 4, "\(row)")
      try close(found[0], result.perplexity, 6e-5)
      try close(found[1], comparison.meanDivergence, 6e-7)
      try close(found[2], comparison.perplexityChangePercent, 6e-4)
      #expect((comparison.meanDivergence.interval95?[0] ?? 0) > 0)
      let block = lines.filter { $0.hasPrefix("Mean    KLD:") }
      #expect(block.count == 2)
      try close(try brackets(block[index])[0], comparison.meanDivergence, 6e-7)
      // The verdict's percentages.
      let verdict = lines.filter { $0.hasPrefix("Verdict: ") }[index]
      let percent = verdict.matches(of: /[-+]([0-9.]+) %/).compactMap { Double($0.1) }
      #expect(percent.count == 2, "\(verdict)")
      for (a, b) in zip(percent, comparison.perplexityChangePercent.interval95 ?? []) {
        #expect(abs(a - abs(b)) <= 6e-4, "\(verdict)")
      }
    }
    // The pair, beside the first model.
    #expect(report.results[0].paired == nil)
    let pair = try #require(report.results[1].paired?.first)
    #expect(pair.model == quantized)
    let line = try #require(lines.last { $0.contains("paired: ") })
    let interval = try #require(pair.meanDivergenceChangePercent?.interval95)
    for (a, b) in zip(try brackets(line)[0], interval) { #expect(abs(a - b) <= 0.06, "\(line)") }
    #expect(
      line.hasSuffix(pair.verdict) && pair.verdict == "farther from the base" && pair.meanDivergenceChange > 0
    )
  }

  @Test("One window has no interval, in no form, and the output says why")
  func oneWindow() throws {
    let (model, quantized) = (fixture.checkpoint, fixture.quantized)
    let text = ["-f", fixture.text, "-c", "512", "--chunks", "1"]
    for arguments in [
      ["-m", quantized] + text, ["--base", model, "-m", quantized] + text,
      ["--base", model, "-m", quantized, "-m", model] + text,
      ["-m", quantized, "--ppl-stride", "32", "-f", fixture.text, "-c", "256", "--chunks", "9"],
    ] {
      let run = try fixture.run(arguments)
      #expect(run.status == 0, "\(run.errors)")
      #expect(run.output.lowercased().contains("there are no intervals"), "\(run.output)")
      #expect(run.output.wholeMatch(of: /(?s).*[0-9] \[[0-9-].*/) == nil, "\(run.output)")
      #expect(!run.output.contains("±") && !run.output.contains("+/-"))
      let report = try fixture.json(arguments)
      for result in report.results {
        #expect(result.intervalUnits == 1 && result.perplexity.interval95 == nil)
        #expect(result.comparison?.meanDivergence.interval95 == nil)
        #expect(result.verdictText.contains("there are no intervals"), "\(result.verdictText)")
        for pair in result.paired ?? [] { #expect(pair.meanDivergenceChangePercent?.interval95 == nil) }
      }
    }
  }

  @Test("Windows left out at the start: the rest has the numbers that it has in a text without them")
  func fromChunk() throws {
    let bytes = PerplexityFixture.bytes(3000, seed: 5)
    let rest = try fixture.folder.write("rest.txt", Array(bytes[(5 * 64)...]))
    let common = ["-m", fixture.quantized, "-c", "64", "--chunks", "7"]
    let skipped = try fixture.run(common + ["-f", fixture.text, "--from-chunk", "5"])
    let cut = try fixture.run(common + ["-f", rest])
    #expect(skipped.status == 0 && skipped.output == cut.output, "\(skipped.errors)")
    #expect(skipped.errors.contains("the first being number 6"))
    #expect(try fixture.run(common + ["-f", fixture.text, "--from-chunk", "46"]).status == 3)
    #expect(try fixture.run(common + ["-f", fixture.text, "--from-chunk", "-1"]).status == 2)
    #expect(
      try fixture.run(common + ["-f", fixture.text, "--from-chunk", "1", "--ppl-stride", "8"]).status == 2)
  }

  @Test("Progress has the time to go from the first window on, for all models together")
  func progress() throws {
    let (model, quantized) = (fixture.checkpoint, fixture.quantized)
    let text = ["-f", fixture.text, "-c", "256"]
    for (arguments, total) in [
      (["--base", model, "-m", quantized, "-m", model] + text, 11),
      (["-m", quantized, "-m", model] + text, 22),
    ] {
      let run = try fixture.run(arguments)
      let lines = run.errors.split(separator: "\n").filter {
        $0.contains(" of \(total) windows, ") && $0.contains(" left")
      }
      #expect(lines.first?.hasPrefix("1 of \(total) windows, 0:0") == true, "\(run.errors)")
      #expect((8...11).contains(lines.count), "\(run.errors)")
    }
  }
}
