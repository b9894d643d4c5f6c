import FileBytes
import Foundation
import TestSupport
import Testing
import ZstdStreams

/// Conversions of the sample checkpoint, compared with files that llama.cpp made.
@Suite("Conversions of the sample")
struct SampleConversionTests {
  /// Hashes of what llama.cpp's converter and llama-quantize write for the sample.
  private enum Peer {
    static let bf16: UInt64 = 0xaace_00d1_6b4d_9222
    static let q4KM: UInt64 = 0xd606_890d_6543_52ea
  }

  private static let sample = RepositoryFiles.sample

  private let folder: TemporaryFolder
  private var out: String { folder.path("out.gguf") }

  init() throws { folder = try TemporaryFolder() }

  private func hash(_ path: String) throws -> UInt64 {
    try Data(contentsOf: URL(fileURLWithPath: path)).withUnsafeBytes { XXHash64.hash($0) }
  }

  private func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.url.path)
  }

  @Test("one pass to Q4_K_M gives llama-quantize's bytes")
  func onePass() throws {
    let run = try CommandRun.convert(
      Self.sample, "--outtype", "Q4_K_M", "--outfile", out, "--no-provenance")
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.output == out + "\n")
    #expect(try hash(out) == Peer.q4KM)
    #expect(try names() == ["out.gguf"])
  }

  @Test(
    "threads and the memory limit have no influence",
    arguments: [["-t", "1", "--max-memory", "2MB"], ["-t", "3"]])
  func sameBytes(flags: [String]) throws {
    let run = try CommandRun(
      "pouch-convert",
      [Self.sample, "--outtype", "q4_k_m", "--outfile", out, "-q", "--no-provenance"] + flags)
    #expect(run.status == 0)
    #expect(run.output.isEmpty && run.errors.isEmpty)
    #expect(try hash(out) == Peer.q4KM)
  }

  @Test("two steps over a bf16 GGUF give the same bytes")
  func twoSteps() throws {
    let plain = folder.path("{ftype}.gguf")
    let first = try CommandRun.convert(Self.sample, "--outfile", plain, "--no-provenance")
    #expect(first.status == 0, "\(first.errors)")
    #expect(try hash(folder.path("bf16.gguf")) == Peer.bf16)
    let second = try CommandRun.quantize(folder.path("bf16.gguf"), out, "Q4_K_M", "2", "--no-provenance")
    #expect(second.status == 0, "\(second.errors)")
    #expect(try hash(out) == Peer.q4KM)
    let named = try CommandRun.quantize(folder.path("bf16.gguf"), "15", "--no-provenance")
    #expect(named.status == 0, "\(named.errors)")
    #expect(try hash(folder.path("ggml-model-Q4_K_M.gguf")) == Peer.q4KM)
  }

  @Test("zstd-compressed shards give the same bytes")
  func compressed() throws {
    let packed = folder.url.appendingPathComponent("Pelican-10M-A5M")
    try FileManager.default.createDirectory(at: packed, withIntermediateDirectories: true)
    for name in try FileManager.default.contentsOfDirectory(atPath: Self.sample) {
      let target = packed.appendingPathComponent(name).path
      if name.hasSuffix(".safetensors") {
        try ZstdWriter.compressFile(Self.sample + "/" + name, to: target + ".zst", level: 1)
      } else {
        try FileManager.default.copyItem(atPath: Self.sample + "/" + name, toPath: target)
      }
    }
    let run = try CommandRun.convert(
      packed.path, "--outtype", "Q4_K_M", "--outfile", out, "--no-provenance")
    #expect(run.status == 0, "\(run.errors)")
    #expect(try hash(out) == Peer.q4KM)
  }

  private struct Inspection: Decodable {
    struct Tensor: Decodable {
      var name: String
      var type: String
    }
    var architecture: String
    var files: [String]
    var tensorCount: Int
    var parameters: Int
    var tensors: [Tensor]
  }

  @Test("F16, Q8_0 and split outputs read back", arguments: ["F16", "Q8_0"])
  func otherTypes(type: String) throws {
    let whole = try CommandRun.convert(Self.sample, "--outtype", type, "--outfile", out)
    #expect(whole.status == 0, "\(whole.errors)")
    let split = try CommandRun.convert(
      Self.sample, "--outtype", type, "--outfile", folder.path("split.gguf"), "--split-max-size", "4M")
    #expect(split.status == 0, "\(split.errors)")
    let shards = split.output.split(separator: "\n").map(String.init)
    #expect(shards.count > 1)
    let first = try #require(shards.first)
    #expect(first.contains("split-00001-of-0000\(shards.count).gguf"))
    var seen: [Inspection] = []
    for path in [out, first, Self.sample] {
      let run = try CommandRun.inspect("--json", path)
      #expect(run.status == 0, "\(run.errors)")
      seen.append(try JSONDecoder().decode(Inspection.self, from: Data(run.output.utf8)))
    }
    #expect(seen[0].architecture == "qwen35moe")
    #expect(seen[1].files.count == shards.count)
    #expect(seen[0].tensors.map(\.name).sorted() == seen[1].tensors.map(\.name).sorted())
    #expect(seen[0].tensorCount == seen[1].tensorCount)
    #expect(seen[0].parameters == seen[1].parameters)
    #expect(seen[0].parameters == 10_243_728)
    #expect(seen[0].tensors.first { $0.name == "token_embd.weight" }?.type.uppercased() == type)
    let text = try CommandRun.inspect(out)
    #expect(text.status == 0)
    #expect(text.output.contains("token_embd.weight") && text.output.contains("general.architecture"))
  }
}
