import Foundation
import ImportanceData
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite("pouch-imatrix")
struct ImatrixTests {
  private let model: RuntimeModel
  private let text: String
  private let out: String

  init() throws {
    model = try RuntimeModel()
    out = model.folder.path("im.gguf")
    text = try model.folder.write("text.txt", Self.letters(4000))
  }

  /// Letters and spaces in no order; every byte is a token of the tiny model.
  private static func letters(_ count: Int) -> [UInt8] {
    var generator = SeededGenerator(seed: 5)
    return (0..<count).map { _ in UInt8(97 + generator.next() % 26) }
  }

  private func imatrix(_ arguments: String...) throws -> CommandRun {
    try CommandRun("pouch-imatrix", arguments)
  }
  private func collect(_ arguments: String...) throws -> CommandRun {
    try CommandRun("pouch-imatrix", ["-m", model.path, "-f", text, "-c", "64", "-o", out] + arguments)
  }
  private func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }
  private func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  @Test("help, version, and wrong usage")
  func usage() throws {
    let help = try imatrix("--help")
    #expect(help.status == 0 && help.output.contains("USAGE: pouch-imatrix"))
    #expect(help.output.contains("Exit codes: 0 done") && help.output.contains("-ofreq"))
    #expect(try imatrix("--version").output.contains("kernel level"))
    try imatrix("-m", model.path).expect(2, "--in-file")
    try imatrix("-f", text).expect(2, "-m")
    try imatrix("--show-statistics").expect(2, "--in-file")
    for flags in [
      ["--threads", "0"], ["--batch-size", "0"], ["--chunks", "0"], ["--chunk", "-1"], ["--ctx-size", "3"],
      ["--output-frequency", "0"], ["--save-frequency", "-1"], ["--min-expert-tokens", "-1"],
      ["--output-format", "csv"], ["--mode", "quick"], ["--resume", "--output-format", "dat"],
      ["--resume", "--force"], ["--no-such"],
    ] {
      let run = try CommandRun("pouch-imatrix", ["-m", model.path, "-f", text, "-o", out] + flags)
      #expect(run.status == 2 && run.errorLines.count == 1, "\(flags): \(run.errors)")
    }
    #expect(!exists(out))
  }

  @Test("models that cannot be run are rejected by name")
  func badModels() throws {
    for bad in try model.bad() {
      try imatrix("-m", bad.path, "-f", text, "-c", "64", "-o", out).expect(3, bad.parts)
    }
    #expect(!exists(out) && !exists(out + ".partial"))
  }

  @Test("texts that give no two windows are rejected")
  func badTexts() throws {
    func run(_ bytes: [UInt8]) throws -> CommandRun {
      let path = try model.folder.write("t.txt", bytes)
      return try imatrix("-m", model.path, "-f", path, "-c", "64", "-o", out)
    }
    try run([]).expect(3, "t.txt", "text")
    try run(Array("\n".utf8)).expect(3, "t.txt")
    try run(Self.letters(127)).expect(3, "t.txt", "127", "64")
    try imatrix("-m", model.path, "-f", "/none/t.txt", "-o", out).expect(3, "/none/t.txt")
    try collect("--chunk", "1000").expect(3, "1000")
    #expect(!exists(out))
  }

  @Test("an existing output is kept unless --force is given")
  func existingOutput() throws {
    try Data([1]).write(to: URL(fileURLWithPath: out))
    try collect("--chunks", "1").expect(3, "im.gguf", "--force")
    #expect(try bytes(out) == Data([1]))
    try collect("--chunks", "1", "--force").expect(0)
    #expect(try ImportanceFile(path: out).chunkCount == 1)
    try imatrix("-m", model.path, "-f", text, "-o", "/none/im.gguf").expect(3, "/none")
  }

  @Test("counts, chunks, copies, and a report as one JSON object")
  func collecting() throws {
    let run = try collect(
      "--chunk", "2", "--chunks", "5", "--save-frequency", "2", "--json", "--process-output", "-ofreq", "3")
    run.expect(0)
    let report = try run.json()
    #expect(report["windows"] as? Int == 5 && report["windowLength"] as? Int == 64)
    let file = try ImportanceFile(path: out)
    #expect(file.chunkCount == 5 && file.chunkSize == 64 && file.datasets == [text])
    // Seven matrices and the router of one layer; the output is tied to the embedding and has no matrix of its own.
    #expect(file.records.count == 8)
    for record in file.records {
      let isExpert = record.name.contains("_exps.")
      #expect(record.counts.count == (isExpert ? 4 : 1), "\(record.name)")
      #expect(record.counts.reduce(0, +) == (isExpert ? 640 : 320), "\(record.name)")
    }
    let experts = try #require((report["experts"] as? [String: Any])?["layers"] as? [[String: Any]])
    #expect(experts.first?["tokenCount"] as? Int == 320)
    #expect(
      (experts.first?["counts"] as? [Int])?.map { Int64($0) }
        == file.records.first { $0.name.contains("ffn_up_exps") }?.counts)
    #expect(try ImportanceFile(path: out + ".at_2").chunkCount == 2)
    #expect(try ImportanceFile(path: out + ".at_4").chunkCount == 4)
    let shown = try collect("--chunks", "2", "--force")
    #expect(shown.output.contains("[2]") && shown.output.contains("Final estimate: PPL = "))
    #expect(shown.output.contains("95 % intervals over 2 windows") && !shown.output.contains("+/-"))
    let silent = try collect("--chunks", "2", "--force", "--no-ppl")
    #expect(!silent.output.contains("PPL") && !silent.output.contains("[2]"))
  }

  @Test("threads and batches have no influence on the bytes")
  func invariance() throws {
    try collect("--chunks", "3", "-t", "1").expect(0)
    let expected = try bytes(out)
    for flags in [["-t", "2"], ["-b", "17"], ["--no-ppl"], ["--process-output"]] {
      let run = try CommandRun(
        "pouch-imatrix",
        ["-m", model.path, "-f", text, "-c", "64", "-o", out, "--chunks", "3", "--force"] + flags)
      run.expect(0)
      #expect(try bytes(out) == expected, "\(flags)")
    }
  }

  @Test("--parse-special makes control tokens of their texts")
  func special() throws {
    let path = try model.folder.write(
      "chat.txt", Array(String(repeating: "<|im_start|>a", count: 40).utf8))
    func windows(_ flags: String...) throws -> Int {
      let run = try CommandRun(
        "pouch-imatrix", ["-m", model.path, "-f", path, "-c", "16", "-o", out, "--force", "--json"] + flags)
      run.expect(0)
      return try #require(try run.json()["windows"] as? Int)
    }
    #expect(try windows() == 40 * 13 / 16)
    #expect(try windows("--parse-special") == 40 * 2 / 16)
  }

  @Test("--min-expert-tokens ends with 4 after writing the data")
  func gate() throws {
    try collect("--chunks", "2", "--min-expert-tokens", "1000").expect(
      4, "--min-expert-tokens", "1000", "layer 0: experts 0, 1, 2, 3")
    #expect(try ImportanceFile(path: out).chunkCount == 2)
    try collect("--chunks", "2", "--force", "--min-expert-tokens", "1").expect(0)
    // Files can be checked later, without the model.
    let merged = model.folder.path("merged.gguf")
    try imatrix("--in-file", out, "-c", "64", "-o", merged, "--min-expert-tokens", "1000").expect(
      4, "layer 0")
  }

  @Test("merged halves are the whole; .dat is read back")
  func merging() throws {
    let (a, b) = (model.folder.path("a.gguf"), model.folder.path("b.gguf"))
    try imatrix("-m", model.path, "-f", text, "-c", "64", "-o", a, "--chunks", "3").expect(0)
    try imatrix("-m", model.path, "-f", text, "-c", "64", "-o", b, "--chunk", "3", "--chunks", "1").expect(0)
    try imatrix("--in-file", a, "--in-file", b, "-c", "64", "-o", out).expect(0)
    try collect("--chunks", "4", "--force").expect(0)
    let whole = try ImportanceFile(path: out)
    try imatrix("--in-file", a, "--in-file", b, "-c", "64", "-o", out, "--force").expect(0)
    let merged = try ImportanceFile(path: out)
    // The last window was added to the same sums in the same order.
    #expect(merged.records == whole.records && merged.chunkCount == 4)
    #expect(merged.datasets == [text, text])
    // A run that goes on from a file has it in its sums too.
    try imatrix(
      "-m", model.path, "-f", text, "-c", "64", "--in-file", a, "--chunk", "3", "--chunks", "1", "-o", out,
      "--force"
    ).expect(0)
    #expect(try ImportanceFile(path: out).records == whole.records)

    let dat = model.folder.path("im.dat")
    try imatrix("--in-file", b, "-c", "64", "-o", dat, "--output-format", "dat").expect(0)
    #expect(try Array(bytes(dat)) == (try ImportanceFile(path: b)).encodedAsLegacy())
    // Counts per expert are lost: each expert now has the calls' number of tokens.
    try imatrix("-m", model.path, "--in-file", dat, "--in-file", b, "-c", "64", "-o", out, "--force").expect(
      0)
    let again = try ImportanceFile(path: out)
    let before = try ImportanceFile(path: b)
    #expect(again.records.map(\.counts.count) == before.records.map(\.counts.count))
    #expect(again.records.first?.counts.first == 64 + (before.records.first?.counts.first ?? 0))
  }

  @Test("data of another model is rejected with the tensor's name")
  func otherModel() throws {
    func file(_ name: String, _ columns: Int, _ counts: [Int64]) throws -> String {
      let record = ImportanceRecord(
        name: name, sums: Array(repeating: 1, count: columns * counts.count), counts: counts)
      let file = try ImportanceFile(
        format: .gguf, records: [record], datasets: [], chunkCount: 1, chunkSize: 64)
      return try model.folder.write("other.gguf", try file.encodedAsGGUF())
    }
    for (name, columns, counts) in [
      ("blk.7.attn_q.weight", 64, [Int64(1)]), ("blk.0.attn_q.weight", 32, [1]),
      ("blk.0.ffn_up_exps.weight", 64, [1, 1, 1, 1, 1]),
    ] {
      let path = try file(name, columns, counts)
      try collect("--in-file", path).expect(3, name)
      #expect(!exists(out))
    }
    // Merging without a model compares the files with each other.
    let a = try file("blk.0.attn_q.weight", 32, [1])
    let b = model.folder.path("b.gguf")
    try FileManager.default.moveItem(atPath: a, toPath: b)
    let c = try file("blk.0.attn_q.weight", 64, [1])
    try imatrix("--in-file", b, "--in-file", c, "-o", out).expect(3, "other.gguf", "blk.0.attn_q.weight")
    try imatrix("--in-file", text, "-o", out).expect(3, "text.txt")
    #expect(!exists(out))
  }

  @Test("statistics have a line per tensor and per layer")
  func statistics() throws {
    try collect("--chunks", "2").expect(0)
    let table = try imatrix("--in-file", out, "--show-statistics")
    table.expect(0)
    let lines = table.output.split(separator: "\n").map(String.init)
    #expect(lines.filter { $0.hasPrefix("    0\t") }.count == 8 + 1)
    #expect(lines.contains { $0.hasPrefix("    0\tffn_down_exps       \t") })
    let json = try imatrix("--in-file", out, "--show-statistics", "--json").json()
    #expect((json["tensors"] as? [Any])?.count == 8)
    try imatrix("--in-file", "/none/im.gguf", "--show-statistics").expect(3, "/none/im.gguf")
  }

  @Test("a killed or interrupted run that is resumed ends with the same bytes", arguments: [SIGKILL, SIGINT])
  func resuming(signal: Int32) throws {
    let long = try model.folder.write("long.txt", Self.letters(64 * 800))
    let arguments = [
      "-m", model.path, "-f", long, "-c", "64", "-o", out, "--output-frequency", "2", "-t", "1",
    ]
    let running = try RunningCommand("pouch-imatrix", arguments)
    let end = try running.stop(signal) { exists(out) }
    #expect(signal == SIGKILL ? end.wasKilled : end.status == 130, "\(running.errors)")
    let done = try ImportanceFile(path: out).chunkCount
    #expect((1..<800).contains(done))
    if signal == SIGINT { #expect(!exists(out + ".partial")) }

    // Other flags are another job.
    try CommandRun("pouch-imatrix", arguments).expect(3, "--resume", "--force")
    // A few windows more than are done, since all would take long.
    let enough = ["--chunks", "\(done + 7)"]
    try CommandRun("pouch-imatrix", ["-m", model.path, "-f", text, "-c", "64", "-o", out, "--resume"])
      .expect(3, "imatrix.datasets")
    try CommandRun("pouch-imatrix", ["-m", model.path, "-f", long, "-c", "32", "-o", out, "--resume"])
      .expect(3, "imatrix.chunk_size")
    try CommandRun("pouch-imatrix", arguments + ["--resume"] + enough).expect(0)
    let resumed = try bytes(out)
    try CommandRun("pouch-imatrix", arguments + ["--force"] + enough).expect(0)
    #expect(try bytes(out) == resumed)
  }
}
