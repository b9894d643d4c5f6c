import Foundation
import TestSupport
import Testing

/// Checkpoints with weights that the output's type, or the type in between, cannot hold.
@Suite("Lost weights")
struct LostWeightTests {
  private let folder: TemporaryFolder
  private let out: String

  init() throws {
    folder = try TemporaryFolder()
    out = folder.path("out.gguf")
  }

  private static let query = "model.layers.0.self_attn.q_proj.weight"

  /// A checkpoint whose matrices are f16 but for the query projection, which is bf16 with other exponents.
  private func mixed(_ bits: (UInt16) -> UInt16) throws -> String {
    var tiny = TinyCheckpoint()
    for shard in tiny.shards.indices {
      for name in tiny.shards[shard].keys where !name.contains("norm") {
        tiny.change(name) { tensor in
          if name == Self.query {
            for index in 0..<(tensor.bytes.count / 2) {
              let old = UInt16(tensor.bytes[2 * index]) | UInt16(tensor.bytes[2 * index + 1]) << 8
              let new = bits(old)
              tensor.bytes[2 * index] = UInt8(truncatingIfNeeded: new)
              tensor.bytes[2 * index + 1] = UInt8(truncatingIfNeeded: new >> 8)
            }
          } else {
            // Values from 1/16 to 1/8 as f16.
            tensor.type = "F16"
            for index in 0..<(tensor.bytes.count / 2) {
              tensor.bytes[2 * index + 1] = 0x2C | tensor.bytes[2 * index + 1] & 3
            }
          }
        }
      }
    }
    return try tiny.write(in: folder, name: "mixed-\(UUID().uuidString)")
  }

  private func convert(_ checkpoint: String, _ type: String, _ flags: String...) throws -> CommandRun {
    try CommandRun("pouch-convert", [checkpoint, "--outtype", type, "--outfile", out, "--force"] + flags)
  }

  @Test(
    "a weight beyond f16 is refused at f16, and where f16 is in between",
    arguments: ["f16", "q8_0", "q4_k_m"])
  func overflow(type: String) throws {
    // 2^17 in one place.
    var isFirst = true
    let checkpoint = try mixed { old in
      defer { isFirst = false }
      return isFirst ? 0x4800 : old
    }
    try convert(checkpoint, type).expect(
      3, Self.query, "blk.0.attn_q.weight, row 0", "131072.0 in column 0", "f16")
    for end in ["", ".partial", ".journal"] {
      #expect(!FileManager.default.fileExists(atPath: out + end))
    }
    try convert(checkpoint, "bf16").expect(0)
  }

  @Test("weights too small for f16 are named with counts", arguments: ["f16", "q8_0", "q4_k_m"])
  func underflow(type: String) throws {
    // All values times 2^-70.
    let checkpoint = try mixed { $0 == 0 ? 0 : $0 &- 70 << 7 }
    let run = try convert(checkpoint, type)
    run.expect(0)
    #expect(run.errors.contains("note: blk.0.attn_q.weight: all weights became zeros as"), "\(run.errors)")
    let json = try convert(checkpoint, type, "--json").json()
    let loss = try #require((json["losses"] as? [[String: Any]])?.first)
    #expect(loss["tensor"] as? String == "blk.0.attn_q.weight" && loss["rows"] as? Int == 64)
    try FileManager.default.removeItem(atPath: out)
    let strict = try CommandRun(
      "pouch-convert", [checkpoint, "--outtype", type, "--outfile", out, "--strict"])
    strict.expect(4, "--strict")
    #expect(!FileManager.default.fileExists(atPath: out))
    let bf16 = try convert(checkpoint, "bf16")
    bf16.expect(0)
    #expect(!bf16.errors.contains("became zeros"), "\(bf16.errors)")
  }
}
