import Foundation
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite("pouch-tune")
struct TuneTests {
  private let folder: TemporaryFolder
  private let text: String

  private static let samples = RepositoryFiles.path("samples")
  private static let sample = samples + "/Pelican-10M-A5M"

  init() throws {
    folder = try TemporaryFolder()
    let whole = try #require(FileManager.default.contents(atPath: Self.samples + "/texts/svg-plain.txt"))
    text = try folder.write("text.txt", Array(whole.prefix(4000)))
  }

  private func tune(_ arguments: String...) throws -> CommandRun { try CommandRun("pouch-tune", arguments) }

  /// A measurement of some windows of 64 tokens.
  private func measure(_ name: String, _ arguments: [String]) throws -> CommandRun {
    try CommandRun("pouch-tune", flags(name) + arguments)
  }

  private func flags(_ name: String) -> [String] {
    [
      Self.sample, "-f", text, "--window", "64", "--chunks", "6", "--gain-chunks", "2", "--types",
      "q3_K,q4_K,q8_0", "-o", folder.path(name),
    ]
  }

  private func json(_ run: CommandRun) throws -> [String: Any] {
    try #require(JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
  }

  private func bytes(_ name: String) -> Data? { FileManager.default.contents(atPath: folder.path(name)) }
  private func exists(_ name: String) -> Bool { bytes(name) != nil }

  @Test("wrong usage is told before anything is read")
  func usage() throws {
    let budget = ["--target-bpw", "4.5"]
    for (arguments, part) in [
      ([], "-f"), (["-f", text, "--fit", "32GB"], "-c"), (["-f", text, "-c", "4096"], "--fit"),
      (["-f", text, "--imatrix", "a", "--no-imatrix"], "--no-imatrix"),
      (["-f", text, "--convert", "a"], "budget"),
      (["--table", "t", "--convert", "a"] + budget, "-f or --test"),
      (["-f", text, "--convert", "a.gguf", "--target-bpw", "4", "--target-bpw", "5"], "{recipe}"),
      (["-f", text, "--target-bpw", "-1"], "--target-bpw"), (["-f", text, "--max-kld", "0"], "--max-kld"),
      (["-f", text, "--window", "3"], "--window"), (["-f", text, "--chunks", "0"], "--chunks"),
      (["-f", text, "--method", "guess"], "guess"), (["-f", text, "--target-size", "much"], "much"),
    ] {
      let run = try CommandRun("pouch-tune", [Self.sample] + arguments)
      #expect(run.status == 2 && run.errors.contains(part), "\(arguments): \(run.errors)")
    }
  }

  @Test("a table, recipes, a file of the planned size, and what it lost; other budgets cost nothing")
  func wholeWay() throws {
    let out = folder.path("{recipe}.gguf")
    let run = try measure(
      "mine", ["--target-bpw", "4.5", "--convert", out, "--html", folder.path("page.html"), "--json"])
    run.expect(0)
    #expect(run.errors.contains("6 windows of 64 tokens") && !exists("mine.state") && !exists("mine.streams"))
    let mix = try #require((try json(run)["mixes"] as? [[String: Any]])?.first)
    let size = try #require(mix["fileBytes"] as? Int)
    #expect(bytes("mine-4.5bpw.gguf")?.count == size)
    let actual = try #require((mix["actual"] as? [String: Any])?["divergence"] as? Double)
    let predicted = try #require(mix["predictedDivergence"] as? Double)
    #expect(actual > 0 && predicted > 0 && abs(log(actual / predicted)) < log(8))
    #expect(try #require(bytes("page.html")).count > 1000)

    // The recipe alone makes the same tensors.
    let recipe = folder.path("mine-4.5bpw.yaml")
    try CommandRun(
      "pouch-convert",
      [
        Self.sample, "--recipe", recipe, "--imatrix", folder.path("mine.imatrix.gguf"), "--outfile",
        folder.path("again.gguf"),
      ]
    ).expect(0)
    #expect(bytes("again.gguf")?.count == size)

    // The table serves other budgets, without the text.
    let table = folder.path("mine.sensitivity.json")
    let others = [
      Self.sample, "--table", table, "-o", folder.path("other"), "--target-size", "\(size)", "--target-bpw",
      "5",
      "--fit", "2GB", "-c", "512", "--max-kld", "\(predicted)", "--json",
    ]
    // The sample fits 2 GB at any type, which is an error that names both ends.
    try CommandRun("pouch-tune", others).expect(3, "--fit", "the smallest mix", "the largest")
    let again = try CommandRun(
      "pouch-tune", others.filter { !["--fit", "2GB", "-c", "512"].contains($0) } + ["--force"])
    again.expect(0)
    let mixes = try #require(try json(again)["mixes"] as? [[String: Any]])
    #expect(mixes.count == 3 && mixes[0]["fileBytes"] as? Int == size)
    #expect(try #require(mixes[2]["predictedDivergence"] as? Double) <= predicted)

    // Nothing is replaced that was not to be; a table is of one model, text and importance matrix.
    try measure("mine", []).expect(3, "mine.sensitivity.json", "--table")
    let budget = ["--table", table, "--target-bpw", "5", "-o", folder.path("no")]
    let other = try folder.write("other.txt", Array(repeating: UInt8(ascii: "a"), count: 4000))
    try CommandRun("pouch-tune", [Self.sample, "-f", other, "--window", "64"] + budget).expect(3, "text")
    try CommandRun("pouch-tune", [Self.sample, "--imatrix", recipe] + budget).expect(3, "importance data")
    let gguf = folder.path("mine-4.5bpw.gguf")
    try CommandRun("pouch-tune", [gguf] + budget).expect(3)
    try CommandRun("pouch-tune", [Self.sample, "--uniform", "kitchen"] + budget).expect(3, "kitchen")
    try CommandRun("pouch-tune", [Self.sample, "--least", "attention"] + budget).expect(2, "ROLE=TYPE")
    try CommandRun("pouch-tune", [Self.sample, "--types", "q5_K"] + budget).expect(3, "--types")
    let broken = try folder.write(
      "broken.json", Array(try #require(bytes("mine.sensitivity.json")).prefix(2000)))
    try CommandRun("pouch-tune", [Self.sample, "--table", broken, "--target-bpw", "5"]).expect(
      3, "broken.json")
    #expect(!exists("no-5.0bpw.yaml"))
  }

  @Test("texts that are too short and models that are quantized are rejected")
  func badInput() throws {
    let short = try folder.write("short.txt", Array("<svg>".utf8))
    try tune(Self.sample, "-f", short, "-o", folder.path("s")).expect(3, "short.txt", "two windows")
    let quantized = folder.path("q.gguf")
    try CommandRun("pouch-convert", [Self.sample, "--outtype", "q4_0", "--outfile", quantized]).expect(0)
    try tune(quantized, "-f", text, "--window", "64", "--chunks", "2", "-o", folder.path("q"), "--no-imatrix")
      .expect(3, "at 16 or 32 bits")
    try tune(Self.sample, "-f", text, "--types", "q9_K", "-o", folder.path("q")).expect(3, "q9_K")
  }

  @Test("an interrupted run is gone on with", arguments: [SIGINT, SIGKILL])
  func goesOn(_ signal: Int32) throws {
    let expected = folder.path("whole")
    try measure("whole", ["--no-imatrix"]).expect(0)
    let running = try RunningCommand("pouch-tune", flags("part") + ["--no-imatrix", "-t", "1"])
    let end = try running.stop(signal) {
      var info = stat()
      return stat(folder.path("part.state"), &info) == 0 && info.st_size >= 3000
    }
    #expect(signal == SIGKILL ? end.wasKilled : end.status == 130, "\(running.errors)")
    #expect(!exists("part.sensitivity.json") && exists("part.state"))
    try measure("part", ["--no-imatrix"]).expect(0)
    #expect(
      bytes("part.sensitivity.json") == FileManager.default.contents(atPath: expected + ".sensitivity.json"))
    #expect(!exists("part.state") && !exists("part.streams"))
  }

  @Test("a GGUF at 16 bits gives the table of its checkpoint, apart from its name")
  func ggufSource() throws {
    let gguf = folder.path("bf16.gguf")
    try CommandRun("pouch-convert", [Self.sample, "--outtype", "bf16", "--outfile", gguf]).expect(0)
    try measure("a", ["--no-imatrix"]).expect(0)
    try CommandRun("pouch-tune", [gguf] + flags("b").dropFirst() + ["--no-imatrix"]).expect(0)
    func groups(_ name: String) throws -> Data {
      let object = try JSONSerialization.jsonObject(with: try #require(bytes(name))) as? [String: Any]
      return try JSONSerialization.data(
        withJSONObject: try #require(object?["groups"] as? [Any]), options: .sortedKeys)
    }
    #expect(try groups("a.sensitivity.json") == groups("b.sensitivity.json"))
  }
}
