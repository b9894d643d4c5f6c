import Foundation
import ImportanceData
import SafetensorsFormat
import TensorTypes
import TestSupport
import Testing
import ZstdStreams

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite("Windows in groups, layer by layer")
struct ScheduleTests {
  private let fixture: PerplexityFixture

  init() throws { fixture = try PerplexityFixture() }

  private func run(_ arguments: [String]) throws -> CommandRun {
    try CommandRun("pouch-perplexity", arguments)
  }

  /// The least limit that groups of windows work in, as the refusal of a smaller one says.
  private func least(_ arguments: [String]) throws -> String {
    let run = try run(arguments + ["--schedule", "layers", "--max-memory", "0"])
    run.expect(3, "--max-memory", "at least", "found 0")
    let match = try #require(run.errors.firstMatch(of: /at least ([0-9]+) bytes/))
    return String(match.1)
  }

  static let tasks: [[String]] = [
    [], ["--ppl-output-type", "1"], ["--ppl-stride", "100", "--chunks", "4"], ["--chunks", "5"],
    ["--from-chunk", "2"], ["--mode", "exact", "-b", "7"],
  ]

  @Test("perplexities are the same bytes", arguments: tasks)
  func perplexity(_ flags: [String]) throws {
    let models = ["-m", fixture.checkpoint, "-m", fixture.quantized, "-f", fixture.text, "-c", "32"] + flags
    let expected = try run(models + ["--schedule", "windows", "-t", "1"])
    #expect(expected.status == 0, "\(expected.errors)")
    let least = try least(models + ["-t", "2"])
    for limits in [[], ["--max-memory", least], ["--max-memory", "200MB"]] {
      let run = try run(models + ["--schedule", "layers", "-t", "2"] + limits)
      #expect(run.output == expected.output, "\(limits): \(run.errors)")
      #expect(run.errors.contains("layer by layer"))
      #expect(run.errors.contains(": reads"))
    }
  }

  @Test("divergences of several models are the same bytes", arguments: tasks)
  func divergence(_ flags: [String]) throws {
    let models =
      [
        "--base", fixture.checkpoint, "-m", fixture.quantized, "-m", fixture.checkpoint, "-f", fixture.text,
        "-c", "32",
      ]
      + flags
    let expected = try run(models + ["--schedule", "windows", "-t", "2"])
    #expect(expected.status == 0, "\(expected.errors)")
    for limits in [[], ["--max-memory", try least(models + ["-t", "1"])]] {
      let run = try run(models + ["--schedule", "layers", "-t", "1"] + limits)
      #expect(run.output == expected.output, "\(limits): \(run.errors)")
    }
  }

  @Test(
    "base files are the same bytes, and so is what is read from them",
    arguments: ["compact", "full", "llama"])
  func baseFiles(_ format: String) throws {
    let (first, second) = (fixture.folder.path("windows"), fixture.folder.path("layers"))
    let writing = ["-m", fixture.checkpoint, "-f", fixture.text, "-c", "32", "--base-format", format]
    try run(writing + ["--kl-divergence-base", first, "--schedule", "windows"]).expect(0)
    try run(writing + ["--kl-divergence-base", second, "--schedule", "layers"]).expect(0)
    let bytes = try #require(FileManager.default.contents(atPath: first))
    #expect(FileManager.default.contents(atPath: second) == bytes)

    let reading = [
      "-m", fixture.quantized, "-m", fixture.checkpoint, "--kl-divergence", "--kl-divergence-base", first,
    ]
    let expected = try run(reading + ["--schedule", "windows"])
    #expect(expected.status == 0, "\(expected.errors)")
    for limits in [[], ["--max-memory", try least(reading)]] {
      #expect(try run(reading + ["--schedule", "layers"] + limits).output == expected.output)
    }
  }

  @Test("small limits make groups of their own accord, large machines none")
  func auto() throws {
    // Its layers together take much more than two of them.
    let arguments = [
      "-m", Self.sample, "--corpus", "builtin", "-c", "64", "--chunks", "5", "-b", "64", "-t", "2",
    ]
    let whole = try run(arguments)
    #expect(whole.status == 0 && !whole.errors.contains("layer by layer"))
    let limited = try run(arguments + ["--max-memory", try least(arguments)])
    #expect(limited.output == whole.output && limited.errors.contains("layer by layer"), "\(limited.errors)")
    #expect(
      limited.errors.contains(
        /about .+ of disk and .+ of arithmetic in all, at the speed of the first layer/),
      "\(limited.errors)")
  }

  /// What each command is called with, apart from the limit.
  enum Measuring: CaseIterable {
    case perplexity, twoModels, lockStep, importance

    func run(_ fixture: PerplexityFixture, _ flags: [String]) throws -> CommandRun {
      let common = ["-f", fixture.text, "-c", "32", "-t", "2"] + flags
      switch self {
      case .perplexity: return try CommandRun("pouch-perplexity", ["-m", fixture.checkpoint] + common)
      case .twoModels:
        return try CommandRun(
          "pouch-perplexity", ["-m", fixture.checkpoint, "-m", fixture.quantized] + common)
      case .lockStep:
        return try CommandRun(
          "pouch-perplexity", ["--base", fixture.checkpoint, "-m", fixture.quantized] + common)
      case .importance:
        return try CommandRun(
          "pouch-imatrix",
          ["-m", fixture.checkpoint, "-o", fixture.folder.path("limits.gguf"), "--force"] + common)
      }
    }
  }

  @Test(
    "limits that nothing can keep are refused with the least that works, and that works",
    arguments: Measuring.allCases, [[], ["--schedule", "layers"]])
  func limits(_ task: Measuring, _ order: [String]) throws {
    /// The least limit that a refusal names.
    func least(in refusal: CommandRun) throws -> Int {
      let match = try #require(refusal.errors.firstMatch(of: /at least ([0-9]+) bytes/), "\(refusal.errors)")
      return try #require(Int(match.1))
    }
    let zero = try task.run(fixture, order + ["--max-memory", "0"])
    zero.expect(3, "--max-memory", "at least", "found 0")
    let smallest = try least(in: zero)
    #expect(smallest > 1_000_000)
    try task.run(fixture, order + ["--max-memory", "\(smallest)"]).expect(0)
    for (limit, words) in [
      ("1k", "found 1000"), ("\(smallest - 1_500_000)", "found \(smallest - 1_500_000)"),
      ("1000TB", "and at most"),
    ] {
      let refused = try task.run(fixture, order + ["--max-memory", limit])
      refused.expect(3, "--max-memory", "at least", words)
      let said = try least(in: refused)
      #expect(abs(said - smallest) <= 512 << 10, "\(said), \(smallest)")
      #expect(refused.output.isEmpty)
    }
    for flags in [
      ["--max-memory", "1MB", "--schedule", "windows"], ["--max-memory", "-1"], ["--max-memory", "much"],
      ["--schedule", "rows"],
    ] { try task.run(fixture, flags).expect(2) }
  }

  @Test("what a run takes is said before it starts, and times after the first layer")
  func saysWhatItTakes() throws {
    for task in Measuring.allCases {
      let grouped = try task.run(fixture, ["--schedule", "layers"])
      #expect(
        grouped.errors.contains(
          /layer by layer, [0-9]+ windows at a time: reads [0-9.]+ .?B of weights once, takes at most/),
        "\(grouped.errors)")
      // Of a single model with one layer nothing is left to foretell after the first.
      #expect(
        task == .perplexity || task == .importance
          || grouped.errors.contains(
            /about .+ of disk and .+ of arithmetic in all, at the speed of the first layer/),
        "\(grouped.errors)")
      let single = try task.run(fixture, ["--schedule", "windows"])
      #expect(
        single.errors.contains(/window by window: reads [0-9.]+ .?B of weights once, takes at most/),
        "\(single.errors)")
      #expect(!single.errors.contains("of disk"))
    }
  }

  @Test("compressed weights: what is inflated, and how often", arguments: [false, true])
  func compressed(isSorted: Bool) throws {
    let source = try StoredCheckpoint(folder: Self.sample)
    let path = try source.write(in: fixture.folder, name: "compressed")
    // Sorted by name, layer 10 comes before layer 2; a sample with fewer layers is out of order when reversed.
    let names = source.tensors.keys.sorted { a, b in
      let order = (Self.layer(a), a) < (Self.layer(b), b)
      return isSorted ? order : !order
    }
    let items = names.compactMap { name -> SafetensorsWriter.Item? in
      guard let tensor = source.tensors[name], let type = ElementType(rawValue: tensor.type) else {
        return nil
      }
      return (SourceTensor(name: name, elementType: type, shape: tensor.shape), tensor.bytes)
    }
    try SafetensorsWriter.writeCheckpoint([items], to: path)
    let shard = path + "/model.safetensors"
    try ZstdWriter.compressFile(shard, to: shard + ".zst")
    try FileManager.default.removeItem(atPath: shard)
    let flags = ["-m", path, "--corpus", "builtin", "-c", "64", "--chunks", "6", "-b", "64", "-t", "2"]
    let arguments = flags + ["--schedule", "layers"]
    let run = try run(arguments + ["--max-memory", try least(arguments)])
    run.expect(0)
    #expect(run.errors.contains("model.safetensors.zst compressed"), "\(run.errors)")
    let isRepeated = run.errors.contains(
      /its tensors are not in the order of layers: it is inflated [0-9]+ times for each group/)
    #expect(isRepeated != isSorted, "\(run.errors)")
    #expect(run.output == (try self.run(flags).output))
  }

  private static let sample = RepositoryFiles.sample

  /// Where a tensor comes in the order of layers.
  private static func layer(_ name: String) -> Int {
    if name.contains("embed_tokens") { return -1 }
    return name.firstMatch(of: /layers\.([0-9]+)\./).flatMap { Int($0.1) } ?? .max
  }

  @Test("interrupted groups are gone on with, whatever the size of groups was", arguments: [SIGINT, SIGKILL])
  func goesOn(_ signal: Int32) throws {
    let state = fixture.folder.path("state")
    let arguments = ["-m", fixture.quantized, "-m", fixture.checkpoint, "-f", fixture.text, "-c", "32"]
    let expected = try run(arguments)
    let broken = try CommandRun(
      "pouch-perplexity",
      arguments + ["--resume", state, "--schedule", "layers", "--max-memory", least(arguments)]
    ) { process in
      var info = stat()
      let end = Date(timeIntervalSinceNow: 120)
      while Date() < end, kill(process, 0) == 0 {
        if stat(state, &info) == 0, info.st_size >= 3000 { break }
        usleep(200)
      }
      kill(process, signal)
    }
    #expect(signal == SIGINT ? broken.status == 130 : broken.wasKilled, "\(broken.status) \(broken.errors)")
    #expect(expected.output.hasPrefix(broken.output.dropLast(1)))
    let again = try run(arguments + ["--resume", state, "--schedule", "layers"])
    #expect(again.status == 0 && again.output == expected.output, "\(again.errors)")
    #expect(again.errors.contains("windows are done"))
    #expect(!FileManager.default.fileExists(atPath: state))
  }

  @Test(
    "importance matrices and their copies are the same bytes",
    arguments: [
      [], ["--process-output"], ["--no-ppl"], ["--mode", "fast", "-b", "9"], ["--save-frequency", "2"],
    ])
  func importance(_ flags: [String]) throws {
    func collect(_ name: String, _ others: [String]) throws -> CommandRun {
      let out = fixture.folder.path(name)
      return try CommandRun(
        "pouch-imatrix",
        ["-m", fixture.checkpoint, "-f", fixture.text, "-c", "64", "--chunks", "7", "-o", out, "-t", "2"]
          + flags
          + others)
    }
    func bytes(_ name: String) -> Data? { FileManager.default.contents(atPath: fixture.folder.path(name)) }
    let expected = try collect("windows", ["--schedule", "windows"])
    expected.expect(0)
    let refused = try collect("layers", ["--max-memory", "0", "--schedule", "layers"])
    refused.expect(3, "--max-memory", "at least")
    let least = try #require(refused.errors.firstMatch(of: /at least ([0-9]+) bytes/)).1
    for limits in [[], ["--max-memory", String(least)]] {
      let run = try collect("layers", limits + ["--force", "--schedule", "layers"])
      run.expect(0)
      #expect(run.errors.contains("layer by layer") && run.output == expected.output)
      #expect(bytes("windows") != nil && bytes("layers") == bytes("windows"), "\(limits)")
      for number in ["2", "4", "6"] { #expect(bytes("layers.at_" + number) == bytes("windows.at_" + number)) }
    }
  }

  @Test("importance matrices of interrupted groups are gone on with", arguments: [SIGKILL, SIGINT])
  func importanceGoesOn(signal: Int32) throws {
    let text = try fixture.folder.write("long.txt", PerplexityFixture.bytes(64 * 400, seed: 9))
    let out = fixture.folder.path("im.gguf")
    let arguments = [
      "-m", fixture.checkpoint, "-f", text, "-c", "64", "-o", out, "-t", "1", "--schedule", "layers",
    ]
    let refused = try CommandRun("pouch-imatrix", arguments + ["--max-memory", "0"])
    let least = try #require(refused.errors.firstMatch(of: /at least ([0-9]+) bytes/)).1
    let running = try RunningCommand("pouch-imatrix", arguments + ["--max-memory", String(least)])
    let end = try running.stop(signal) { FileManager.default.fileExists(atPath: out) }
    #expect(signal == SIGKILL ? end.wasKilled : end.status == 130, "\(running.errors)")
    let done = try ImportanceFile(path: out).chunkCount
    #expect((1..<400).contains(done))
    let enough = ["--chunks", "\(done + 7)"]
    try CommandRun("pouch-imatrix", arguments + ["--resume"] + enough).expect(0)
    let resumed = FileManager.default.contents(atPath: out)
    try CommandRun("pouch-imatrix", arguments + ["--force", "--schedule", "windows"] + enough).expect(0)
    #expect(FileManager.default.contents(atPath: out) == resumed)
  }
}
