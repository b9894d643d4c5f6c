import FileBytes
import Foundation
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// `--part` and `--join` of conversions.
@Suite("Parts in commands")
struct PartsCommandTests {
  private static let sample = RepositoryFiles.sample

  private let folder: TemporaryFolder
  private var out: String { folder.path("a b.gguf") }

  init() throws { folder = try TemporaryFolder() }

  private func convert(_ flags: String..., type: String = "q4_k_m") throws -> CommandRun {
    try CommandRun("pouch-convert", [Self.sample, "--outtype", type, "--outfile", out] + flags)
  }

  private func contents() throws -> [String: Data] {
    var files: [String: Data] = [:]
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.url.path) {
      files[name] = try Data(contentsOf: folder.url.appendingPathComponent(name))
    }
    return files
  }

  @Test("wrong uses are said before any work")
  func usage() throws {
    for part in ["5/4", "0/4", "x/y", "2", "2/", "-1/4", "1/10001"] {
      try convert("--part=" + part).expect(2, "--part takes i/n with i from 1 to n", "2/4")
    }
    try convert("--part", "1/2", "--join").expect(2, "--part and --join exclude each other")
    try convert("--join", "--dry-run").expect(2, "--join and --dry-run")
    try convert("--join").expect(1, "no journal of a part", "--part 1/N")
    try CommandRun.quantize("in.gguf", out, "q8_0", "--part", "3/2").expect(2, "3/2")
    #expect(try contents().isEmpty)
  }

  @Test("a join names what is missing with commands that make it, and these do")
  func missing() throws {
    let single = folder.path("single.gguf")
    try CommandRun.convert(Self.sample, "--outtype", "q4_k_m", "--outfile", single, "-q").expect(0)
    let expected = try Data(contentsOf: URL(fileURLWithPath: single))
    try FileManager.default.removeItem(atPath: single)
    let first = try convert("--part", "2/3")
    first.expect(0)
    #expect(first.output.isEmpty)
    #expect(first.errors.contains("part 2/3: ") && first.errors.contains(" % of the work, "))
    #expect(first.errors.contains("--join\n") && !first.errors.contains("--part"), "\(first.errors)")
    let join = try convert("--join")
    join.expect(1, "expected 3 complete parts, found 1", "part 1/3 was not begun", "part 3/3 was not begun")
    let commands = join.errors.split(separator: "\n").compactMap { line in
      line.firstRange(of: " was not begun: ").map { String(line[$0.upperBound...]) }
    }
    #expect(commands.count == 2)
    for command in commands {
      #expect(command.hasPrefix("pouch-convert ") && command.contains("'\(out)'"))
      let shell = Process()
      shell.executableURL = URL(fileURLWithPath: "/bin/sh")
      shell.arguments = ["-c", "exec \(CommandRun.executables.path)/\(command) -q"]
      try shell.run()
      shell.waitUntilExit()
      #expect(shell.terminationStatus == 0)
    }
    let done = try convert("--join", "--json")
    done.expect(0)
    #expect(try done.json()["files"] as? [String] == [out])
    #expect(try contents() == ["a b.gguf": expected])
    try convert("--join").expect(3, "joined before")
    try convert("--part", "2/3").expect(3, "--force")
  }

  @Test("other flags and other numbers of parts are refused with the difference")
  func others() throws {
    try convert("--part", "1/2", "-q").expect(0)
    try convert("--part", "2/2", "--tensor-type", "attn_q=q8_0").expect(
      3, "the output type, flags or output names changed")
    try convert("--part", "1/2", type: "q6_k").expect(3, "the output type, flags or output names changed")
    try convert("--part", "2/3").expect(3, "expected parts of 3, found journals of part 1/2")
    try convert().expect(3, "a run without --part", "part 1/2")
    try convert("--join", type: "q6_k").expect(3, "the output type, flags or output names changed")
  }

  @Test("JSON and dry runs say which part it is")
  func json() throws {
    let dry = try convert("--part", "2/2", "--dry-run", "--split-max-size", "3M")
    dry.expect(0)
    #expect(dry.errors.contains("; shards a b-0000"), "\(dry.errors)")
    #expect(try contents().isEmpty)
    let run = try convert("--part", "1/2", "--json")
    run.expect(0)
    let report = try run.json()
    #expect(report["part"] as? String == "1/2" && (report["files"] as? [String])?.isEmpty == true)
    #expect((report["outputs"] as? [[String: Any]])?.first?["state"] as? String == "part")
  }

  @Test("a part that is killed is finished by the same command; a second process is refused meanwhile")
  func killed() throws {
    let flags = ["--part", "2/2", "-t", "1", "--max-memory", "3MB"]
    let arguments = [Self.sample, "--outtype", "q4_k_m", "--outfile", out] + flags
    let journal = out + ".part-2-of-2.journal"
    func size() -> Int { (try? Data(contentsOf: URL(fileURLWithPath: journal)).count) ?? 0 }
    let running = try RunningCommand("pouch-convert", arguments)
    var second: CommandRun?
    let end = try running.stop(SIGKILL) {
      guard size() > 1500 else { return false }
      // Held, so that it does not end while the second one starts.
      running.signal(SIGSTOP)
      second = try? CommandRun("pouch-convert", arguments)
      return true
    }
    #expect(end.wasKilled)
    try #require(second).expect(1, "still going on: process ")
    try convert("--join").expect(1, "part 1/2 was not begun")
    let again = try convert("--part", "2/2", "--json")
    again.expect(0)
    try convert("--part", "1/2", "-q").expect(0)
    try convert("--join", "-q").expect(0)
    let joined = try Data(contentsOf: URL(fileURLWithPath: out))
    #expect(try contents().keys.sorted() == ["a b.gguf"])
    try convert("--force", "-q").expect(0)
    #expect(try Data(contentsOf: URL(fileURLWithPath: out)) == joined)
  }

  @Test("pouch-quantize makes parts of shards, too")
  func quantize() throws {
    let source = folder.path("source.gguf")
    try CommandRun.convert(Self.sample, "--outfile", source, "-q").expect(0)
    func quantize(_ name: String, _ flags: String...) throws {
      try CommandRun(
        "pouch-quantize", ["--split-max-size", "2M", source, folder.path(name), "Q5_K_S", "-q"] + flags
      ).expect(0)
    }
    try quantize("one.gguf")
    for part in ["3/3", "1/3", "2/3"] { try quantize("many.gguf", "--part", part) }
    try quantize("many.gguf", "--join")
    let files = try contents()
    let singles = files.keys.filter { $0.hasPrefix("one-") }
    #expect(singles.count > 2 && files.count == 1 + 2 * singles.count)
    for name in singles { #expect(files[name] == files["many" + name.dropFirst(3)], "\(name)") }
  }
}
