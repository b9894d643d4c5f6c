import Foundation
import GGUFFormat
import TensorTypes
import TestSupport
import Testing

/// Files that are wrong in themselves: each is found without a source, named and located.
@Suite("pouch-validate: files that are wrong in themselves")
struct ValidateStructureTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test("found, named and located", arguments: container + metadata + vocabulary + blocks)
  func sabotage(_ sabotage: SabotageCase) throws {
    try sabotage.check(try SampleFile.q4KM.get(), in: folder, arguments: [])
  }

  private struct Missing: Error { var text: String }

  /// Where a byte sequence is.
  private static func position(of wanted: [UInt8], in bytes: [UInt8]) throws -> Int {
    guard let range = Data(bytes).range(of: Data(wanted)) else {
      throw Missing(text: String(decoding: wanted, as: UTF8.self))
    }
    return range.lowerBound
  }

  /// Where the fields after a tensor's name are in the table.
  private static func fields(of tensor: String, in bytes: [UInt8]) throws -> Int {
    var name: [UInt8] = []
    withUnsafeBytes(of: UInt64(tensor.utf8.count).littleEndian) { name += $0 }
    name += Array(tensor.utf8)
    return try position(of: name, in: bytes) + name.count
  }

  private static func put<T: FixedWidthInteger>(_ value: T, at offset: Int, in bytes: inout [UInt8]) {
    withUnsafeBytes(of: value.littleEndian) { for (i, byte) in $0.enumerated() { bytes[offset + i] = byte } }
  }

  /// The position of the offset field of a two-dimensional tensor.
  private static func offsetField(of tensor: String, in bytes: [UInt8]) throws -> Int {
    try fields(of: tensor, in: bytes) + 4 + 16 + 4
  }

  private static func shift(_ tensor: String, by amount: Int64, in bytes: inout [UInt8]) throws {
    let field = try offsetField(of: tensor, in: bytes)
    let old = bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: field, as: Int64.self) }
    put(old + amount, at: field, in: &bytes)
  }

  static let container: [SabotageCase] = [
    SabotageCase(
      name: "truncated", kind: "structure", location: ["blk.3."], words: ["1000000 too few"],
      spoil: { $0.removeLast(1_000_000) }),
    SabotageCase(
      name: "empty", kind: "structure", location: [], words: ["4 bytes"], spoil: { $0.removeAll() }),
    SabotageCase(
      name: "wrong magic", kind: "structure", location: [], words: ["47 47 55 46"], spoil: { $0[0] = 0x67 }),
    SabotageCase(
      name: "a type that does not exist", kind: "wrong-tensor-type", location: ["blk.1.attn_q.weight"],
      words: ["type 99"],
      spoil: { put(Int32(99), at: try fields(of: "blk.1.attn_q.weight", in: $0) + 4 + 16, in: &$0) }),
    SabotageCase(
      name: "another type in the header", kind: "structure", location: ["blk.1.attn_q_norm.weight"],
      words: ["overlaps"],
      spoil: { put(Int32(13), at: try fields(of: "blk.1.attn_q.weight", in: $0) + 4 + 16, in: &$0) }),
    SabotageCase(
      name: "overlapping tensors", kind: "structure", location: ["blk.1.attn_q.weight"],
      words: ["overlaps the tensor before by 64 bytes"],
      spoil: { try shift("blk.1.attn_q.weight", by: -64, in: &$0) }),
    SabotageCase(
      name: "a misaligned offset", kind: "structure", location: ["blk.1.attn_q.weight"],
      words: ["not aligned"],
      spoil: { try shift("blk.1.attn_q.weight", by: 4, in: &$0) }),
    SabotageCase(
      name: "a gap", kind: "structure", location: ["blk.1.attn_q.weight"], words: ["a gap of 32 bytes"],
      spoil: { try shift("blk.1.attn_q.weight", by: 32, in: &$0) }),
    SabotageCase(
      name: "a name twice", kind: "structure", location: ["blk.1.attn_k.weight"], words: ["second one"],
      spoil: { bytes in
        let end = try fields(of: "blk.1.attn_q.weight", in: bytes)
        bytes[end - 8] = UInt8(ascii: "k")
      }),
    SabotageCase(
      name: "a key twice", kind: "structure", location: ["general.name"], words: ["second one"],
      spoil: { bytes in
        let at = try position(of: Array("general.tags".utf8), in: bytes + Array("general.tags".utf8))
        guard at < bytes.count else {
          // No such key in this file: rename another one of the length of general.name.
          let other = try position(of: Array("general.type".utf8), in: bytes)
          for (i, byte) in "general.name".utf8.enumerated() { bytes[other + i] = byte }
          return
        }
        for (i, byte) in "general.name".utf8.enumerated() { bytes[at + i] = byte }
      }),
    SabotageCase(
      name: "padding that is not zero", kind: "padding", location: ["blk.0.ssm_a"], words: ["another byte"],
      spoil: { bytes in
        let header = try GGUFHeader(parsing: bytes, file: "x")
        guard let tensor = header.tensors.first(where: { $0.name == "blk.0.ssm_a" }) else {
          throw Missing(text: "ssm_a")
        }
        bytes[header.dataStart + tensor.offset + tensor.byteCount] = 7
      }),
    SabotageCase(
      name: "bytes behind the end", kind: "trailing-bytes", location: [], status: [0, 4],
      words: ["100 bytes follow"],
      spoil: { $0 += [UInt8](repeating: 1, count: 100) }),
    SabotageCase(
      name: "a bad alignment", kind: "structure", location: ["general.alignment"], words: ["power of two"],
      spoil: { bytes in
        // The key takes the place of another one with a u32.
        let at = try position(
          of: Array("qwen35moe.vocab_size".utf8), in: bytes + Array("qwen35moe.vocab_size".utf8))
        let old = at < bytes.count ? "qwen35moe.vocab_size" : "qwen35moe.ssm.conv_kernel"
        let start = try position(of: Array(old.utf8), in: bytes) - 8
        var entry: [UInt8] = []
        withUnsafeBytes(of: UInt64(17)) { entry += $0 }
        entry += Array("general.alignment".utf8)
        bytes.replaceSubrange(start..<(start + 8 + old.utf8.count), with: entry)
        put(UInt32(24), at: start + 25 + 4, in: &bytes)
      }),
  ]

  static let metadata: [SabotageCase] = [
    SabotageCase(
      name: "a missing key", kind: "missing-key", location: ["qwen35moe.ssm.state_size"],
      change: { $0.metadata.removeAll { $0.key == "qwen35moe.ssm.state_size" } }),
    SabotageCase(
      name: "no architecture", kind: "missing-key", location: ["general.architecture"],
      change: { $0.metadata.removeAll { $0.key == "general.architecture" } }),
    SabotageCase(
      name: "a key of the wrong type", kind: "wrong-key-type", location: ["qwen35moe.embedding_length"],
      words: ["a u32", "an f32"], change: { $0.set("qwen35moe.embedding_length", .float32(256)) }),
    SabotageCase(
      name: "a wrong expert count", kind: "expert-count", location: ["qwen35moe.expert_count"],
      words: ["8", "7"],
      change: { $0.set("qwen35moe.expert_count", .uint32(7)) }),
    SabotageCase(
      name: "more experts used than there are", kind: "wrong-value",
      location: ["qwen35moe.expert_used_count"],
      words: ["1 to 8", "9"], change: { $0.set("qwen35moe.expert_used_count", .uint32(9)) }),
    SabotageCase(
      name: "a rotary base of 0", kind: "wrong-value", location: ["qwen35moe.rope.freq_base"],
      change: { $0.set("qwen35moe.rope.freq_base", .float32(0)) }),
    SabotageCase(
      name: "rotary sections that do not add up", kind: "wrong-value",
      location: ["qwen35moe.rope.dimension_sections"],
      words: ["16 pairs"],
      change: { $0.set("qwen35moe.rope.dimension_sections", .array(.int32([6, 6, 6, 0]))) }),
    SabotageCase(
      name: "a missing tensor", kind: "missing-tensor", location: ["blk.2.ssm_norm.weight"],
      change: { $0.tensors.removeAll { $0.name == "blk.2.ssm_norm.weight" } }),
    SabotageCase(
      name: "an extra tensor", kind: "extra-tensor", location: ["blk.2.ssm_nrom.weight"],
      words: ["blk.2.ssm_norm.weight"],
      change: { file in
        file.tensors.append(
          .init(name: "blk.2.ssm_nrom.weight", type: .f32, shape: [8], bytes: .init(repeating: 1, count: 32)))
      }),
    SabotageCase(
      name: "a wrong shape", kind: "wrong-shape", location: ["blk.1.attn_k.weight"],
      words: ["[256, 128]", "[128, 256]"],
      change: { file in
        try file.change("blk.1.attn_k.weight") {
          $0 = .init(
            name: $0.name, type: .f32, shape: [128, 256], bytes: .init(repeating: 1, count: 128 * 256 * 4))
        }
      }),
    SabotageCase(
      name: "a wrong file type", kind: "file-type", location: ["general.file_type"],
      words: ["Q4_K_M", "Q5_K_M"],
      change: { $0.set("general.file_type", .uint32(17)) }),
    SabotageCase(
      name: "a file type that does not exist", kind: "file-type", location: ["general.file_type"],
      words: ["77"],
      change: { $0.set("general.file_type", .uint32(77)) }),
    SabotageCase(
      name: "a type that the mix does not give", kind: "mix-deviation", location: ["blk.1.attn_k.weight"],
      status: [0, 4], words: ["q8_0, as Q4_K_M", "f32"],
      change: { file in
        try file.change("blk.1.attn_k.weight") {
          $0 = .init(
            name: $0.name, type: .f32, shape: $0.shape, bytes: .init(repeating: 1, count: 128 * 256 * 4))
        }
      }),
  ]

  private static func tokens(_ file: EditableGGUF, _ key: String) throws -> [String] {
    guard case .array(.string(let texts))? = file.metadata.first(where: { $0.key == key })?.value else {
      throw Missing(text: key)
    }
    return texts
  }

  static let vocabulary: [SabotageCase] = [
    SabotageCase(
      name: "the vocabulary of a larger model", kind: "tokenizer", location: ["tokenizer.ggml.tokens"],
      words: ["4096", "4100"],
      change: { file in
        let texts = try tokens(file, "tokenizer.ggml.tokens") + ["<a>", "<b>", "<c>", "<d>"]
        file.set("tokenizer.ggml.tokens", .array(.string(texts)))
      }),
    SabotageCase(
      name: "too few token types", kind: "tokenizer", location: ["tokenizer.ggml.token_type"],
      words: ["4096", "10"],
      change: { $0.set("tokenizer.ggml.token_type", .array(.int32(.init(repeating: 1, count: 10)))) }),
    SabotageCase(
      name: "a merge of unknown tokens", kind: "tokenizer", location: ["tokenizer.ggml.merges", "merge 3"],
      words: ["1 of"],
      change: { file in
        var merges = try tokens(file, "tokenizer.ggml.merges")
        merges[3] = "qqqq zzzz"
        file.set("tokenizer.ggml.merges", .array(.string(merges)))
      }),
    SabotageCase(
      name: "an end of text beyond the vocabulary", kind: "tokenizer",
      location: ["tokenizer.ggml.eos_token_id"],
      words: ["0 to 4095", "5000"], change: { $0.set("tokenizer.ggml.eos_token_id", .uint32(5000)) }),
    SabotageCase(
      name: "no tokens", kind: "tokenizer", location: ["tokenizer.ggml.tokens"], words: ["no such key"],
      change: { $0.metadata.removeAll { $0.key == "tokenizer.ggml.tokens" } }),
  ]

  static let blocks: [SabotageCase] = [
    SabotageCase(
      name: "an infinite scale", kind: "non-finite", location: ["blk.1.attn_q.weight", "row 5, block 0"],
      words: ["an infinity for the scale"],
      change: { file in
        try file.change("blk.1.attn_q.weight") { put(UInt16(0x7C00), at: 5 * 144, in: &$0.bytes) }
      }),
    SabotageCase(
      name: "a NaN in one expert", kind: "non-finite",
      location: ["blk.2.ffn_gate_exps.weight", "expert 3, row 7, block 0"], words: ["a NaN for the minimum"],
      change: { file in
        try file.change("blk.2.ffn_gate_exps.weight") {
          put(UInt16(0xFE01), at: 3 * $0.matrixByteCount + 7 * $0.rowByteCount + 2, in: &$0.bytes)
        }
      }),
    SabotageCase(
      name: "a NaN in a norm", kind: "non-finite", location: ["blk.0.attn_norm.weight", "element 77"],
      words: ["a NaN"], change: { try $0.mapValues("blk.0.attn_norm.weight") { $0 == 77 ? .nan : $1 } }),
    SabotageCase(
      name: "an infinity in a router", kind: "non-finite",
      location: ["blk.0.ffn_gate_inp.weight", "row 1, column 2"],
      words: ["an infinity"],
      change: { try $0.mapValues("blk.0.ffn_gate_inp.weight") { $0 == 256 + 2 ? -.infinity : $1 } }),
    SabotageCase(
      name: "an expert of zeros", kind: "zero-expert", location: ["blk.1.ffn_up_exps.weight", "expert 6"],
      status: [0, 4],
      change: { file in
        try file.change("blk.1.ffn_up_exps.weight") { tensor in
          let size = tensor.matrixByteCount
          tensor.bytes.replaceSubrange(6 * size..<7 * size, with: [UInt8](repeating: 0, count: size))
        }
      }),
    SabotageCase(
      name: "a matrix of zeros", kind: "zero-tensor", location: ["blk.1.attn_v.weight"], status: [0, 4],
      change: { file in
        try file.change("blk.1.attn_v.weight") { $0.bytes = .init(repeating: 0, count: $0.bytes.count) }
      }),
    SabotageCase(
      name: "an expert of zeros in a file made with importance data", kind: "zero-expert",
      location: ["blk.1.ffn_up_exps.weight", "experts 2, 6"],
      change: { file in
        file.set("quantize.imatrix.file", .string("imatrix.gguf"))
        try file.change("blk.1.ffn_up_exps.weight") { tensor in
          let size = tensor.matrixByteCount
          for expert in [2, 6] {
            tensor.bytes.replaceSubrange(
              expert * size..<(expert + 1) * size, with: [UInt8](repeating: 0, count: size))
          }
        }
      }),
    SabotageCase(
      name: "an embedding of zeros", kind: "zero-tensor", location: ["token_embd.weight"],
      change: { file in
        try file.change("token_embd.weight") { $0.bytes = .init(repeating: 0, count: $0.bytes.count) }
      }),
    SabotageCase(
      name: "a flipped exponent bit in a scale", kind: "scale-outlier",
      location: ["blk.1.attn_output.weight", "row 9, block 0"], status: [0, 4],
      change: { try $0.change("blk.1.attn_output.weight") { $0.bytes[9 * $0.rowByteCount + 1] ^= 0x20 } }),
  ]

  @Test("a missing shard is named")
  func missingShard() throws {
    let split = try CommandRun.convert(
      SampleFile.checkpoint, "--outtype", "Q4_K_M", "--outfile", folder.path("s.gguf"), "--split-max-size",
      "2M", "-q")
    #expect(split.status == 0, "\(split.errors)")
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.url.path).sorted()
    try #require(names.count > 2)
    let good = try CommandRun("pouch-validate", [folder.path(names[0]), "--against", SampleFile.checkpoint])
    #expect(good.status == 0, "\(good.output)\(good.errors)")
    #expect(good.output.contains("(\(names.count) shards)") && good.output.contains("verdict   exact"))
    try FileManager.default.removeItem(atPath: folder.path(names[1]))
    let run = try CommandRun("pouch-validate", [folder.path(names[0]), "--json"])
    #expect(run.status == 3)
    #expect(run.lastErrorLine.contains(names[1]) && run.lastErrorLine.contains("missing"), "\(run.errors)")
    #expect(try SabotageCase.report(run).findings.first?.kind == "structure")
  }
}
