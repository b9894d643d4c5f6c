import FileBytes
import Foundation
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Two small models and a text, and runs of `pouch-perplexity` on them.
struct PerplexityFixture {
  let folder: TemporaryFolder
  /// A checkpoint folder.
  let checkpoint: String
  /// The same model as a Q8_0 file.
  let quantized: String
  /// A text of 3000 bytes, each of them a token.
  let text: String

  init() throws {
    folder = try TemporaryFolder()
    checkpoint = try Self.tiny().write(in: folder)
    quantized = folder.path("tiny-Q8_0.gguf")
    let run = try CommandRun.convert(checkpoint, "--outtype", "q8_0", "--outfile", quantized)
    try #require(run.status == 0, "\(run.errors)")
    text = try folder.write("text.txt", Self.bytes(3000, seed: 5))
  }

  /// A checkpoint whose tokenizer has the one merge that makes it run: of q and z, which the texts have not.
  static func tiny() throws -> TinyCheckpoint {
    var tiny = TinyCheckpoint()
    try change(&tiny) { model, vocabulary in
      vocabulary["qz"] = 259
      model["merges"] = [["q", "z"]]
    }
    return tiny
  }

  /// Changes the tokenizer's model and its vocabulary.
  static func change(
    _ tiny: inout TinyCheckpoint, _ body: (inout [String: Any], inout [String: Int]) -> Void
  ) throws {
    var model = try #require(tiny.tokenizer["model"] as? [String: Any])
    var vocabulary = try #require(model["vocab"] as? [String: Int])
    body(&model, &vocabulary)
    model["vocab"] = vocabulary
    tiny.tokenizer["model"] = model
  }

  /// The same with the bytes a and b changed for each other.
  static func swapped() throws -> TinyCheckpoint {
    var tiny = try tiny()
    try change(&tiny) { _, vocabulary in
      (vocabulary["a"], vocabulary["b"]) = (vocabulary["b"], vocabulary["a"])
    }
    return tiny
  }

  /// Lower-case letters and spaces; the last byte is not a newline, which would not count.
  static func bytes(_ count: Int, seed: UInt64) -> [UInt8] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in Array("abcdefghij klmnop".utf8).randomElement(using: &generator) ?? 0x61 }
  }

  func run(_ arguments: [String]) throws -> CommandRun {
    try CommandRun("pouch-perplexity", arguments + ["-t", "1"])
  }

  /// The names of all files in the folder.
  func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.url.path).sorted()
  }
}

@Suite("pouch-perplexity: interrupted runs go on")
struct PerplexityResumeTests {
  /// What a run does.
  enum Task: String, CaseIterable, Sendable {
    case perplexity, lockStep, writesCompact, writesFull, reads
  }

  let fixture: PerplexityFixture
  let state: String

  init() throws {
    fixture = try PerplexityFixture()
    state = fixture.folder.path("state")
  }

  private func arguments(_ task: Task) throws -> [String] {
    let (model, quantized) = (fixture.checkpoint, fixture.quantized)
    let text = ["-f", fixture.text, "-c", "32"]
    switch task {
    case .perplexity: return ["-m", quantized, "-m", model] + text
    case .lockStep: return ["--base", model, "-m", quantized, "-m", model] + text
    case .writesCompact: return ["-m", model, "--kl-divergence-base", fixture.folder.path("base")] + text
    case .writesFull:
      return ["-m", model, "--full-base", "--kl-divergence-base", fixture.folder.path("base")] + text
    case .reads:
      let base = fixture.folder.path("made")
      if !FileManager.default.fileExists(atPath: base) {
        let run = try fixture.run(["-m", model, "--kl-divergence-base", base] + text)
        try #require(run.status == 0, "\(run.errors)")
      }
      return ["-m", quantized, "-m", model, "--kl-divergence", "--kl-divergence-base", base]
    }
  }

  /// Runs with a state and sends a signal as soon as the state has grown to `size` bytes.
  private func interrupt(_ arguments: [String], _ signal: Int32, at size: Int) throws -> CommandRun {
    try CommandRun("pouch-perplexity", arguments + ["--resume", state, "-t", "1"]) { process in
      var info = stat()
      let end = Date(timeIntervalSinceNow: 120)
      while Date() < end, kill(process, 0) == 0 {
        if stat(state, &info) == 0, info.st_size >= size { break }
        usleep(200)
      }
      kill(process, signal)
    }
  }

  @Test(
    "after Ctrl-C and after kill -9, with the same output and files", arguments: Task.allCases,
    [SIGINT, SIGKILL])
  func goesOn(_ task: Task, _ signal: Int32) throws {
    let arguments = try arguments(task)
    let expected = try fixture.run(arguments)
    #expect(expected.status == 0, "\(expected.errors)")
    let base = fixture.folder.path("base")
    let bytes = FileManager.default.contents(atPath: base)
    if bytes != nil { try FileManager.default.removeItem(atPath: base) }
    let names = try fixture.names()

    let broken = try interrupt(arguments, signal, at: 3000)
    #expect(signal == SIGINT ? broken.status == 130 : broken.wasKilled, "\(broken.status) \(broken.errors)")
    #expect(!FileManager.default.fileExists(atPath: base))
    #expect(expected.output.hasPrefix(broken.output.dropLast(1)))
    if signal == SIGINT { #expect(broken.lastErrorLine.contains(state)) }

    let resumed = try fixture.run(arguments + ["--resume", state])
    #expect(resumed.status == 0, "\(resumed.errors)")
    #expect(resumed.output == expected.output)
    let done = resumed.errors.split(separator: "\n").first { $0.hasSuffix(" windows are done") }
    let count = Int(done?.split(separator: " ").dropFirst().first ?? "") ?? 0
    #expect(count > 2, "\(resumed.errors)")
    #expect(FileManager.default.contents(atPath: base) == bytes)
    if bytes != nil { try FileManager.default.removeItem(atPath: base) }
    #expect(try fixture.names() == names)
  }

  @Test("what a crash damaged is made again", arguments: [Task.lockStep, .writesFull])
  func damage(_ task: Task) throws {
    let arguments = try arguments(task)
    let expected = try fixture.run(arguments)
    let base = fixture.folder.path("base")
    let bytes = FileManager.default.contents(atPath: base)
    if bytes != nil { try FileManager.default.removeItem(atPath: base) }
    _ = try interrupt(arguments, SIGKILL, at: 3000)

    // A flipped bit two thirds into the state, and half a base file.
    let url = URL(fileURLWithPath: state)
    var content = try Data(contentsOf: url)
    content[content.count * 2 / 3] ^= 4
    try content.write(to: url)
    if bytes != nil {
      let partial = URL(fileURLWithPath: base + ".partial")
      let half = try Data(contentsOf: partial)
      try half.prefix(half.count / 2).write(to: partial)
    }
    let resumed = try fixture.run(arguments + ["--resume", state])
    #expect(resumed.status == 0, "\(resumed.errors)")
    #expect(resumed.errors.contains("windows are done"))
    #expect(resumed.output == expected.output)
    #expect(FileManager.default.contents(atPath: base) == bytes)
  }

  @Test("the state of another run is refused, with the reason, and stays")
  func foreign() throws {
    let arguments = try arguments(.perplexity)
    _ = try interrupt(arguments, SIGKILL, at: 3000)
    let before = try #require(FileManager.default.contents(atPath: state))
    let other = try fixture.folder.write("other.txt", PerplexityFixture.bytes(3000, seed: 6))
    let text = ["-f", fixture.text, "-c", "32"]
    let both = ["-m", fixture.quantized, "-m", fixture.checkpoint]
    let cases: [([String], String)] = [
      (both + ["-f", other, "-c", "32"], "the text (xxh64"),
      (both + ["-f", fixture.text, "-c", "64"], "the procedure"),
      (both + text + ["--chunks", "9"], "the procedure"),
      (both + text + ["--mode", "exact"], "the procedure"),
      (["-m", fixture.checkpoint, "-m", fixture.quantized] + text, "model 1, 2"),
      (["-m", fixture.quantized] + text, "the number of models"),
      (["--base", fixture.checkpoint] + both + text, "what is measured"),
    ]
    for (arguments, reason) in cases {
      let run = try fixture.run(arguments + ["--resume", state])
      #expect(run.status == 3, "\(run.errors)")
      #expect(run.errorLines.count == 1)
      #expect(run.lastErrorLine.contains(state) && run.lastErrorLine.contains(reason), "\(run.lastErrorLine)")
      #expect(FileManager.default.contents(atPath: state) == before)
    }
    // A file that was changed in place is another model.
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSince1970: 1)], ofItemAtPath: fixture.quantized)
    let changed = try fixture.run(arguments + ["--resume", state])
    #expect(changed.status == 3 && changed.lastErrorLine.contains("model 1 changed"), "\(changed.errors)")
    // What is no state at all is not touched.
    let precious = try fixture.folder.write("precious", Array("my thesis".utf8))
    let run = try fixture.run(arguments + ["--resume", precious])
    #expect(run.status == 3 && run.lastErrorLine.contains(precious), "\(run.errors)")
    #expect(FileManager.default.contents(atPath: precious) == Data("my thesis".utf8))
  }
}

@Suite("pouch-perplexity: what it prints")
struct PerplexityOutputTests {
  let fixture: PerplexityFixture

  init() throws { fixture = try PerplexityFixture() }

  private struct Report: Decodable {
    struct Estimate: Decodable { var value, uncertainty: Double }
    struct Comparison: Decodable {
      var meanDivergence: Estimate
      var meanDivergenceBound: Double
      var sameTop: Estimate
      var verdict: String
    }
    struct Result: Decodable {
      var model: String
      var textXXH64: String
      var tokens, windows, windowLength, windowStep, scoredTokens: Int
      var `protocol`: String
      var mode: String
      var isComplete: Bool
      var perplexity: Estimate
      var verdictText: String
      var comparison: Comparison?
    }
    var version: String
    var isComplete: Bool
    var results: [Result]
  }

  private func json(_ arguments: [String]) throws -> Report {
    let run = try fixture.run(arguments + ["--json"])
    try #require(run.status == 0, "\(run.errors)")
    return try JSONDecoder().decode(Report.self, from: Data(run.output.utf8))
  }

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
    var reports: [Report] = []
    for arguments in runs {
      let report = try json(arguments)
      #expect(report.isComplete && report.results.count == arguments.filter { $0 == "-m" }.count)
      for result in report.results {
        #expect(result.isComplete && result.textXXH64.hasSuffix(hash), "\(arguments)")
        #expect(result.windows == 6 && result.scoredTokens == 6 * (result.windowStep == 32 ? 32 : 31))
        #expect(result.protocol.hasPrefix("6 windows of \(result.windowLength) tokens"))
        #expect(!result.verdictText.isEmpty)
        #expect(result.perplexity.value > 1 && result.perplexity.uncertainty > 0)
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
    let sample = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("samples/texts/svg-plain.txt").path
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
}
