import Foundation
import TestSupport
import Testing

/// `pouch-estimate --measure` says what the measuring commands say when they start.
@Suite("pouch-estimate --measure")
struct MeasuringEstimateTests {
  private static let sample = RepositoryFiles.sample
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  struct Report: Decodable {
    struct Cost: Decodable {
      var schedule: String
      var groupSize: Int
      var weightBytes: Int
      var readTimes: Int
      var memoryBytes: Int
      var leastBytes: Int
      var windowMemoryBytes: Int
    }
    struct Run: Decodable {
      var kind: String
      var cost: Cost
      var diskSeconds: Double?
      var arithmeticSeconds: Double?
      var bound: String?
    }
    struct Measuring: Decodable { var runs: [Run] }
    var measuring: Measuring?
  }

  private let flags = ["--measure", "--window", "64", "--chunks", "5", "--type", "q8_0", "-t", "2"]

  private func report(_ others: [String]) throws -> [Report.Run] {
    let run = try CommandRun("pouch-estimate", [Self.sample] + flags + ["--json"] + others)
    #expect(run.status == 0, "\(run.errors)")
    return try #require(JSONDecoder().decode(Report.self, from: Data(run.output.utf8)).measuring).runs
  }

  /// The line before the first window, without the memory, which depends on what a process holds.
  private func start(_ text: String) throws -> (line: String, memory: Double) {
    let match = try #require(
      text.firstMatch(of: /((?:layer|window) by [^\n]*: reads [^\n]*), takes at most ([0-9.]+) MB of memory/),
      "\(text)")
    return (String(match.1), try #require(Double(match.2)))
  }

  @Test("the same line as the commands")
  func sameLine() throws {
    let quantized = folder.path("q8_0.gguf")
    #expect(try CommandRun.convert(Self.sample, "--outtype", "q8_0", "--outfile", quantized).status == 0)
    let runs = try report(["--memory", "32GB"])
    #expect(runs.map(\.kind) == ["perplexity", "divergence", "importance"])
    let common = ["--corpus", "builtin", "-c", "64", "--chunks", "5", "-t", "2"]
    let text = try folder.write("text", [UInt8](repeating: 0x61, count: 4000))
    let commands = [
      ["pouch-perplexity", "-m", Self.sample] + common,
      ["pouch-perplexity", "--base", Self.sample, "-m", quantized] + common,
      [
        "pouch-imatrix", "-m", Self.sample, "-f", text, "-o", folder.path("i"), "--force", "-c", "64",
        "--chunks", "5", "-t", "2",
      ],
    ]
    for (run, command) in zip(runs, commands) {
      for limit in [nil, (run.cost.leastBytes + run.cost.windowMemoryBytes) / 2] {
        let limits = limit.map { ["--max-memory", "\($0)"] } ?? []
        let measured = try CommandRun(command[0], Array(command[1...]) + limits)
        #expect(measured.status == 0, "\(measured.errors)")
        let told = try CommandRun(
          "pouch-estimate",
          [Self.sample] + flags + (limit.map { ["--measure-memory", "\($0)"] } ?? ["--memory", "32GB"]))
        let place = try #require(
          told.output.range(
            of: ["perplexity": "  perplexity of", "divergence": "  KL div"][run.kind] ?? "  importance")
        )
        let (a, b) = (try start(String(told.output[place.lowerBound...])), try start(measured.errors))
        #expect(a.line == b.line, "\(run.kind), \(limit ?? 0)")
        #expect(a.line.hasPrefix(limit == nil ? "window by window" : "layer by layer"))
        // The tokenizer's tables and the heap are told from measurements of other models.
        #expect(abs(a.memory - b.memory) < 6, "\(run.kind), \(limit ?? 0): \(a.memory), \(b.memory)")
      }
    }
  }

  @Test("bounds of time need speeds, given or measured")
  func bounds() throws {
    let none = try report([])
    #expect(none.allSatisfy { $0.diskSeconds == nil && $0.arithmeticSeconds == nil && $0.bound == nil })
    for (disk, compute, bound) in [("1k", "1P", "disk"), ("1T", "1M", "arithmetic")] {
      let given = try report(["--disk", disk + "B/s", "--compute", compute == "1P" ? "1000T" : compute])
      #expect(
        given.allSatisfy { $0.bound == bound && $0.diskSeconds ?? 0 > 0 && $0.arithmeticSeconds ?? 0 > 0 })
    }
    let measured = try report(["--calibrate"])
    // The sample is too small for its reading to be timed.
    #expect(measured.allSatisfy { $0.arithmeticSeconds ?? 0 > 0 && $0.diskSeconds == nil })
    let text = try CommandRun("pouch-estimate", [Self.sample] + flags)
    text.expect(0)
    #expect(text.output.contains("for bounds of time: --disk and --compute"))
  }

  @Test("limits that nothing can keep, and flags without --measure")
  func refusals() throws {
    func run(_ flags: String...) throws -> CommandRun {
      try CommandRun("pouch-estimate", [Self.sample] + flags)
    }
    let zero = try run("--measure", "--measure-memory", "0")
    zero.expect(3, "--measure-memory", "at least")
    let least = try #require(zero.errors.firstMatch(of: /at least ([0-9]+) bytes/)).1
    try run("--measure", "--measure-memory", "1000TB").expect(3, "--measure-memory", "and at most")
    // The least of the first run may be less than others need.
    #expect(try [0, 3].contains(run("--measure", "--measure-memory", String(least)).status))
    try run("--chunks", "3").expect(2, "--measure")
    try run("--measure", "--window", "2").expect(2, "--window")
    try run("--measure", "--chunks", "0").expect(2, "--chunks")
    try run("--measure", "--chunks", "-3").expect(2, "--chunks")
    try run("--measure", "--disk", "fast").expect(2)
    try run("--measure", "--disk", "0").expect(2)
  }

  @Test("a model by name on a preset")
  func flagship() throws {
    let run = try CommandRun(
      "pouch-estimate", ["qwen3.6-35b-a3b", "--measure", "--machine", "macbook-32", "--disk", "3GB/s"])
    run.expect(0)
    #expect(run.output.contains("measuring with Pouch: 585 windows of 512 tokens"))
    #expect(run.output.contains(/layer by layer, 585 windows at a time: reads 6[0-9.]+ GB of weights once/))
    #expect(run.output.contains("of disk at 3.00 GB/s given"))
  }
}
