import Foundation
import GGUFFormat
import ImportanceData
import TestSupport
import Testing

/// Importance data that is zero for an expert or a whole tensor, and data of fused tensors.
@Suite("Importance of zero in conversions")
struct ZeroImportanceTests {
  private let model: RuntimeModel
  private let out: String

  init() throws {
    model = try RuntimeModel()
    out = model.folder.path("out.gguf")
  }

  private static let experts = "blk.0.ffn_up_exps.weight"
  private static let counts: [Int64] = [40, 80, 64, 76]

  /// The input of expert `e` in column `j`; dyadic, so that sums and means are exact.
  private static func weight(_ expert: Int, _ column: Int) -> Float {
    Float((expert * 37 + column * column * 11) % 64 + 1) / 8
  }

  private static func experts(_ name: String, _ weights: (_ expert: Int, _ column: Int) -> Float)
    -> ImportanceRecord
  {
    let sums = (0..<4).flatMap { expert in
      (0..<64).map { weights(expert, $0) * Float(counts[expert]) }
    }
    return ImportanceRecord(name: name, sums: sums, counts: counts)
  }

  private static func dense(_ value: Float) -> ImportanceRecord {
    ImportanceRecord(name: "blk.0.attn_q.weight", sums: Array(repeating: value, count: 64), counts: [76])
  }

  /// Writes data as GGUF and, with calls in the place of counts, as a legacy file.
  private func write(_ name: String, _ records: [ImportanceRecord]) throws -> [String] {
    let file = try ImportanceFile(
      format: .gguf, records: records, datasets: [Array("text".utf8)], chunkCount: 1, chunkSize: 80)
    return [
      try model.folder.write(name + ".gguf", try file.encodedAsGGUF()),
      try model.folder.write(name + ".dat", try file.encodedAsLegacy()),
    ]
  }

  private func bytes(_ matrix: String, _ type: String, _ flags: String...) throws -> Data {
    let run = try CommandRun(
      "pouch-quantize",
      ["--imatrix", matrix, "--no-provenance", "--force"] + flags + [model.path, out, type])
    run.expect(0)
    // The metadata name the matrix.
    let start = try GGUFFile(path: out).dataStart
    return try Data(contentsOf: URL(fileURLWithPath: out)).suffix(from: start)
  }

  @Test("an expert whose importance is zero gets what an expert without tokens gets")
  func experts() throws {
    func with(_ substitute: @escaping (Int) -> Float) -> [ImportanceRecord] {
      [Self.experts(Self.experts) { $0 == 2 ? substitute($1) : Self.weight($0, $1) }, Self.dense(3)]
    }
    let ones = try write("ones", with { _ in 1 })
    let mean = try write(
      "mean", with { column in Float([0, 1, 3].map { Double(Self.weight($0, column)) }.reduce(0, +) / 3) })
    let zeros = try write("zeros", with { _ in 0 })
    let ones4 = try ones.map { try bytes($0, "Q4_0") }
    let mean4 = try bytes(mean[0], "Q4_0")
    for (zeros, ones) in zip(zeros, ones4) {
      #expect(try bytes(zeros, "Q4_0") == ones)
      #expect(try bytes(zeros, "Q4_0", "--blind-experts", "ones") == ones)
      #expect(try bytes(zeros, "Q4_0", "--blind-experts", "layer-mean", "-t", "1") == mean4)
    }
    // Q4_1 keeps its weights without importance, in llama-quantize, too: nothing is replaced there.
    #expect(try bytes(zeros[0], "Q4_1") != bytes(ones[0], "Q4_1"))
    #expect(try bytes(zeros[0], "Q4_1", "--blind-experts", "layer-mean") == bytes(mean[0], "Q4_1"))
    try #require(mean4 != ones4[0])
  }

  private func path(_ name: String) -> String { model.folder.path(name) }

  @Test("such experts and tensors are named, refused under --strict and by --blind-experts error")
  func naming() throws {
    let zeros = try write(
      "zeros", [Self.experts(Self.experts) { $0 == 2 ? 0 : Self.weight($0, $1) }, Self.dense(0)])
    let lines = [
      "note: \(Self.experts): of 4 experts, 1 blind: 2 (importance is zero in every column: 2)",
      "note: blk.0.attn_q.weight: importance is zero in every column",
    ]
    for matrix in zeros {
      let arguments = ["--imatrix", matrix, "--force", model.path, out, "Q4_0"]
      for flags in [[], ["--dry-run"]] {
        let run = try CommandRun("pouch-quantize", flags + arguments)
        run.expect(0)
        for line in lines { #expect(run.errors.contains(line), "\(run.errors)") }
      }
      let strict = try CommandRun("pouch-quantize", ["-q", "--strict"] + arguments)
      strict.expect(4, "--strict")
      for line in lines { #expect(strict.errors.contains(line.dropFirst(6)), "\(strict.errors)") }
      try CommandRun("pouch-quantize", ["--blind-experts", "error"] + arguments).expect(
        4, "--blind-experts error", Self.experts, "experts 2", "blk.0.attn_q.weight: zero in every column")
      let json = try CommandRun("pouch-quantize", ["--json", "--dry-run"] + arguments).json()
      let layers = try #require((json["importance"] as? [String: Any])?["layers"] as? [[String: Any]])
      #expect(layers.contains { $0["allZero"] as? [Int] == [2] && $0["blind"] as? [Int] == [2] })
    }
  }

  @Test("columns without importance that become zeros are named")
  func columns() throws {
    let matrix = try write(
      "columns", [Self.experts(Self.experts) { $0 == 1 && $1 < 32 ? 0 : Self.weight($0, $1) }, Self.dense(1)])[
        0]
    let run = try CommandRun("pouch-quantize", ["--imatrix", matrix, model.path, out, "Q4_0", "--strict"])
    run.expect(4, "--strict")
    #expect(
      run.errors.contains("\(Self.experts): importance is zero in 32 columns of expert 1, first in 0 to 31"),
      "\(run.errors)")
    // In a file of 4-bit types with a minimum they stay.
    let other = try CommandRun("pouch-quantize", ["--imatrix", matrix, model.path, out, "Q4_1"])
    other.expect(0)
    #expect(!other.errors.contains("importance is zero in"), "\(other.errors)")
  }

  @Test("separate tensors take the data of a fused one, and the result compares as exact")
  func fused() throws {
    let separate = try write(
      "separate",
      ["ffn_gate_exps", "ffn_up_exps"].map { Self.experts("blk.0.\($0).weight", Self.weight) } + [
        Self.dense(2)
      ]
    )[0]
    let fused = try write(
      "fused", [Self.experts("blk.0.ffn_gate_up_exps.weight", Self.weight), Self.dense(2)])[0]
    let expected = try bytes(separate, "Q4_0")
    #expect(try bytes(fused, "Q4_0") == expected)
    let run = try CommandRun("pouch-quantize", ["--imatrix", fused, "--force", model.path, out, "Q4_0"])
    run.expect(0)
    #expect(
      run.errors.contains(
        "shared: blk.0.ffn_gate_exps.weight and 1 more: importance of blk.0.ffn_gate_up_exps.weight"),
      "\(run.errors)")
    #expect(!run.errors.contains("for a tensor that the model lacks"), "\(run.errors)")
    let check = try CommandRun("pouch-validate", [out, "--against", model.path, "--imatrix", fused])
    check.expect(0)
    #expect(check.output.contains("verdict   exact"), "\(check.output)")
  }

  @Test("a file made from zeros compares as exact with the same data", arguments: ["ones", "layer-mean"])
  func validation(policy: String) throws {
    let zeros = try write(
      "zeros", [Self.experts(Self.experts) { $0 == 2 ? 0 : Self.weight($0, $1) }, Self.dense(0)])
    for matrix in zeros {
      try CommandRun(
        "pouch-quantize",
        ["--imatrix", matrix, "--blind-experts", policy, "--force", model.path, out, "Q4_0"]
      ).expect(0)
      let check = try CommandRun("pouch-validate", [out, "--against", model.path, "--imatrix", matrix])
      check.expect(0)
      #expect(check.output.contains("verdict   exact"), "\(check.output)")
    }
  }

  @Test("pouch-imatrix reports zeros as blind, and --min-expert-tokens counts them as no tokens")
  func report() throws {
    let zeros = try write(
      "zeros", [Self.experts(Self.experts) { $0 == 2 ? 0 : Self.weight($0, $1) }, Self.dense(0)])[0]
    let merged = path("merged.gguf")
    let arguments = ["--in-file", zeros, "-c", "80", "-o", merged, "--force"]
    let run = try CommandRun("pouch-imatrix", arguments)
    run.expect(0)
    #expect(run.output.contains("blind: 2"), "\(run.output)")
    #expect(run.output.contains("blk.0.attn_q.weight: no tokens, or an importance of zero"), "\(run.output)")
    let gate = try CommandRun("pouch-imatrix", arguments + ["--min-expert-tokens", "1"])
    gate.expect(4, "--min-expert-tokens")
    #expect(gate.errors.contains("layer 0: experts 2"), "\(gate.errors)")
  }
}
