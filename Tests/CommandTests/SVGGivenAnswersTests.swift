import Foundation
import TestSupport
import Testing

/// `--base-answers` through the real executable: what is taken, and all that is refused.
@Suite("pouch-svg-eval --base-answers")
struct SVGGivenAnswersTests {
  private static let sample = RepositoryFiles.sample

  private let folder: TemporaryFolder
  private let prompts: String
  private var there: String { folder.path("there") }

  init() throws {
    folder = try TemporaryFolder()
    prompts = try folder.write(
      "prompts.jsonl",
      Array(
        """
        {"id": "row", "prompt": "Draw three purple rectangles in a column as SVG."}
        {"id": "rings", "prompt": "Draw two concentric squares: white and pink as SVG."}

        """.utf8))
  }

  private func quantized(_ type: String) throws -> String {
    let path = folder.path("pelican-\(type).gguf")
    guard !FileManager.default.fileExists(atPath: path) else { return path }
    let run = try CommandRun.convert(Self.sample, "--outtype", type, "--outfile", path, "-q")
    #expect(run.status == 0, "\(run.errors)")
    return path
  }

  private func evaluate(_ out: String, base: String = Self.sample, _ more: [String]) throws -> CommandRun {
    try CommandRun(
      "pouch-svg-eval",
      [
        "--base", base, "-m", try quantized("Q2_K"), "--prompts", prompts, "--json", "-n", "100", "--out",
        out,
      ]
        + more)
  }

  private struct Report: Decodable {
    struct Model: Decodable {
      var kind: String
      var answersFrom: String?
    }
    var models: [Model]
  }

  /// The report without times, and without what tells one file of a model from another.
  private func result(_ text: String) -> [Substring] {
    text.split(separator: "\n").filter { line in
      ![
        "\"seconds\"", "\"answersFrom\"", "\"source\"", "\"label\"", "\"model\"", "\"modelBytes\"",
        "\"modelXXH64\"",
      ].contains {
        line.contains($0)
      }
    }
  }

  @Test("answers of the same base, and of another file of it, give the results of drawing here")
  func taken() throws {
    let expected = try evaluate(there, [])
    #expect(expected.status == 0, "\(expected.errors)")
    let here = try evaluate(folder.path("here"), ["--base-answers", there])
    #expect(here.status == 0 && result(here.output) == result(expected.output), "\(here.errors)")
    #expect(!here.errors.contains("note:"))
    let models = try JSONDecoder().decode(Report.self, from: Data(here.output.utf8)).models
    #expect(models.map(\.kind) == ["base", "floor", "tested"])
    #expect(models[0].answersFrom == "\(there)/base.journal")
    #expect(models[1].answersFrom?.hasPrefix("\(there)/floor-") == true && models[2].answersFrom == nil)
    // The same command goes on, and nothing is made again; without the flag it is another run.
    #expect(try evaluate(folder.path("here"), ["--base-answers", there]).output == here.output)
    try evaluate(folder.path("here"), []).expect(3, "base.journal", "--base-answers (none now)")
    let page = try String(contentsOfFile: folder.path("here") + "/index.html", encoding: .utf8)
    #expect(page.contains("the base's answers are from") && page.contains("there/base.journal"))

    // The same weights in another file, as a machine with more memory may have them.
    let copy = try evaluate(
      folder.path("copy"), base: try quantized("bf16"), ["--base-answers", there])
    #expect(copy.status == 0 && result(copy.output) == result(expected.output), "\(copy.errors)")
    #expect(copy.errors.contains("note: \(there)/base.journal: answers of another file than"))
    let first = try JSONDecoder().decode(Report.self, from: Data(copy.output.utf8)).models[0]
    #expect(first.answersFrom?.hasPrefix("\(there)/base.journal, model ") == true)

    // Other settings are refused by name.
    for (flags, words) in [
      (["-n", "99"], "--predict (100, now 99)"), (["--mode", "exact"], "--mode (fast, now exact)"),
      (["--raw"], "--raw"), (["--samples", "1"], "--samples (0, now 1)"), (["--limit", "1"], "the prompts"),
    ] {
      let run = try evaluate(folder.path("other"), ["--base-answers", there] + flags)
      run.expect(3, "base.journal", words)
      #expect(!FileManager.default.fileExists(atPath: folder.path("other") + "/base.journal"))
    }
    // Other words for tokens, though the settings are the same.
    let changed = folder.path("changed")
    try FileManager.default.copyItem(atPath: Self.sample, toPath: changed)
    let tokenizer = changed + "/tokenizer.json"
    let text = try String(contentsOfFile: tokenizer, encoding: .utf8)
    let piece = try #require(text.firstRange(of: "\"svg\""))
    try text.replacingCharacters(in: piece, with: "\"gvs\"").write(
      toFile: tokenizer, atomically: true, encoding: .utf8)
    let run = try CommandRun(
      "pouch-svg-eval",
      [
        "--base", changed, "--include", "x=\(try answers(["row": "<svg/>"]))", "--prompts", prompts, "-n",
        "100",
        "--out", folder.path("other"), "--base-answers", there,
      ])
    run.expect(3, "base.journal", "the vocabulary")

    // The journal of the floor is wanted as long as the floor is; damage is found.
    let files = try FileManager.default.contentsOfDirectory(atPath: there)
    let floor = try #require(files.first { $0.hasPrefix("floor-") })
    try FileManager.default.removeItem(atPath: there + "/" + floor)
    try evaluate(folder.path("other"), ["--base-answers", there]).expect(3, "floor-", "--no-floor")
    #expect(try evaluate(folder.path("bare"), ["--base-answers", there, "--no-floor"]).status == 0)
    let journal = URL(fileURLWithPath: there + "/base.journal")
    let whole = try Data(contentsOf: journal)
    try whole.dropLast(20).write(to: journal)
    try evaluate(folder.path("other"), ["--base-answers", there, "--no-floor"]).expect(
      3, "expected 2 answers, found 1")
    var bad = whole
    bad[30] ^= 1
    try bad.write(to: journal)
    try evaluate(folder.path("other"), ["--base-answers", there, "--no-floor"]).expect(3, "damage")
    try Data("something else".utf8).write(to: journal)
    try evaluate(folder.path("other"), ["--base-answers", there, "--no-floor"]).expect(3, "journal")
  }

  private func answers(_ texts: [String: String]) throws -> String {
    let path = folder.path("texts-\(texts.count)-\(texts.values.map(\.count).reduce(0, +))")
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    for (name, text) in texts { try Data(text.utf8).write(to: URL(fileURLWithPath: "\(path)/\(name).txt")) }
    return path
  }

  @Test("texts are taken for the base's answers")
  func texts() throws {
    let svg = "<svg viewBox='0 0 9 9'><rect width='9' height='2' fill='purple'/></svg>"
    let both = try answers(["row": svg, "rings": "Sure!\n" + svg])
    let run = try evaluate(folder.path("out"), ["--base-answers", both, "--no-floor"])
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.errors.contains("how they were made is not checked"))
    let models = try JSONDecoder().decode(Report.self, from: Data(run.output.utf8)).models
    #expect(models[0].answersFrom == "\(both), texts")
    let drawing = try String(
      contentsOfFile: folder.path("out") + "/drawings/Pelican-10M-A5M/row.svg", encoding: .utf8)
    #expect(drawing.contains("#800080"))
    let other = folder.path("other")
    try evaluate(other, ["--base-answers", both]).expect(3, both, "--no-floor")
    try evaluate(other, ["--base-answers", both, "--no-floor", "--samples", "1"]).expect(3, both, "--samples")
    try evaluate(other, ["--base-answers", try answers(["row": svg]), "--no-floor"]).expect(
      3, "none to 1 of them, such as rings")
    try evaluate(other, ["--base-answers", try answers([:]), "--no-floor"]).expect(3, "row.svg")
    try evaluate(
      other,
      [
        "--base-answers", try answers(["row": svg, "rings": svg + svg + svg + svg]), "--no-floor", "-n", "40",
      ]
    ).expect(3, "at most 40 tokens", "give --predict ")
    try evaluate(other, ["--base-answers", folder.path("nowhere"), "--no-floor"]).expect(3, "no such folder")
    try evaluate(other, ["--base-answers", other]).expect(2, "--out")
  }
}
