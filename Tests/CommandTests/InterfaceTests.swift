import Foundation
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What all commands have in common: help, version, exit codes, errors as JSON, results that cannot be written.
@Suite("What all commands share")
struct InterfaceTests {
  static let commands = [
    "pouch-bench", "pouch-card", "pouch-convert", "pouch-estimate", "pouch-generate", "pouch-imatrix",
    "pouch-inspect",
    "pouch-perplexity", "pouch-quantize", "pouch-svg-eval", "pouch-tune", "pouch-validate",
  ]

  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Where snapshots are kept, in the source tree.
  private static var snapshots: URL {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Snapshots")
  }

  @Test("help is as recorded; POUCH_RECORD_SNAPSHOTS=1 records", arguments: commands)
  func help(command: String) throws {
    let run = try CommandRun(command, ["--help"])
    #expect(run.status == 0 && run.errors.isEmpty)
    let url = Self.snapshots.appendingPathComponent("\(command).help.txt")
    if ProcessInfo.processInfo.environment["POUCH_RECORD_SNAPSHOTS"] != nil {
      try Data(run.output.utf8).write(to: url)
    }
    let recorded = try String(contentsOf: url, encoding: .utf8)
    let lines = zip(recorded.split(separator: "\n"), run.output.split(separator: "\n"))
    if let first = lines.first(where: { $0 != $1 }) {
      Issue.record("recorded: \(first.0)\nprinted:  \(first.1)")
    }
    #expect(run.output == recorded)
  }

  @Test("help says how the command is used, with an example, and what exit codes mean", arguments: commands)
  func helpParts(command: String) throws {
    let help = try CommandRun(command, ["--help"]).output
    for part in ["USAGE: \(command)", "Examples:", "\(command) ", "Exit codes: 0 done", "--version"]
    where command != "pouch-validate" || part != "Exit codes: 0 done" {
      #expect(help.contains(part), "\(part)")
    }
  }

  @Test("every command tells its version", arguments: commands)
  func version(command: String) throws {
    let run = try CommandRun(command, ["--version"])
    #expect(run.status == 0 && run.errors.isEmpty)
    #expect(run.output.contains(/^\d+\.\d+\.\d+ \(kernel level \w+\)\n$/))
  }

  @Test("wrong usage is one short message and exit code 2", arguments: commands)
  func usage(command: String) throws {
    let run = try CommandRun(command, ["--no-such-flag"])
    #expect(run.status == 2 && run.output.isEmpty)
    #expect(run.errorLines.count == 1, "\(run.errors)")
    #expect(run.errors.contains("See '\(command) --help'"))
    #expect(run.errors.split(separator: "\n").count <= 3, "\(run.errors)")
  }

  @Test("a missing argument is one short message", arguments: commands.filter { $0 != "pouch-bench" })
  func missing(command: String) throws {
    let run = try CommandRun(command, [])
    #expect(run.status == 2 && run.output.isEmpty)
    #expect(run.errorLines.count == 1 && run.errors.split(separator: "\n").count <= 3, "\(run.errors)")
  }

  @Test("a flag of several letters is named whole")
  func wholeFlag() throws {
    let run = try CommandRun("pouch-generate", ["-m", "x.gguf", "-p", "hi", "-ngl", "99"])
    #expect(run.status == 2 && run.errors.contains("'-ngl'"), "\(run.errors)")
  }

  private struct Failure: Decodable {
    struct Parts: Decodable {
      var exitCode: Int32
      var kind: String
      var message: String
      var file: String?
      var subject: String?
      var expected: String?
      var found: String?
      var problems: [String]?
      var remedy: String?
    }
    var schema: String
    var schemaVersion: Int
    var pouchVersion: String
    var error: Parts
  }

  private func failure(_ run: CommandRun) throws -> Failure {
    try JSONDecoder().decode(Failure.self, from: Data(run.output.utf8))
  }

  @Test(
    "with --json an error is a JSON document, too",
    arguments: ["pouch-inspect", "pouch-validate", "pouch-estimate"])
  func errorAsJSON(command: String) throws {
    let missing = folder.path("none.gguf")
    let run = try CommandRun(command, [missing, "--json"])
    let told = try failure(run)
    #expect(told.schema == "pouch.error" && told.schemaVersion == 1)
    #expect(told.error.exitCode == run.status && run.status == 3 && told.error.kind == "rejected")
    #expect(told.error.file == missing && told.error.expected?.isEmpty == false)
    #expect(run.errors.contains("Error: " + told.error.message))
  }

  @Test("what libraries refuse is told with flags, under --json, too")
  func flags() throws {
    let run = try CommandRun("pouch-estimate", ["qwen3-30b-a3b", "--machine", "abacus", "--json"])
    let told = try failure(run).error
    #expect(told.subject == "--machine" && told.remedy == "or give --memory", "\(run.output)")
    #expect(
      run.errors.contains("Error: " + told.message) && told.message.hasPrefix("--machine: expected one of"))
  }

  @Test("wrong usage with --json is a JSON document, too", arguments: commands)
  func usageAsJSON(command: String) throws {
    let run = try CommandRun(command, ["--json", "--no-such-flag"])
    let told = try failure(run)
    #expect(told.error.exitCode == 2 && run.status == 2 && told.error.kind == "usage")
    #expect(run.errors.contains(told.error.message))
  }

  @Test("problems are a line each, and a list under --json")
  func problemList() throws {
    var checkpoint = TinyCheckpoint()
    for index in checkpoint.shards.indices {
      for name in checkpoint.shards[index].keys where name.contains("layers.0.self_attn") {
        checkpoint.shards[index][name] = nil
      }
    }
    let model = try checkpoint.write(in: folder, name: "lacking")
    let run = try CommandRun.convert(model, "--outfile", folder.path("out.gguf"), "--json")
    let told = try failure(run)
    let problems = try #require(told.error.problems)
    #expect(run.status == 3 && problems.count > 3)
    for problem in problems { #expect(run.errors.contains("\n  \(problem)\n"), "\(run.errors)") }
    #expect(!run.errors.contains("\\n"))
  }

  /// Runs a command with standard output on a device that is always full.
  private func onFullDevice(
    _ command: String, _ arguments: [String]
  ) throws -> (status: Int32, errors: String) {
    let process = Process()
    process.executableURL = CommandRun.executables.appendingPathComponent(command)
    process.arguments = arguments
    process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: "/dev/full"))
    let pipe = Pipe()
    process.standardError = pipe
    try process.run()
    let errors = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, errors)
  }

  @Test(
    "a result that cannot be written is a failure",
    .enabled(if: FileManager.default.fileExists(atPath: "/dev/full")))
  func fullDevice() throws {
    let model = try TinyCheckpoint().write(in: folder)
    let file = folder.path("out.gguf")
    #expect(try CommandRun.convert(model, "--outfile", file).status == 0)
    for (command, arguments) in [
      ("pouch-inspect", [file]), ("pouch-inspect", [file, "--json"]), ("pouch-validate", [file, "--json"]),
      ("pouch-estimate", [file]), ("pouch-convert", ["--list-types"]), ("pouch-bench", ["--help"]),
    ] {
      let run = try onFullDevice(command, arguments)
      #expect(run.status == 1, "\(command) \(arguments): \(run.errors)")
      #expect(run.errors.contains("standard output") && run.errors.contains("No space left"), "\(run.errors)")
    }
  }

  @Test("pages and manifests replace nothing unasked", arguments: ["--html", "--write-manifest"])
  func outputsAreKept(flag: String) throws {
    let file = try folder.write("good.gguf", try SampleFile.q4KM.get().encoded())
    let kept = try folder.write("kept", Array("mine".utf8))
    let pipe = folder.path("pipe")
    #expect(mkfifo(pipe, 0o600) == 0)
    for path in [kept, pipe, "-", folder.path("none/page"), folder.url.path] {
      let run = try CommandRun("pouch-validate", [file, flag, path])
      #expect(run.status == 3 && run.errorLines.count == 1 && run.output.isEmpty, "\(path): \(run.errors)")
    }
    #expect(try String(contentsOfFile: kept, encoding: .utf8) == "mine")
    let forced = try CommandRun("pouch-validate", [file, flag, kept, "--force"])
    #expect(forced.status == 0, "\(forced.errors)")
    #expect(try String(contentsOfFile: kept, encoding: .utf8) != "mine")
  }

  @Test("lists of types and recipes")
  func lists() throws {
    let types = try CommandRun.convert("--list-types")
    #expect(
      types.status == 0 && types.output.contains("Q4_K_M") && types.output.contains("4.500 bits per weight"))
    let recipes = try CommandRun("pouch-quantize", ["--list-recipes"])
    #expect(recipes.status == 0 && recipes.output.contains("hybrid-q4_k_m-plus"))
  }
}
