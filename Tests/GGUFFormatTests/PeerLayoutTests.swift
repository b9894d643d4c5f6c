import FileBytes
import GGUFFormat
import TensorTypes
import TestSupport
import Testing

/// Whole files and shards, compared with those that llama.cpp's tools make of the same content.
///
/// The hashes are XXH64 of files written by `llama-gguf-split` (ggml 0.25.3) from the single file, and by the Python
/// `gguf` package from the values in it.
@Suite struct PeerLayoutTests {
  private let metadata =
    everyValue.filter { !["raw", "a.raw", "a.none", "a.string"].contains($0.key) }
    + [MetadataEntry("a.string", .array(.string(["", "é", "<|im_start|>"])))]

  private let tensors = (0..<11).map { index in
    GGUFTensorDescription(
      name: "blk.\(index).weight", type: [TensorType.f32, .f16, .q8_0][index % 3],
      ggmlShape: [32 * (1 + index), 1 + (index * 7) % 5])
  }

  /// The bytes of each tensor.
  private func data() throws -> [[UInt8]] {
    var random = SeededGenerator(seed: 3)
    return try GGUFHeaderEncoder(metadata: [], tensors: tensors).tensors.map { tensor in
      (0..<tensor.byteCount).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }
  }

  /// A whole file with some of the tensors.
  private func file(_ metadata: [MetadataEntry], _ range: Range<Int>) throws -> [UInt8] {
    let encoded = try GGUFHeaderEncoder(metadata: metadata, tensors: Array(tensors[range]))
    var bytes = encoded.bytes
    for piece in try data()[range] {
      bytes += piece
      while bytes.count % 32 != 0 { bytes.append(0) }
    }
    #expect(bytes.count == encoded.fileByteCount)
    return bytes
  }

  private func hash(_ bytes: [UInt8]) -> UInt64 { bytes.withUnsafeBytes { XXHash64.hash($0) } }

  @Test func writesTheFileThatThePythonWriterWrites() throws {
    #expect(hash(try file(metadata, 0..<11)) == 0x9CAA_E7B4_DC4A_3480)
  }

  @Test(
    arguments: [
      (
        .splitTool, .init(tensorCount: 3),
        [0x2578_21BE_5918_BD5A, 0xCA2C_9E98_C5FC_2E62, 0x418E_7D0C_2F01_B32A, 0xA747_6955_0B87_0E4C]
      ),
      (
        .splitTool, .init(tensorCount: 3, firstShardIsEmpty: true),
        [
          0x4589_271D_2BE1_03C9, 0x9033_7665_CC97_512A, 0x3C42_D65E_786C_162D, 0x0931_A531_134D_2DEA,
          0x17EC_A687_2126_C1DA,
        ]
      ),
      (.splitTool, .init(tensorCount: 99), [0xEFE4_6D98_A758_1238]),
      (
        .converter, .init(tensorCount: 3),
        [0xAB4F_9A5F_DFEA_39CF, 0x06E5_FFEB_9BE0_D1A6, 0x74F8_44B7_6CFA_BEF9, 0xDB5F_131F_C490_C139]
      ),
      (
        .converter, .init(byteCount: 3000),
        [
          0x4862_AFA5_9970_3167, 0x0343_2C95_E4BA_EF00, 0x895E_D026_8E75_D946, 0xF6E6_7294_D3AA_63FD,
          0x2A14_92DF_925C_6AE4, 0xF00E_752E_2FD6_E264, 0x5BA2_7FEF_D4E0_3D21,
        ]
      ),
    ] as [(GGUFSplitPlan.Style, GGUFSplitPlan.Limits, [UInt64])])
  func writesTheShardsThatThePeersWrite(
    style: GGUFSplitPlan.Style, limits: GGUFSplitPlan.Limits, expected: [UInt64]
  ) throws {
    let plan = try GGUFSplitPlan(tensorByteCounts: try data().map(\.count), style: style, limits: limits)
    let hashes = try plan.shards.enumerated().map { shard, range in
      hash(try file(plan.metadata(shard: shard, of: metadata), range))
    }
    #expect(hashes == expected)
  }
}
