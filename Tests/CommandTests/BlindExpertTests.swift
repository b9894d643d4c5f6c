import Foundation
import ImportanceData
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// `--blind-experts` of the quantizer.
@Suite("Experts without calibration data")
struct BlindExpertTests {
  private let model: RuntimeModel
  private let matrix: String
  private let out: String

  init() throws {
    model = try RuntimeModel()
    matrix = model.folder.path("im.gguf")
    out = model.folder.path("out.gguf")
  }

  private static let experts = "blk.0.ffn_up_exps.weight"
  private static let columns = 64

  /// Sums of expert `e` in column `j` per token; dyadic, so that means of a few are exact.
  private static func weight(_ expert: Int, _ column: Int) -> Float {
    Float((expert * 37 + column * column * 11) % 64 + 1) / 8
  }

  /// Writes data in which expert 2 has `sums` and `count`; the others have 4, 8 and 64 tokens.
  private func write(count: Int64, _ sums: (Int) -> Float) throws {
    let counts: [Int64] = [4, 8, count, 64]
    let values = (0..<4).flatMap { expert in
      (0..<Self.columns).map { column in
        expert == 2 ? sums(column) : Self.weight(expert, column) * Float(counts[expert])
      }
    }
    let dense = ImportanceRecord(
      name: "blk.0.attn_q.weight", sums: Array(repeating: 3, count: Self.columns), counts: [76])
    let file = try ImportanceFile(
      format: .gguf,
      records: [ImportanceRecord(name: Self.experts, sums: values, counts: counts), dense],
      datasets: [Array("text".utf8)], chunkCount: 1, chunkSize: 76)
    try Data(try file.encodedAsGGUF()).write(to: URL(fileURLWithPath: matrix))
  }

  private func quantize(_ flags: String...) throws -> CommandRun {
    try CommandRun("pouch-quantize", ["--imatrix", matrix] + flags + [model.path, out, "Q4_0", "--force"])
  }
  private func result(_ flags: String...) throws -> Data {
    let run = try CommandRun(
      "pouch-quantize",
      // Provenance would name the policy and the matrix.
      ["--imatrix", matrix, "--no-provenance"] + flags + [model.path, out, "Q4_0", "--force"])
    run.expect(0)
    return try Data(contentsOf: URL(fileURLWithPath: out))
  }

  @Test("ones is the default and weighs all columns alike; layer-mean is the mean of the experts with data")
  func policies() throws {
    // What the blind expert's own data would have to be for the same weights.
    try write(count: 1) { _ in 1 }
    let asOnes = try result()
    try write(count: 2) { column in
      2 * Float((0..<4).filter { $0 != 2 }.map { Double(Self.weight($0, column)) }.reduce(0, +) / 3)
    }
    let asMean = try result()
    try #require(asOnes != asMean)

    try write(count: 0) { _ in 0 }
    #expect(try result() == asOnes)
    #expect(try result("--blind-experts", "ones") == asOnes)
    #expect(try result("--blind-experts", "layer-mean") == asMean)
    #expect(try result("--blind-experts", "layer-mean", "-t", "1", "--max-memory", "2M") == asMean)
    // Without blind experts the policy has no influence.
    try write(count: 2) { _ in 5 }
    #expect(try result() == result("--blind-experts", "layer-mean"))
    #expect(try result() == result("--blind-experts", "error"))
  }

  @Test("error ends with 4 and the names, before anything is written")
  func refusal() throws {
    try write(count: 0) { _ in 0 }
    for flags in [["-q"], ["--dry-run"], []] {
      let run = try CommandRun(
        "pouch-quantize",
        ["--imatrix", matrix, "--blind-experts", "error"] + flags + [model.path, out, "Q4_0"])
      run.expect(4, "im.gguf", "--blind-experts error", Self.experts, "experts 2")
      #expect(run.output.isEmpty)
      #expect(!FileManager.default.fileExists(atPath: out))
      #expect(!FileManager.default.fileExists(atPath: out + ".partial"))
    }
    // Where the tensor is not quantized with the data, its blind experts do not matter.
    let run = try quantize("--blind-experts", "error", "--tensor-type", "ffn_up_exps=f16")
    run.expect(0)
    #expect(!run.errors.contains("blind"))
  }

  @Test("plans and runs name blind and thin experts by layer")
  func naming() throws {
    try write(count: 0) { _ in 0 }
    let line = "note: \(Self.experts): of 4 experts, 1 blind: 2; 2 thin: 0, 1"
    let plan = try quantize("--dry-run", "--blind-experts", "layer-mean")
    plan.expect(0)
    #expect(plan.errors.contains(line), "\(plan.errors)")
    #expect(plan.output.contains("blind experts: layer-mean, 1 blind, 2 thin"), "\(plan.output)")
    let run = try quantize()
    #expect(run.errors.contains(line), "\(run.errors)")
    #expect(try quantize("--strict").status == 4)
    for flags in [["--dry-run"], []] {
      let json = try CommandRun(
        "pouch-quantize", ["--imatrix", matrix, "--json", "--force"] + flags + [model.path, out, "Q4_0"]
      ).json()
      let importance = try #require(json["importance"] as? [String: Any])
      #expect(importance["blindExperts"] as? String == "ones" && importance["thinBelow"] as? Int == 32)
      let layer = try #require((importance["layers"] as? [[String: Any]])?.first)
      #expect(layer["layer"] as? Int == 0 && layer["tensors"] as? [String] == [Self.experts])
      #expect(layer["blind"] as? [Int] == [2] && layer["thin"] as? [Int] == [0, 1])
      #expect(layer["fewestTokens"] as? Int == 0 && layer["mostTokens"] as? Int == 64)
    }
  }

  @Test("the flag needs data with counts per expert, and a policy that exists")
  func usage() throws {
    try write(count: 0) { _ in 0 }
    try quantize("--blind-experts", "twos").expect(2, "--blind-experts", "twos")
    try CommandRun("pouch-quantize", ["--blind-experts", "ones", model.path, out, "Q4_0"]).expect(
      2, "--imatrix")
    let dat = try model.folder.write("im.dat", try ImportanceFile(path: matrix).encodedAsLegacy())
    try CommandRun(
      "pouch-quantize", ["--imatrix", dat, "--blind-experts", "error", model.path, out, "Q4_0"]
    ).expect(2, "im.dat", "counts per expert")
    try CommandRun("pouch-quantize", ["--imatrix", dat, model.path, out, "Q4_0"]).expect(0)
  }

  @Test("a run under one policy is not continued under another")
  func resuming() throws {
    try write(count: 0) { _ in 0 }
    let (journal, kept) = (out + ".journal", model.folder.path("kept"))
    // The journal is given a second name while it exists.
    let stopped = DispatchSemaphore(value: 0)
    Thread.detachNewThread {
      let deadline = Date(timeIntervalSinceNow: 60)
      while Date() < deadline, link(journal, kept) != 0 { usleep(100) }
      stopped.signal()
    }
    let arguments = ["--imatrix", matrix, model.path, out, "Q4_0"]
    try CommandRun("pouch-quantize", arguments).expect(0)
    try #require(stopped.wait(timeout: .now() + 90) == .success)
    try FileManager.default.moveItem(atPath: out, toPath: out + ".partial")
    try FileManager.default.moveItem(atPath: kept, toPath: journal)
    try CommandRun("pouch-quantize", ["--blind-experts", "layer-mean"] + arguments)
      .expect(3, "the importance data")
    try CommandRun("pouch-quantize", arguments).expect(0)
  }
}
