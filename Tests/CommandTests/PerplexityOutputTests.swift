import FileBytes
import Foundation
import TestSupport
import Testing

@Suite("pouch-perplexity: what it prints")
struct PerplexityOutputTests {
  let fixture: PerplexityFixture

  init() throws { fixture = try PerplexityFixture() }

  @Test("JSON is one object with hash, tokens, protocol and verdict in every mode")
  func everyMode() throws {
    let (model, quantized, base) = (fixture.checkpoint, fixture.quantized, fixture.folder.path("base"))
    let text = ["-f", fixture.text, "-c", "64", "--chunks", "6"]
    let runs = [
      ["-m", model, "-m", quantized] + text,
      ["-m", model, "--ppl-stride", "32"] + text,
      ["-m", model, "--base-top-k", "20", "--kl-divergence-base", base] + text,
      ["--base", model, "-m", quantized] + text,
      ["-m", quantized, "--kl-divergence", "--kl-divergence-base", base],
      ["-m", quantized, "--kl-divergence", "--kl-divergence-base", base, "-f", fixture.text],
    ]
    let bytes = PerplexityFixture.bytes(3000, seed: 5)
    let hash = String(bytes.withUnsafeBytes { XXHash64.hash($0) }, radix: 16)
    var reports: [PerplexityReport] = []
    for arguments in runs {
      let report = try fixture.json(arguments)
      #expect(report.isComplete && report.results.count == arguments.filter { $0 == "-m" }.count)
      for result in report.results {
        #expect(result.isComplete && result.textXXH64.hasSuffix(hash), "\(arguments)")
        #expect(result.windows == 6 && result.scoredTokens == 6 * (result.windowStep == 32 ? 32 : 31))
        #expect(result.protocol.hasPrefix("6 windows of \(result.windowLength) tokens"))
        #expect(!result.verdictText.isEmpty)
        #expect(result.perplexity.value > 1)
        // Strides of 32 in windows of 256: all six make one stretch of text, which has no interval.
        #expect(result.intervalUnits == (result.windowStep == 32 ? 1 : 6))
        let interval = result.perplexity.interval95
        #expect((interval == nil) == (result.windowStep == 32))
        if let interval {
          #expect(interval[0] < result.perplexity.value && result.perplexity.value < interval[1])
        }
      }
      reports.append(report)
    }
    #expect(reports[0].results[0].tokens == 3000)
    #expect(reports[1].results[0].windowLength == 256 && reports[1].results[0].windowStep == 32)
    let compared = reports.map { $0.results[0].comparison }
    #expect(compared[0] == nil && compared[2] == nil)
    // Lock-step sees the whole vocabulary; the file gives an interval that holds its result.
    let (full, compact) = (try #require(compared[3]), try #require(compared[4]))
    #expect(full.meanDivergence.value > 0)
    #expect(compact.meanDivergence.value <= full.meanDivergence.value + 1e-6)
    #expect(compact.meanDivergenceBound >= full.meanDivergence.value - 1e-6)
    #expect(compact.meanDivergenceBound > compact.meanDivergence.value)
    #expect(compact.sameTop.value == full.sameTop.value && compact.verdict == full.verdict)
    #expect(abs(reports[3].results[0].perplexity.value - reports[0].results[1].perplexity.value) < 1e-3)
  }

  @Test("Results are the same for every number of threads and every batch size")
  func threads() throws {
    let arguments = ["--base", fixture.checkpoint, "-m", fixture.quantized, "-f", fixture.text, "-c", "48"]
    let one = try fixture.run(arguments)
    let many = try CommandRun("pouch-perplexity", arguments + ["-t", "3", "-b", "7"])
    #expect(one.status == 0 && one.output == many.output, "\(one.errors)\(many.errors)")
    for row in ["====== Perplexity statistics ======", "Mean    KLD:", "Same top p:", "Verdict:"] {
      #expect(one.output.contains(row))
    }
  }

  @Test("The two forms of the line of a window")
  func lines() throws {
    let arguments = ["-m", fixture.quantized, "-f", fixture.text, "-c", "64", "--chunks", "2"]
    let running = try fixture.run(arguments).output.split(separator: "\n")
    #expect(running.first?.hasPrefix("[1]") == true && running.first?.contains(",[2]") == true)
    #expect(running.dropFirst().first?.hasPrefix("Final estimate: PPL = ") == true)
    let table = try fixture.run(arguments + ["--ppl-output-type", "1"]).output.split(separator: "\n")
    #expect(table[0].hasPrefix("       0  ") && table[1].hasPrefix("      64  "))
    #expect(table[0].split(separator: " ").count == 4)
    let strided = try fixture.run(arguments + ["--ppl-output-type", "1", "--ppl-stride", "10"]).output
      .split(separator: "\n")
    #expect(strided[1].hasPrefix("      10  ") && strided[1].split(separator: " ").count == 2)
  }

  @Test("The built-in text is the sample, with hash and licence")
  func builtin() throws {
    let sample = RepositoryFiles.path("samples/texts/svg-plain.txt")
    let arguments = ["-m", fixture.quantized, "-c", "64", "--chunks", "2"]
    let own = try fixture.run(arguments + ["--corpus", "builtin"])
    let file = try fixture.run(arguments + ["-f", sample])
    #expect(own.status == 0 && own.output == file.output, "\(own.errors)")
    #expect(own.errors.contains("builtin:svg-plain") && own.errors.contains("CC BY-SA 4.0"))
    let hash = try #require(file.errors.components(separatedBy: "xxh64 ").last?.prefix(16))
    #expect(own.errors.contains("xxh64 " + hash))
  }

  @Test("An existing base file is replaced under --force alone")
  func force() throws {
    let base = try fixture.folder.write("base", [1, 2, 3])
    let arguments = [
      "-m", fixture.checkpoint, "-f", fixture.text, "-c", "64", "--chunks", "2", "--kl-divergence-base", base,
    ]
    let run = try fixture.run(arguments)
    #expect(run.status == 3 && run.lastErrorLine.contains(base) && run.lastErrorLine.contains("--force"))
    #expect(FileManager.default.contents(atPath: base) == Data([1, 2, 3]))
    #expect(try fixture.run(arguments + ["--force"]).status == 0)
    #expect((FileManager.default.contents(atPath: base)?.count ?? 0) > 100)
  }

  @Test(
    "A page has the answer, a chart of size and loss, and the numbers in several orders; it replaces nothing unasked"
  )
  func page() throws {
    let page = fixture.folder.path("page.html")
    func html() throws -> String { try String(contentsOfFile: page, encoding: .utf8) }
    let small = fixture.folder.path("tiny-Q4_0.gguf")
    try CommandRun.convert(fixture.checkpoint, "--outtype", "q4_0", "--outfile", small).expect(0)
    let text = ["-f", fixture.text, "-c", "64", "--chunks", "4", "--html", page]
    let several = ["--base", fixture.checkpoint, "-m", fixture.quantized, "-m", small] + text
    let report = try fixture.json(several)
    let whole = try html()
    #expect(whole.contains("<p class=\"answer\">") && whole.contains("tiny-Q8_0.gguf is closest to the base"))
    #expect(whole.components(separatedBy: "<svg").count == 3)
    // A disc for each model in each of both drawings.
    #expect(whole.components(separatedBy: "<circle").count == 5)
    // Five orders of two rows, and who loses less stands first by divergence.
    #expect(whole.components(separatedBy: "type=\"radio\"").count == 6)
    #expect(!whole.contains("<script"))
    for result in report.results {
      let divergence = try #require(result.comparison?.meanDivergence.value)
      let places = max(2 - Int(floor(log10(divergence))), 0)
      #expect(whole.contains(">" + String(format: "%.\(places)f", divergence) + "<"))
    }
    let again = try fixture.run(several)
    #expect(again.status == 3 && again.lastErrorLine.contains("--html") && again.output.isEmpty)
    #expect(try html() == whole)
    let alone = try fixture.run(["-m", fixture.quantized] + text + ["--force"])
    #expect(alone.status == 0, "\(alone.errors)")
    #expect(try html().contains("Perplexity of tiny-Q8_0.gguf") && !(try html()).contains("<svg"))
    let part = try fixture.run(["-m", small, "--part", "1/2", "--resume", fixture.folder.path("s")] + text)
    #expect(part.status == 2 && part.errors.contains("--html"))
  }
}
