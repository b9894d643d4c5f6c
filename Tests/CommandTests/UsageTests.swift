import Foundation
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Exit codes and messages of the command lines themselves.
@Suite("Usage and exit codes")
struct UsageTests {
  private let folder: TemporaryFolder
  private let model: String
  private let outputs: TemporaryFolder
  private var out: String { outputs.path("out.gguf") }

  init() throws {
    folder = try TemporaryFolder()
    outputs = try TemporaryFolder()
    model = try TinyCheckpoint().write(in: folder)
  }

  private func written() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: outputs.url.path)
  }

  /// Expects an exit code and a single error line with `parts`, and that nothing was written.
  private func expect(_ run: CommandRun, _ status: Int32, _ parts: String..., written names: [String] = [])
    throws
  {
    #expect(run.status == status && !run.wasKilled, "status \(run.status): \(run.errors)")
    #expect(run.errorLines.count == 1, "\(run.errors)")
    for part in parts {
      #expect(run.errorLines.first?.contains(part) == true, "\(part) is not in: \(run.errors)")
    }
    #expect(try written() == names)
  }

  @Test("help and version", arguments: ["pouch-convert", "pouch-quantize", "pouch-inspect"])
  func help(command: String) throws {
    let help = try CommandRun(command, ["--help"])
    #expect(help.status == 0 && help.errors.isEmpty)
    #expect(help.output.contains("USAGE: \(command)") && help.output.contains("Exit codes: 0 done"))
    let version = try CommandRun(command, ["--version"])
    #expect(version.status == 0 && version.errors.isEmpty)
    #expect(version.output.contains(/^\d+\.\d+\.\d+ \(kernel level \w+\)\n$/))
  }

  @Test("unknown flags are wrong usage", arguments: ["pouch-convert", "pouch-quantize", "pouch-inspect"])
  func unknownFlag(command: String) throws {
    let run = try CommandRun(command, [model, "--no-such-flag"])
    try expect(run, 2, "--no-such-flag")
    try expect(try CommandRun(command, []), 2)
  }

  @Test("wrong values of flags are wrong usage, with near misses")
  func wrongValues() throws {
    try expect(
      try .convert(model, "--outtype", "Q4_K_X", "--outfile", out), 2, "Q4_K_X", "did you mean Q4_K_")
    try expect(try .quantize(out, out, "Q4_K_X"), 2, "Q4_K_X", "did you mean Q4_K_")
    try expect(try .quantize(out), 2, "type")
    try expect(try .quantize(out, out, "Q8_0", "many"), 2, "threads", "many")
    try expect(try .convert(model, "--outfile", out, "--tensor-type", "ffn"), 2, "ffn")
    try expect(try .convert(model, "--outfile", out, "--tensor-type", "ffn=q9_0"), 2, "q9_0")
    try expect(try .convert(model, "--outfile", out, "--tensor-type", "f(fn=q8_0"), 2, "f(fn")
    try expect(try .convert(model, "--outfile", out, "--output-tensor-type", "q77"), 2, "q77")
    try expect(
      try .convert(model, "--outfile", out, "--override-kv", "general.name=text:x"), 2, "general.name")
    try expect(try .convert(model, "--outfile", out, "--max-memory", "lots"), 2, "--max-memory", "lots")
    try expect(try .convert(model, "--outfile", out, "--split-max-size", "0"), 2, "--split-max-size")
    try expect(try .convert(model, "--outfile", out, "--split-max-tensors", "0"), 2, "--split-max-tensors")
    try expect(try .convert(model, "--outfile", ""), 2, "output")
    try expect(try .quantize(model + "/none.gguf", "", "Q8_0"), 3, "none.gguf")
    try expect(try .convert(model, "--outfile", out, "--mtp", "--no-mtp"), 2, "--no-mtp")
    try expect(try .convert(model, "--outfile", out, "--include-weights", "x"), 2, "--imatrix")
    try expect(try .convert(model, "--outfile", out, "--tensor-type-file", "/none/rules"), 2, "/none/rules")
  }

  @Test(
    "thread counts out of range are wrong usage",
    arguments: ["0", "-3", "100000", "9223372036854775807", "x"])
  func threads(count: String) throws {
    try expect(try .convert(model, "--outfile", out, "--threads=" + count), 2, "--threads")
  }

  @Test("a memory limit below one row is refused with the size that would do")
  func memoryLimit() throws {
    try expect(
      try .convert(model, "--outfile", out, "--max-memory", "100"), 3, "--max-memory", "at least", "100")
  }

  @Test("a rule that matches nothing is rejected by name")
  func deadRule() throws {
    let flags = ["--outtype", "q8_0", "--tensor-type", "ffn_donw_exps=q6_k"]
    try expect(try CommandRun("pouch-convert", [model, "--outfile", out] + flags), 3, "ffn_donw_exps")
  }

  @Test("an existing output is kept unless --force is given")
  func existingOutput() throws {
    _ = try outputs.write("out.gguf", [1, 2, 3])
    try expect(try .convert(model, "--outfile", out), 3, out, "--force", written: ["out.gguf"])
    #expect(try Data(contentsOf: URL(fileURLWithPath: out)) == Data([1, 2, 3]))
    let forced = try CommandRun.convert(model, "--outfile", out, "--force")
    #expect(forced.status == 0, "\(forced.errors)")
    #expect(try written() == ["out.gguf"])
    #expect(try CommandRun.inspect(out).status == 0)
  }

  @Test("an output that another run is writing is left alone")
  func outputInUse() throws {
    let journal = try outputs.write("out.gguf.journal", [])
    let descriptor = open(journal, O_RDWR)
    defer { close(descriptor) }
    try #require(flock(descriptor, LOCK_EX) == 0)
    try expect(
      try .convert(model, "--outfile", out), 1, journal, "still going on", written: ["out.gguf.journal"])
  }

  @Test("a journal that cannot be read is no reason to destroy work")
  func damagedJournal() throws {
    let journal = try outputs.write("out.gguf.journal", Array("{\"version\": 1}\nrecords".utf8))
    let partial = try outputs.write("out.gguf.partial", [1, 2, 3])
    let run = try CommandRun.convert(model, "--outfile", out)
    #expect(run.status == 3 && run.lastErrorLine.contains(journal) && run.lastErrorLine.contains("--force"))
    #expect(try Data(contentsOf: URL(fileURLWithPath: partial)) == Data([1, 2, 3]))
    #expect(try written().sorted() == ["out.gguf.journal", "out.gguf.partial"])
    let forced = try CommandRun.convert(model, "--outfile", out, "--force")
    #expect(forced.status == 0, "\(forced.errors)")
    #expect(try written() == ["out.gguf"])
  }

  @Test("names that lead nowhere")
  func missingPlaces() throws {
    let missing = folder.path("no-such-model")
    try expect(try .convert(missing, "--outfile", out), 3, missing)
    try expect(try .quantize(missing, out, "Q8_0"), 3, missing)
    try expect(try .inspect(missing), 3, missing)
    try expect(try .convert(model + "/config.json", "--outfile", out), 3, "config.json", "folder")
    let nowhere = outputs.path("none/out.gguf")
    try expect(try .convert(model, "--outfile", nowhere), 3, nowhere, "create it first")
  }

  @Test("the source is never overwritten")
  func overwritingSource() throws {
    let plain = folder.path("plain.gguf")
    #expect(try CommandRun.convert(model, "--outfile", plain).status == 0)
    let before = try Data(contentsOf: URL(fileURLWithPath: plain))
    try expect(try .quantize("--force", plain, plain, "Q8_0"), 2, plain)
    #expect(try Data(contentsOf: URL(fileURLWithPath: plain)) == before)
  }

  @Test("a dry run ends as the run would and writes nothing")
  func dryRun() throws {
    let bad = try TinyCheckpointFolder.withoutTensor("model.norm.weight", in: folder)
    let cases: [[String]] = [
      [model, "--outfile", out],
      [bad, "--outfile", out],
      [model, "--outfile", outputs.path("none/out.gguf")],
      [model, "--outfile", out, "--tensor-type", "nothing_like_it=q8_0", "--outtype", "q4_k_m"],
      [model, "--outfile", out, "--outtype", "q4_k_m", "--strict"],
      [model, "--outfile", out, "--max-memory", "100"],
    ]
    for flags in cases {
      let dry = try CommandRun("pouch-convert", flags + ["--dry-run"])
      #expect(try written().isEmpty)
      let real = try CommandRun("pouch-convert", flags)
      #expect(dry.status == real.status, "\(flags): \(dry.errors)")
      #expect(dry.errorLines == real.errorLines)
      try? FileManager.default.removeItem(atPath: out)
    }
  }

  private struct Plan: Decodable {
    struct Tensor: Decodable {
      var name: String
      var type: String
      var bytes: Int
    }
    var architecture: String
    var fileBytes: Int
    var files: [String]
    var bytesByFile: [String: Int]
    var tensors: [Tensor]
  }

  private struct Outcome: Decodable {
    var files: [String]
    var fileBytes: Int
    var resumedBytes: Int
  }

  @Test("--json prints the plan and the result, and they agree")
  func json() throws {
    let flags = [model, "--outfile", out, "--outtype", "q8_0", "--json"]
    let dry = try CommandRun("pouch-convert", flags + ["--dry-run"])
    #expect(dry.status == 0, "\(dry.errors)")
    let plan = try JSONDecoder().decode(Plan.self, from: Data(dry.output.utf8))
    #expect(plan.architecture == "qwen3moe")
    #expect(plan.tensors.first { $0.name == "blk.0.ffn_down_exps.weight" }?.type == "q8_0")
    #expect(plan.files == [out] && plan.bytesByFile == [out: plan.fileBytes])
    let real = try CommandRun("pouch-convert", flags)
    let outcome = try JSONDecoder().decode(Outcome.self, from: Data(real.output.utf8))
    #expect(outcome.files == [out] && outcome.fileBytes == plan.fileBytes && outcome.resumedBytes == 0)
    let size = try FileManager.default.attributesOfItem(atPath: out)[.size] as? Int
    #expect(size == plan.fileBytes)
  }

  @Test("--strict turns a fallback into exit code 4")
  func strict() throws {
    // Rows of 64 fit no K-quant.
    let flags = [model, "--outfile", out, "--outtype", "q4_k_m"]
    try expect(try CommandRun("pouch-convert", flags + ["--strict"]), 4, "--strict", "no multiple of 256")
    let lenient = try CommandRun("pouch-convert", flags)
    #expect(lenient.status == 0)
    #expect(lenient.errors.contains("note: ") && lenient.errors.contains("no multiple of 256"))
    let quiet = try CommandRun(
      "pouch-convert", [model, "--outfile", outputs.path("q8.gguf"), "--outtype", "q8_0", "--strict"])
    #expect(quiet.status == 0, "\(quiet.errors)")
  }
}

/// Folders with a checkpoint that lacks something.
enum TinyCheckpointFolder {
  /// Writes a checkpoint without the tensor `name`.
  static func withoutTensor(_ name: String, in folder: TemporaryFolder) throws -> String {
    var checkpoint = TinyCheckpoint()
    for index in checkpoint.shards.indices { checkpoint.shards[index][name] = nil }
    return try checkpoint.write(in: folder, name: "incomplete-model")
  }
}
