import Foundation
import TestSupport
import Testing

/// The drawing evaluation through the real executable, on the sample with a few short prompts.
@Suite("pouch-svg-eval")
struct SVGEvalTests {
  private static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  private static let sample = root.appendingPathComponent("samples/Pelican-10M-A5M").path

  private let folder: TemporaryFolder
  private var out: String { folder.path("out") }

  init() throws { folder = try TemporaryFolder() }

  private func prompts(_ lines: String...) throws -> String {
    try folder.write("prompts.jsonl", Array((lines.joined(separator: "\n") + "\n").utf8))
  }

  private static let two = [
    #"{"id": "row", "prompt": "Draw three purple rectangles in a column as SVG.", "assertions": [{"check": "count", "of": {"colour": "purple"}, "equals": 3}, {"check": "column"}]}"#,
    #"{"id": "rings", "prompt": "Draw two concentric squares: white and pink as SVG."}"#,
  ]

  private func quantized(_ type: String) throws -> String {
    let path = folder.path("pelican-\(type).gguf")
    let run = try CommandRun.convert(Self.sample, "--outtype", type, "--outfile", path, "-q")
    #expect(run.status == 0, "\(run.errors)")
    return path
  }

  private func evaluate(_ more: [String]) throws -> CommandRun {
    try CommandRun("pouch-svg-eval", ["--base", Self.sample, "--out", out] + more)
  }

  private struct Report: Decodable {
    struct Model: Decodable {
      struct Interval: Decodable, Equatable {
        var value: Double
        var interval95: [Double]?
      }
      struct Forced: Decodable {
        var divergence: Interval
        var verdict: String
        var tokens: Int
      }
      struct Paired: Decodable { var score: Interval }
      struct Truth: Decodable { var met, assertions: Int }
      var label, kind: String
      var forced: Forced?
      var paired: Paired?
      var truth: Truth?
      var answers, failedAnswers: Int
    }
    var scoreVersion: String
    var models: [Model]
    var seed: Int
  }

  private func report(_ text: String) throws -> Report {
    try JSONDecoder().decode(Report.self, from: Data(text.utf8))
  }

  private func file(_ name: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: "\(out)/\(name)"))
  }

  @Test("answers that are drawn together and read layer by layer give the same results")
  func layers() throws {
    let arguments = [
      "-m", try quantized("Q2_K"), "--prompts", try prompts(Self.two[0], Self.two[1]), "--json", "-n", "120",
    ]
    let expected = try evaluate(arguments + ["--schedule", "windows"])
    #expect(expected.status == 0, "\(expected.errors)")
    let refused = try evaluate(arguments + ["--max-memory", "0"])
    refused.expect(3, "--max-memory", "at least")
    try evaluate(arguments + ["--max-memory", "1000TB"]).expect(3, "--max-memory", "and at most")
    try evaluate(arguments + ["--max-memory", "1MB", "--schedule", "windows"]).expect(2, "--schedule windows")
    let least = try #require(refused.errors.firstMatch(of: /at least ([0-9]+) bytes/)).1
    for flags in [["--schedule", "layers"], ["--max-memory", "\(least)", "-t", "1"]] {
      try FileManager.default.removeItem(atPath: out)
      let run = try evaluate(arguments + flags)
      #expect(run.status == 0 && Self.timeless(run.output) == Self.timeless(expected.output), "\(run.errors)")
    }
  }

  @Test("what drawing takes is said before it starts")
  func intent() throws {
    let drawing = folder.url.appendingPathComponent("row.svg")
    try Data("<svg/>".utf8).write(to: drawing)
    let arguments = [
      "--include", "other=\(folder.url.path)", "--prompts", try prompts(Self.two[0], Self.two[1]), "-n", "40",
    ]
    let ample = try evaluate(arguments)
    #expect(ample.status == 0, "\(ample.errors)")
    #expect(ample.errors.contains("Pelican-10M-A5M: draws 2 answers at a time: takes at most "))
    try FileManager.default.removeItem(atPath: out)
    let refused = try evaluate(arguments + ["--max-memory", "0", "--schedule", "layers"])
    let least = try #require(refused.errors.firstMatch(of: /at least ([0-9]+) bytes/)).1
    let short = try evaluate(arguments + ["--max-memory", "\(least)", "--schedule", "layers"])
    #expect(short.status == 0 && short.output == ample.output, "\(short.errors)")
    #expect(
      short.errors.contains(
        /Pelican-10M-A5M: draws [12] answers? at a time, layer by layer: takes at most .* of memory, reads about .* a step\n/
      ), "\(short.errors)")
  }

  @Test("a run writes page, results and drawings; interrupted and repeated it gives the same bytes")
  func resume() throws {
    let model = try quantized("Q2_K")
    let file1 = try prompts(Self.two[0], Self.two[1])
    let arguments = ["-m", model, "--prompts", file1, "--json", "-n", "400"]
    let first = try evaluate(arguments)
    #expect(first.status == 0, "\(first.errors)")
    let report = try report(first.output)
    #expect(report.scoreVersion == "svg-score/1")
    #expect(report.models.map(\.kind) == ["base", "floor", "tested"])
    let tested = try #require(report.models.last)
    let divergence = try #require(tested.forced?.divergence)
    let interval = try #require(divergence.interval95)
    #expect(divergence.value > 0.001 && interval[0] <= divergence.value && divergence.value <= interval[1])
    #expect(interval[0] > 0)
    #expect((0...1).contains(tested.paired?.score.value ?? -1))
    #expect(report.models[0].truth?.assertions == 2)
    let page = try file("index.html")
    // The answer comes first; buttons without a script choose what is shown.
    let html = String(decoding: page, as: UTF8.self)
    #expect(html.contains("<p class=\"answer\">pelican-Q2_K against Pelican-10M-A5M: "))
    #expect(
      html.contains("id=\"choose-order-1\"")
        && !html.contains("<script"))
    let results = try file("results.json")
    #expect(String(decoding: results, as: UTF8.self).hasPrefix(first.output.prefix(100)))
    let names = try FileManager.default.contentsOfDirectory(atPath: out)
    #expect(!names.contains { $0.hasSuffix(".partial") })
    #expect(FileManager.default.fileExists(atPath: "\(out)/drawings/Pelican-10M-A5M/row.png"))

    // A file of results that was cut off in the middle of a line, and one that is missing.
    let record = try #require(names.first { $0.hasPrefix("tested-") })
    let url = URL(fileURLWithPath: "\(out)/\(record)")
    let whole = try Data(contentsOf: url)
    try whole.prefix(whole.count * 2 / 3).write(to: url)
    try FileManager.default.removeItem(atPath: "\(out)/base.journal")
    let second = try evaluate(arguments + ["-t", "1"])
    #expect(second.status == 0 && Self.timeless(second.output) == Self.timeless(first.output))
    #expect(try file("index.html") == page)
    #expect(try Data(contentsOf: url).count >= whole.count * 9 / 10)
    // With everything there, nothing is made again: even the times are the recorded ones.
    #expect(try evaluate(arguments).output == second.output)

    // Another question in the same folder is refused, and replaces it when forced.
    let other = try evaluate(["-m", model, "--prompts", file1, "-n", "300"])
    #expect(other.status == 3 && other.errorLines.count == 1)
    #expect(other.lastErrorLine.contains("--force"))
    #expect(other.lastErrorLine.contains("--predict (400, now 300) changed"), "\(other.lastErrorLine)")
    #expect(other.lastErrorLine.contains("base.journal"))
    let old = FileManager.default.contents(atPath: "\(out)/base.journal")
    try Data("pouch-svg-eval 1; prompts 0\n".utf8).write(to: URL(fileURLWithPath: "\(out)/base.jsonl"))
    let earlier = try evaluate(arguments)
    #expect(earlier.status == 3 && earlier.lastErrorLine.contains("base.jsonl"), "\(earlier.errors)")
    #expect(FileManager.default.contents(atPath: "\(out)/base.journal") == old)
    let forced = try evaluate(["-m", model, "--prompts", file1, "-n", "30", "--force", "--no-floor"])
    #expect(!FileManager.default.fileExists(atPath: "\(out)/base.jsonl"))
    #expect(forced.status == 0 && forced.output.contains("A: reading the base's answers"))
  }

  /// The report without times.
  private static func timeless(_ text: String) -> [Substring] {
    text.split(separator: "\n").filter { !$0.contains("\"seconds\"") }
  }

  @Test("a 16-bit copy of the base is not distinguishable from it")
  func copy() throws {
    let model = try quantized("bf16")
    let run = try evaluate([
      "-m", model, "--prompts", try prompts(Self.two[1]), "--json", "-n", "300", "--no-floor",
    ])
    #expect(run.status == 0, "\(run.errors)")
    let tested = try #require(try report(run.output).models.last)
    #expect(tested.forced?.verdict == "not distinguishable" && tested.forced?.divergence.value == 0)
    #expect(abs((tested.paired?.score.value ?? 0) - 1) < 1e-12)
  }

  @Test("terminal, page and JSON count failed answers alike, and say what checks are about")
  func counts() throws {
    let model = try quantized("Q2_K")
    let prompts = try prompts(
      #"{"id": "bike", "prompt": "Draw a pelican riding a green bicycle as SVG.", "assertions": [{"check": "bicycleWheels"}, {"check": "bicycleRider"}, {"check": "bicycleColour", "colours": ["green"]}]}"#,
      Self.two[1])
    // 60 tokens are too few for the first drawing.
    let arguments = ["-m", model, "--prompts", prompts, "-n", "60", "--no-floor"]
    let report = try report(try evaluate(arguments + ["--json"]).output)
    let run = try evaluate(arguments)
    #expect(run.status == 0, "\(run.errors)")
    let page = String(decoding: try file("index.html"), as: UTF8.self)
    let base = report.models[0]
    #expect(base.failedAnswers > 0)
    #expect(run.output.contains("\(base.answers) answers, \(base.failedAnswers) failed a gate"))
    for model in report.models {
      let count = "\(model.failedAnswers) of \(model.answers)"
      #expect(page.contains("<td data-name=\"Failed a gate\"><span>\(count)<small>"), "\(count)")
    }
    for text in [run.output, page] {
      #expect(text.contains("bicycle, something on it, its colour"))
      #expect(text.contains("what else a prompt names, such as the animal, is not"))
      #expect(!text.contains("bootstrap"))
    }
    #expect(page.contains("of 3 checks (bicycle, something on it, its colour)"))
  }

  @Test("one prompt has no intervals, and terminal and page say why")
  func single() throws {
    let model = try quantized("Q2_K")
    let run = try evaluate([
      "-m", model, "--prompts", try prompts(Self.two[1]), "-n", "300", "--no-floor",
    ])
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.output.contains("intervals come from the spread between prompts, and there is one"))
    #expect(!run.output.contains("["), "\(run.output)")
    #expect(
      String(decoding: try file("index.html"), as: UTF8.self).contains(
        "intervals, since these come from the spread between prompts, and there is one"))
    let text = String(decoding: try file("results.json"), as: UTF8.self)
    #expect(!text.contains("interval95"))
  }

  @Test("drawings from elsewhere are scored beside the models")
  func included() throws {
    let drawings = folder.url.appendingPathComponent("drawings")
    try FileManager.default.createDirectory(at: drawings, withIntermediateDirectories: true)
    let svg =
      "Sure!\n```svg\n<svg viewBox='0 0 9 9'><rect width='9' height='2' fill='purple'/><rect y='3' width='9' height='2' fill='purple'/><rect y='6' width='9' height='2' fill='purple'/><script>alert(1)</script></svg>\n```"
    try Data(svg.utf8).write(to: drawings.appendingPathComponent("row.txt"))
    let run = try evaluate([
      "--include", "other=\(drawings.path)", "--prompts", try prompts(Self.two[0], Self.two[1]), "--json",
      "-n", "200",
    ])
    #expect(run.status == 0, "\(run.errors)")
    let other = try #require(try report(run.output).models.last)
    #expect(other.label == "other" && other.kind == "included" && other.answers == 1)
    #expect(other.truth?.met == 2)
    let page = String(decoding: try file("index.html"), as: UTF8.self)
    #expect(!page.contains("<script") && page.contains("&lt;script&gt;"))
    #expect(page.contains("left out: script"))
  }

  @Test("seeded draws repeat")
  func samples() throws {
    let file1 = try prompts(Self.two[1])
    let model = try quantized("Q4_K_M")
    let arguments = [
      "-m", model, "--prompts", file1, "--samples", "2", "--seed", "7", "--json", "-n", "120", "--no-floor",
    ]
    let first = try evaluate(arguments)
    #expect(first.status == 0, "\(first.errors)")
    #expect(try report(first.output).models.last?.answers == 3)
    let second = try evaluate(arguments + ["--force"])
    #expect(Self.timeless(second.output) == Self.timeless(first.output))
  }

  @Test(
    "wrong use and bad input",
    arguments: [
      (["--prompts", "PROMPTS"], Int32(2), "at least one -m"), (["-m", "x.gguf"], 2, "--prompts"),
      (["-m", "missing.gguf", "--prompts", "PROMPTS"], 3, "missing.gguf"),
      (["-m", "SAMPLE", "--prompts", "nowhere.jsonl"], 3, "nowhere.jsonl"),
      (["-m", "SAMPLE", "--prompts", "BAD"], 3, "line 1"),
      (["--include", "x", "--prompts", "PROMPTS"], 2, "NAME=DIR"),
      (["--include", "x=/nowhere/at/all", "--prompts", "PROMPTS"], 3, "no such folder"),
      (["-m", "SAMPLE", "--prompts", "PROMPTS", "--samples", "-1"], 2, "samples"),
      (["-m", "SAMPLE", "--prompts", "PROMPTS", "--limit", "0"], 2, "--limit"),
      (["-m", "SAMPLE", "-m", "SAMPLE", "--prompts", "PROMPTS"], 2, "twice"),
    ])
  func refused(arguments: [String], status: Int32, words: String) throws {
    let good = try prompts(Self.two[1])
    let bad = try folder.write("bad.jsonl", Array("{\"id\": 5}\n".utf8))
    let filled = arguments.map {
      ["PROMPTS": good, "BAD": bad, "SAMPLE": Self.sample][$0] ?? $0
    }
    let run = try evaluate(filled)
    #expect(run.status == status, "\(run.errors)")
    #expect(run.errors.contains(words), "\(run.errors)")
    #expect(run.output.isEmpty)
    #expect(!FileManager.default.fileExists(atPath: out))
  }
}
