import FileBytes
import Foundation
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Several types and recipes in one command.
@Suite("Commands with many outputs")
struct ManyOutputsCommandTests {
  private static let sample = RepositoryFiles.sample

  private let folder: TemporaryFolder
  private let singles: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    singles = try TemporaryFolder()
  }

  private func contents(of folder: TemporaryFolder) throws -> [String: Data] {
    var files: [String: Data] = [:]
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.url.path) {
      files[name] = try Data(contentsOf: folder.url.appendingPathComponent(name))
    }
    return files
  }

  private func expectSameFiles(sourceLocation: SourceLocation = #_sourceLocation) throws {
    let (made, expected) = (try contents(of: folder), try contents(of: singles))
    #expect(made.keys.sorted() == expected.keys.sorted(), sourceLocation: sourceLocation)
    for (name, data) in expected { #expect(made[name] == data, "\(name)", sourceLocation: sourceLocation) }
  }

  private func convert(_ flags: [String], to target: TemporaryFolder) throws -> CommandRun {
    try CommandRun("pouch-convert", [Self.sample, "--outfile", target.path("{recipe}.gguf")] + flags)
  }

  /// Runs of one output each.
  private func makeSingles(_ types: [String]) throws {
    for type in types { try convert(["--outtype", type, "-q"], to: singles).expect(0) }
  }

  @Test("types, lists of types and recipes give the files of single runs, and a summary")
  func outputs() throws {
    let recipe = "q5_k_s"
    try makeSingles(["bf16", "q4_k_m", "q6_k"])
    try convert(["--recipe", recipe, "-q"], to: singles).expect(0)
    let run = try convert(
      ["--outtype", "bf16,Q4_K_M", "--outtype", "q6_k", "--recipe", recipe, "-v"], to: folder)
    run.expect(0)
    try expectSameFiles()
    let names = ["BF16", "Q4_K_M", "Q6_K", recipe]
    #expect(run.output == names.map { folder.path($0 + ".gguf") + "\n" }.joined())
    let lines = run.errors.split(separator: "\n")
    for name in names {
      #expect(
        lines.contains { $0.hasPrefix(name + " ") && $0.hasSuffix(" bits per weight") }, "\(run.errors)")
      #expect(lines.count { $0.hasPrefix("[") && $0.hasSuffix(", for \(name)") } == 73)
    }
    #expect(lines.contains { $0.hasPrefix("shared: ") && $0.contains(" wanted, ") }, "\(run.errors)")
  }

  @Test("JSON names every output and what was shared; a removed one is made alone")
  func json() throws {
    let flags = ["--outtype", "q4_k_m,q6_k,q8_0", "--json"]
    let first = try convert(flags, to: folder).json()
    let sharing = try #require(first["sharing"] as? [String: Int])
    let (searched, wanted) = (
      try #require(sharing["searchedWeights"]), try #require(sharing["wantedWeights"])
    )
    #expect(searched < wanted)
    #expect(try #require(sharing["readBytes"]) * 3 == sharing["wantedBytes"])
    let before = try contents(of: folder)
    let path = folder.path("Q6_K.gguf")
    try FileManager.default.removeItem(atPath: path)
    let dry = try convert(flags + ["--dry-run"], to: folder).json()
    #expect((dry["plans"] as? [[String: Any]])?.count == 3 && (dry["kept"] as? [String])?.count == 2)
    let second = try convert(flags, to: folder)
    second.expect(0)
    let states = (try second.json()["outputs"] as? [[String: Any]])?.compactMap { $0["state"] as? String }
    #expect(states == ["kept", "made", "kept"])
    #expect(try second.json()["files"] as? [String] == [path])
    #expect(second.errors.contains("kept: \(folder.path("Q8_0.gguf"))"))
    #expect(try contents(of: folder) == before)
    // Everything is there: refused, as one output is.
    try convert(flags, to: folder).expect(3, "as do 2 more", "--force")
    try convert(flags + ["--force"], to: folder).expect(0)
    #expect(try contents(of: folder) == before)
  }

  @Test("pouch-quantize takes lists of types, recipes beside them, names with {ftype}, and folders")
  func quantize() throws {
    let source = singles.path("source.gguf")
    try CommandRun.convert(Self.sample, "--outfile", source, "-q").expect(0)
    for (name, arguments) in [
      ("a-q4_k_s", ["Q4_K_S"]), ("a-q3_k_m", ["12"]), ("a-q5_k_m", ["--recipe", "q5_k_m"]),
    ] {
      try CommandRun("pouch-quantize", [source, singles.path(name + ".gguf")] + arguments + ["-q"]).expect(0)
    }
    try CommandRun.quantize(
      source, folder.path("a-{ftype}.gguf"), "Q4_K_S,12", "2", "--recipe", "q5_k_m", "-q"
    ).expect(0)
    try FileManager.default.removeItem(atPath: source)
    try expectSameFiles()
    // Into a folder, under the names that single runs choose.
    let target = folder.path("sub")
    try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
    try CommandRun.quantize(folder.path("a-q5_k_m.gguf"), target, "COPY,q8_0", "--allow-requantize", "-q")
      .expect(0)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: target).sorted()
        == ["ggml-model-COPY.gguf", "ggml-model-Q8_0.gguf"])
  }

  @Test("wrong uses are said before any work")
  func usage() throws {
    let out = folder.path("out.gguf")
    func check(_ flags: [String], _ status: Int32, _ parts: String...) throws {
      try CommandRun("pouch-convert", [Self.sample] + flags).expect(status, parts)
      #expect(try contents(of: folder).isEmpty)
    }
    try check(["--outtype", "q4_k_m,q8_0", "--outfile", out], 2, "Q4_K_M and Q8_0", "{ftype}")
    try check(["--outtype", "q4_k_m", "--recipe", "q5_k_m", "--outfile", out], 2, "Q4_K_M and q5_k_m")
    try check(["--outtype", "q8_0,q8_0", "--outfile", folder.path("{ftype}")], 2, "Q8_0 twice")
    try check(["--outtype", "q4_k_m,,q8_0", "--outfile", folder.path("{ftype}")], 2)
    try check(["--outtype", "q4_k_m,q4_k_x", "--outfile", folder.path("{ftype}")], 2, "q4_k_x")
    try check(
      ["--outtype", "q4_k_m,q8_0", "--outfile", folder.path("{ftype}"), "--max-memory", "1kB"], 3,
      "--max-memory")
    try check(["--outtype", "q4_k_m,q8_0", "--outfile", folder.path("none/{ftype}")], 3, "existing folder")
    try CommandRun.quantize("x.gguf", "out.gguf", "Q4_K_M,Q4_K_X").expect(2, "Q4_K_X")
  }

  @Test("a run that is killed is finished by the same command")
  func killed() throws {
    let types = ["q4_k_m", "q6_k", "bf16"]
    try makeSingles(types)
    let arguments = [
      Self.sample, "--outtype", types.joined(separator: ","), "--outfile", folder.path("{recipe}.gguf"), "-t",
      "1",
      "--max-memory", "4MB",
    ]
    let journal = folder.path("BF16.gguf.journal")
    for records in [3, 20] {
      let run = try RunningCommand("pouch-convert", arguments)
      let (_, wasKilled) = try run.stop(SIGKILL) {
        ((try? FileManager.default.attributesOfItem(atPath: journal)[.size] as? Int) ?? 0) > 400 + 60
          * records
      }
      #expect(wasKilled)
    }
    let last = try CommandRun("pouch-convert", arguments)
    last.expect(0)
    #expect(last.errors.contains("of the source were done before"))
    try expectSameFiles()
  }

  @Test("an output that cannot be made is named, the others are finished, and the next run makes it")
  func failing() throws {
    try makeSingles(["q4_k_m", "q8_0"])
    let flags = ["--outtype", "q4_k_m,q8_0"]
    let partial = folder.path("Q8_0.gguf.partial")
    try FileManager.default.createDirectory(atPath: partial, withIntermediateDirectories: true)
    let run = try convert(flags, to: folder)
    run.expect(1, "expected 2 finished, found 1 finished", partial)
    #expect(run.output == folder.path("Q4_K_M.gguf") + "\n")
    let json = try convert(flags + ["--json", "--force"], to: folder)
    json.expect(1)
    let outputs = try #require(try json.json()["outputs"] as? [[String: Any]])
    #expect(outputs[1]["state"] as? String == "failed" && outputs[1]["error"] != nil)
    try FileManager.default.removeItem(atPath: partial)
    try convert(flags, to: folder).expect(0)
    try expectSameFiles()
  }
}
