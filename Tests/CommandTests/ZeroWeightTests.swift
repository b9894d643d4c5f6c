import Foundation
import TensorTypes
import TestSupport
import Testing

/// Weights that are zero: sound where the source has them, an error where it does not, a warning without a source.
@Suite("weights of zeros")
struct ZeroWeightTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// A checkpoint in which the tensors whose names contain one of `parts` are zero.
  private func checkpoint(_ name: String, zero parts: [String]) throws -> String {
    var tiny = TinyCheckpoint()
    for index in tiny.shards.indices {
      for (name, tensor) in tiny.shards[index] where parts.contains(where: { name.contains($0) }) {
        var zero = tensor
        zero.bytes = .init(repeating: 0, count: tensor.bytes.count)
        tiny.shards[index][name] = zero
      }
    }
    return try tiny.write(in: folder, name: name)
  }

  private func convert(_ checkpoint: String, _ type: String) throws -> String {
    let path = folder.path("model-\(UUID().uuidString).gguf")
    let run = try CommandRun.convert(checkpoint, "--outtype", type, "--outfile", path, "-q")
    try #require(run.status == 0, "\(run.errors)")
    return path
  }

  private func report(_ status: Int32, _ arguments: String...) throws -> SabotageCase.Report {
    let run = try CommandRun("pouch-validate", arguments + ["--json"])
    #expect(run.status == status && !run.wasKilled, "\(arguments): \(run.status): \(run.errors)")
    return try SabotageCase.report(run)
  }

  @Test(
    "zeros of the checkpoint are sound against it",
    arguments: [["o_proj", "down_proj"], ["experts.2."], ["experts.1.down_proj"], ["mlp.experts"]],
    ["q8_0", "q4_0", "f16"])
  func sound(_ parts: [String], _ type: String) throws {
    let source = try checkpoint("zeros", zero: parts)
    let path = try convert(source, type)
    let alone = try report(0, path)
    #expect(alone.findings.contains { $0.severity == "warning" && $0.kind.hasPrefix("zero-") })
    _ = try report(4, path, "--strict")
    let compared = try report(0, path, "--against", source)
    #expect(compared.against?.verdict == "exact")
    let zeros = compared.findings.filter { $0.kind.hasPrefix("zero-") }
    #expect(!zeros.isEmpty)
    for zero in zeros { #expect(zero.severity == "note" && zero.found.contains("as in the source")) }
    let plain = try convert(source, "f32")
    let other = try report(0, path, "--against", plain).findings.filter { $0.kind.hasPrefix("zero-") }
    #expect(other.map(\.severity) == zeros.map(\.severity))
  }

  @Test("what the writer lost is told apart from what the source has")
  func lost() throws {
    let source = try checkpoint("zeros", zero: ["experts.2."])
    var file = try EditableGGUF(path: try convert(source, "q8_0"))
    try file.change("blk.0.ffn_up_exps.weight") { tensor in
      let size = tensor.matrixByteCount
      tensor.bytes.replaceSubrange(0..<size, with: [UInt8](repeating: 0, count: size))
    }
    let path = try folder.write("lost.gguf", try file.encoded())
    let zeros = try report(3, path, "--against", source).findings.filter { $0.kind == "zero-expert" }
    let up = zeros.filter { $0.subject == "blk.0.ffn_up_exps.weight" }
    #expect(up.map(\.severity) == ["error", "note"] && up.map(\.place) == ["expert 0", "expert 2"])
    #expect(zeros.filter { $0.severity == "error" }.count == 1)
    // The other way round: weights where the source has none.
    let good = try checkpoint("good", zero: [])
    let other = try report(3, try convert(good, "q8_0"), "--against", source)
    #expect(other.findings.contains { $0.kind == "expert-mismatch" || $0.kind == "not-from-source" })
  }

  @Test("zeros in a fused tensor are those of its parts")
  func fused() throws {
    let source = try checkpoint("zeros", zero: ["experts.2.gate_proj", "experts.2.up_proj"])
    var file = try EditableGGUF(path: try convert(source, "q8_0"))
    let names = ["blk.0.ffn_gate_exps.weight", "blk.0.ffn_up_exps.weight"]
    try file.join(names, as: "blk.0.ffn_gate_up_exps.weight")
    let path = try folder.write("fused.gguf", try file.encoded())
    let found = try report(3, path, "--against", source).findings
    // llama.cpp does not read fused experts in this architecture; the zeros are sound.
    #expect(found.filter { $0.severity == "error" }.map(\.kind) == ["extra-tensor"], "\(found)")
    #expect(found.contains { $0.severity == "note" && $0.place == "expert 2" })
    try file.change("blk.0.ffn_gate_up_exps.weight") { tensor in
      let size = tensor.matrixByteCount
      tensor.bytes.replaceSubrange(size..<2 * size, with: [UInt8](repeating: 0, count: size))
    }
    let lost = try folder.write("lost.gguf", try file.encoded())
    #expect(
      try report(3, lost, "--against", source).findings.contains {
        $0.severity == "error" && $0.kind == "zero-expert" && $0.place == "expert 1"
      })
  }
}
