import FileBytes
import Foundation
import TestSupport
import Testing

/// `--part` and `--join` of measurements: the numbers are those of one run, bit for bit.
@Suite("Parts of measurements")
struct PartsMeasuringTests {
  private let fixture: PerplexityFixture
  private var folder: TemporaryFolder { fixture.folder }

  init() throws { fixture = try PerplexityFixture() }

  private func perplexity(_ arguments: [String]) throws -> CommandRun {
    try CommandRun("pouch-perplexity", ["-c", "64", "-t", "2"] + arguments)
  }

  /// Makes parts in an order that is none, and joins them.
  private func joined(_ arguments: [String], count: Int) throws -> CommandRun {
    let states = (1...count).map { folder.path("state-\(count)-\($0)") }
    for number in (1...count).reversed() {
      let run = try perplexity(arguments + ["--part", "\(number)/\(count)", "--resume", states[number - 1]])
      run.expect(0)
      #expect(run.output.isEmpty)
      #expect(run.errors.contains("part \(number)/\(count) is done"))
    }
    let run = try perplexity(arguments + ["--join"] + states.filter(FileSystem.isFile).shuffled())
    run.expect(0)
    for state in states { FileSystem.remove(state) }
    return run
  }

  /// A JSON report without the seconds that it took.
  private func timeless(_ run: CommandRun) throws -> NSDictionary {
    func clean(_ value: Any) -> Any {
      if let values = value as? [String: Any] {
        return values.filter { !$0.key.lowercased().contains("seconds") }.mapValues(clean)
      }
      return (value as? [Any])?.map(clean) ?? value
    }
    return try #require(clean(try run.json()) as? NSDictionary)
  }

  @Test(
    "perplexity of one and several models, with windows side by side and overlapping",
    arguments: [1, 2, 7])
  func perplexities(count: Int) throws {
    for arguments in [
      ["-m", fixture.quantized, "-f", fixture.text],
      ["-m", fixture.quantized, "-m", fixture.checkpoint, "-f", fixture.text, "--ppl-output-type", "1"],
      ["-m", fixture.quantized, "-f", fixture.text, "--ppl-stride", "128", "-c", "200"],
      [
        "-m", fixture.quantized, "-f", fixture.text, "--schedule", "layers", "--from-chunk", "3", "--chunks",
        "5",
      ],
    ] {
      let one = try perplexity(arguments)
      one.expect(0)
      #expect(try joined(arguments, count: count).output == one.output, "\(arguments)")
      guard count == 2 else { continue }
      let json = arguments + ["--json"]
      let (whole, parts) = (try perplexity(json), try perplexity(json + ["--join"] + states(json, count: 3)))
      #expect(try timeless(whole) == timeless(parts), "\(arguments)")
    }
  }

  /// The states of parts, whose JSON has no numbers.
  private func states(_ arguments: [String], count: Int) throws -> [String] {
    try (1...count).map { number in
      let state = folder.path("json-\(UUID().uuidString)")
      let run = try perplexity(arguments + ["--part", "\(number)/\(count)", "--resume", state])
      run.expect(0)
      let report = try run.json()
      #expect(report["part"] as? String == "\(number)/\(count)")
      #expect((report["results"] as? [[String: Any]])?.allSatisfy { $0["perplexity"] == nil } == true)
      return state
    }
  }

  @Test("divergence in lock-step and against base files", arguments: ["compact", "full", "lock-step"])
  func divergence(kind: String) throws {
    var arguments = ["-m", fixture.quantized, "-m", fixture.checkpoint]
    if kind == "lock-step" {
      arguments += ["--base", fixture.checkpoint, "-f", fixture.text]
    } else {
      let base = folder.path("base.\(kind)")
      try perplexity(
        ["-m", fixture.checkpoint, "-f", fixture.text, "--kl-divergence-base", base, "--base-format", kind]
      ).expect(0)
      arguments += ["--kl-divergence", "--kl-divergence-base", base]
    }
    let one = try perplexity(arguments)
    one.expect(0)
    #expect(try joined(arguments, count: 3).output == one.output)
    let json = arguments + ["--json"]
    let (whole, parts) = (try perplexity(json), try perplexity(json + ["--join"] + states(json, count: 2)))
    #expect(try timeless(whole) == timeless(parts))
  }

  @Test("wrong uses, missing parts and parts of other runs are refused")
  func refusals() throws {
    let arguments = ["-m", fixture.quantized, "-f", fixture.text]
    let state = folder.path("state 1")
    for part in ["5/4", "0/4", "x/y"] {
      try perplexity(arguments + ["--part", part, "--resume", state]).expect(2, "--part takes i/n")
    }
    try perplexity(arguments + ["--part", "1/2"]).expect(2, "--resume FILE")
    try perplexity(arguments + ["--part", "1/2", "--resume", state, "--join", "x"]).expect(2, "exclude")
    try perplexity(arguments + ["--resume", state, "--join", "x"]).expect(2, "exclude")
    try perplexity(
      arguments + ["--part", "1/2", "--resume", state, "--kl-divergence-base", folder.path("base")]
    ).expect(2, "in one piece")
    try perplexity(arguments + ["--join", folder.path("none")]).expect(3, "none")
    try perplexity(arguments + ["--part", "1/3", "--resume", state]).expect(0)
    let join = try perplexity(arguments + ["--join", state])
    join.expect(1, "expected 3 complete parts, found 1", "part 2/3 has no state: pouch-perplexity ")
    #expect(join.errors.contains("--part 3/3 --resume NEW-STATE"))
    try perplexity(["-m", fixture.checkpoint, "-f", fixture.text, "--join", state]).expect(
      3, "model 1 changed")
    try perplexity(arguments + ["--mode", "exact", "--join", state]).expect(3, "the procedure")
    try perplexity(arguments + ["--part", "2/3", "--resume", state]).expect(3, "the part (1/3, now 2/3)")
    try perplexity(arguments + ["--resume", state]).expect(3, "the part")
    try perplexity(arguments + ["--join", state, state]).expect(3, "each part once")
    let other = folder.path("other")
    try perplexity(arguments + ["--part", "1/2", "--resume", other]).expect(0)
    try perplexity(arguments + ["--join", state, other]).expect(3, "one of 3 parts", "part 1/2")
  }

  // MARK: Importance data

  private func imatrix(_ arguments: [String]) throws -> CommandRun {
    try CommandRun(
      "pouch-imatrix", ["-m", fixture.checkpoint, "-f", fixture.text, "-c", "64"] + arguments)
  }

  private func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

  @Test(
    "importance data have the bytes of one run", arguments: [1, 3, 7],
    [["--schedule", "layers"], ["--process-output"], []])
  func importance(count: Int, flags: [String]) throws {
    let (one, many) = (folder.path("one.gguf"), folder.path("many.gguf"))
    // Seven parts are more than there are windows.
    let flags = flags + ["--chunks", "5"]
    let whole = try imatrix(flags + ["-o", one])
    whole.expect(0)
    let states = (1...count).map { folder.path("im-\($0)") }
    for number in (1...count).reversed() {
      try imatrix(flags + ["--part", "\(number)/\(count)", "--state", states[number - 1]]).expect(0)
    }
    let join = try imatrix(flags + ["-o", many, "--join"] + states.filter(FileSystem.isFile).shuffled())
    join.expect(0)
    #expect(try bytes(many) == bytes(one))
    #expect(join.output == whole.output.replacing(one, with: many))
  }

  @Test("importance data of parts: wrong uses, missing parts, damaged sums")
  func importanceRefusals() throws {
    let (one, many, state) = (folder.path("one.gguf"), folder.path("many.gguf"), folder.path("s"))
    try imatrix(["--part", "1/2"]).expect(2, "need each other")
    try imatrix(["--state", state]).expect(2, "need each other")
    try imatrix(["--part", "3/2", "--state", state]).expect(2, "--part takes i/n")
    try imatrix(["--part", "1/2", "--state", state, "--json"]).expect(2, "--json")
    try imatrix(["--part", "1/2", "--state", state, "--resume"]).expect(2, "--resume")
    try imatrix(["--part", "1/2", "--state", state]).expect(0)
    try imatrix(["-o", many, "--join", state]).expect(1, "part 2/2 has no state: pouch-imatrix ")
    try imatrix(["--mode", "fast", "-o", many, "--join", state]).expect(3, "the procedure")
    let second = folder.path("s2")
    try imatrix(["--part", "2/2", "--state", second]).expect(0)
    var sums = try bytes(second + ".sums")
    sums[sums.count / 2] ^= 1
    try sums.write(to: URL(fileURLWithPath: second + ".sums"))
    try imatrix(["-o", many, "--join", state, second]).expect(3, "as they were recorded", "part 2/2")
    #expect(!FileSystem.isFile(many))
    try imatrix(["--part", "2/2", "--state", second]).expect(0)
    try imatrix(["-o", many, "--join", second, state]).expect(0)
    try imatrix(["-o", one]).expect(0)
    #expect(try bytes(many) == bytes(one))
  }

  // MARK: Drawings

  @Test("drawings: results and pages are those of one run")
  func drawings() throws {
    let sample = RepositoryFiles.sample
    let model = folder.path("q3.gguf")
    try CommandRun.convert(sample, "--outtype", "q3_k_m", "--outfile", model, "-q").expect(0)
    let lines = ["row", "rings", "sun"].map { #"{"id": "\#($0)", "prompt": "Draw a \#($0) as SVG."}"# }
    let prompts = try folder.write("p.jsonl", Array((lines.joined(separator: "\n") + "\n").utf8))
    func evaluate(_ out: String, _ more: String...) throws -> CommandRun {
      try CommandRun(
        "pouch-svg-eval",
        ["--base", sample, "-m", model, "--prompts", prompts, "-n", "48", "-q", "--out", folder.path(out)]
          + more)
    }
    let one = try evaluate("one", "--json")
    one.expect(0)
    try evaluate("x", "--part", "3/2").expect(2, "--part takes i/n")
    try evaluate("p1", "--part", "1/2").expect(0)
    try evaluate("joined", "--join", folder.path("p1")).expect(1, "part 2/2 has no folder: pouch-svg-eval ")
    try evaluate("p1", "--join", folder.path("p1")).expect(2, "a folder of its own")
    try evaluate("p2", "--part", "2/2").expect(0)
    try evaluate("p2", "--part", "1/2").expect(3, "the part (2/2, now 1/2)")
    let joined = try evaluate("joined", "--json", "--join", folder.path("p2"), folder.path("p1"))
    joined.expect(0)
    #expect(try timeless(joined) == timeless(one))
    let drawings = try FileManager.default.subpathsOfDirectory(atPath: folder.path("one/drawings"))
    for name in drawings where FileSystem.isFile(folder.path("one/drawings/\(name)")) {
      #expect(
        try bytes(folder.path("one/drawings/\(name)")) == bytes(folder.path("joined/drawings/\(name)")))
    }
  }
}
