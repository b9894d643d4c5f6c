import BlockQuantization
import Foundation
import GGUFFormat
import TensorTypes
import TestSupport
import Testing

/// Files that are sound in themselves but do not hold what their source says.
@Suite("pouch-validate --against: wrong conversions")
struct ValidateSourceTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test("found, named and located", arguments: cases)
  func sabotage(_ sabotage: SabotageCase) throws {
    try sabotage.check(
      try SampleFile.q4KM.get(), in: folder, arguments: ["--against", SampleFile.checkpoint])
  }

  /// The order that undoes the tiling of four value heads over two key heads, for heads of `unit` rows after `first`.
  private static func untiled(_ row: Int, first: Int, unit: Int) -> Int {
    guard row >= first else { return row }
    let order = [0, 2, 1, 3]
    return first + order[(row - first) / unit] * unit + (row - first) % unit
  }

  static let cases: [SabotageCase] = [
    SabotageCase(
      name: "two experts exchanged", kind: "swapped-experts",
      location: ["blk.1.ffn_down_exps.weight", "2, 5"],
      words: ["exchanged: 2 and 5"],
      change: { try $0.reorderExperts("blk.1.ffn_down_exps.weight", [0, 1, 5, 3, 4, 2, 6, 7]) }),
    SabotageCase(
      name: "experts moved on by one", kind: "swapped-experts", location: ["blk.0.ffn_up_exps.weight"],
      words: ["another order", "0 holds 7", "1 holds 0"],
      change: { try $0.reorderExperts("blk.0.ffn_up_exps.weight", [7, 0, 1, 2, 3, 4, 5, 6]) }),
    SabotageCase(
      name: "experts sorted by name, not by number", kind: "swapped-experts",
      location: ["blk.2.ffn_gate_exps.weight"],
      change: { try $0.reorderExperts("blk.2.ffn_gate_exps.weight", [0, 1, 3, 2, 4, 5, 7, 6]) }),
    SabotageCase(
      name: "gate and up exchanged", kind: "swapped-tensors", location: ["blk.1.ffn_gate_exps.weight"],
      words: ["gate and up are exchanged", "blk.1.ffn_up_exps.weight"],
      change: { try $0.exchange("blk.1.ffn_gate_exps.weight", "blk.1.ffn_up_exps.weight") }),
    SabotageCase(
      name: "the shared expert's gate and up exchanged", kind: "swapped-tensors",
      location: ["blk.3.ffn_up_shexp.weight"], words: ["blk.3.ffn_gate_shexp.weight"],
      change: { try $0.exchange("blk.3.ffn_gate_shexp.weight", "blk.3.ffn_up_shexp.weight") }),
    SabotageCase(
      name: "two layers exchanged", kind: "other-tensor", location: ["blk.1.attn_output.weight"],
      words: ["blk.3.attn_output.weight"],
      change: { try $0.exchange("blk.1.attn_output.weight", "blk.3.attn_output.weight") }),
    SabotageCase(
      name: "another layer's norm", kind: "other-tensor", location: ["blk.2.attn_norm.weight"],
      words: ["blk.0.attn_norm.weight"],
      change: { file in
        let other = file.tensors[try file.index("blk.0.attn_norm.weight")].bytes
        try file.change("blk.2.attn_norm.weight") { $0.bytes = other }
      }),
    SabotageCase(
      name: "value heads of the gate in the checkpoint's order", kind: "value-head-order",
      location: ["blk.0.attn_gate.weight"], words: ["reordering is missing"],
      change: { try $0.reorderRows("blk.0.attn_gate.weight") { untiled($0, first: 0, unit: 64) } }),
    SabotageCase(
      name: "value heads of the projection in the checkpoint's order", kind: "value-head-order",
      location: ["blk.2.attn_qkv.weight"], words: ["grouped by key head"],
      change: { try $0.reorderRows("blk.2.attn_qkv.weight") { untiled($0, first: 256, unit: 64) } }),
    SabotageCase(
      name: "value heads of the convolution in the checkpoint's order", kind: "value-head-order",
      location: ["blk.2.ssm_conv1d.weight"],
      change: { try $0.reorderRows("blk.2.ssm_conv1d.weight") { untiled($0, first: 256, unit: 64) } }),
    SabotageCase(
      name: "value heads of the time step in the checkpoint's order", kind: "value-head-order",
      location: ["blk.0.ssm_dt.bias"],
      change: { file in
        try file.change("blk.0.ssm_dt.bias") { tensor in
          let old = tensor.bytes
          for (to, from) in [0, 2, 1, 3].enumerated() {
            tensor.bytes.replaceSubrange(4 * to..<4 * to + 4, with: old[4 * from..<4 * from + 4])
          }
        }
      }),
    SabotageCase(
      name: "a norm without the one", kind: "norm-offset", location: ["blk.1.attn_norm.weight"],
      words: ["one less"],
      change: { try $0.mapValues("blk.1.attn_norm.weight") { $1 - 1 } }),
    SabotageCase(
      name: "one added to a norm that has it", kind: "norm-offset", location: ["output_norm.weight"],
      words: ["one more"], change: { try $0.mapValues("output_norm.weight") { $1 + 1 } }),
    SabotageCase(
      name: "decay rates as logarithms", kind: "decay-not-converted", location: ["blk.0.ssm_a"],
      change: { try $0.mapValues("blk.0.ssm_a") { Float(Foundation.log(Double(-$1))) } }),
    SabotageCase(
      name: "an expert that was lost", kind: "zero-expert",
      location: ["blk.1.ffn_up_exps.weight", "expert 6"],
      words: ["the source's weights", "zeros alone"],
      change: { file in
        try file.change("blk.1.ffn_up_exps.weight") { tensor in
          let size = tensor.matrixByteCount
          tensor.bytes.replaceSubrange(6 * size..<7 * size, with: [UInt8](repeating: 0, count: size))
        }
      }),
    SabotageCase(
      name: "a matrix that was lost", kind: "zero-tensor", location: ["blk.1.attn_v.weight"],
      words: ["the source's weights"],
      change: { file in
        try file.change("blk.1.attn_v.weight") { $0.bytes = .init(repeating: 0, count: $0.bytes.count) }
      }),
    SabotageCase(
      name: "a flipped code bit", kind: "damaged-block",
      location: ["blk.0.ffn_down_exps.weight", "expert 4, row 100, block 0"], words: ["this block"],
      change: { file in
        try file.change("blk.0.ffn_down_exps.weight") { tensor in
          tensor.bytes[4 * tensor.matrixByteCount + 100 * tensor.rowByteCount + 60] ^= 0x10
        }
      }),
    SabotageCase(
      name: "a flipped bit in a scale", kind: "damaged-block",
      location: ["blk.3.attn_k.weight", "row 17, block 0"],
      change: { try $0.change("blk.3.attn_k.weight") { $0.bytes[17 * $0.rowByteCount] ^= 0x08 } }),
    SabotageCase(
      name: "a flipped bit in a norm", kind: "damaged-block", location: ["blk.3.attn_q_norm.weight"],
      change: { try $0.change("blk.3.attn_q_norm.weight") { $0.bytes[4 * 9 + 1] ^= 0x01 } }),
    SabotageCase(
      name: "an expert of another model", kind: "expert-mismatch",
      location: ["blk.3.ffn_up_exps.weight", "expert 1"],
      words: ["cosine"],
      change: { file in
        let other = file.tensors[try file.index("token_embd.weight")].bytes
        try file.change("blk.3.ffn_up_exps.weight") { tensor in
          let size = tensor.matrixByteCount
          tensor.bytes.replaceSubrange(size..<2 * size, with: other[0..<size])
        }
      }),
    SabotageCase(
      name: "a matrix of other values", kind: "not-from-source", location: ["blk.1.attn_q.weight"],
      change: { file in
        try file.change("blk.1.attn_q.weight") { tensor in
          let old = tensor.bytes
          let rows = old.count / tensor.rowByteCount
          for row in 0..<rows {
            let from = (rows - 1 - row) * tensor.rowByteCount
            tensor.bytes.replaceSubrange(
              row * tensor.rowByteCount..<(row + 1) * tensor.rowByteCount,
              with: old[from..<from + tensor.rowByteCount])
          }
        }
      }),
    SabotageCase(
      name: "doubled values", kind: "scaled-values", location: ["blk.1.attn_v.weight"],
      words: ["times these values"],
      change: { try $0.requantize("blk.1.attn_v.weight") { $0 * 2 } }),
    SabotageCase(
      name: "another rotary base", kind: "source-metadata", location: ["qwen35moe.rope.freq_base"],
      words: ["10000", "1000000"], change: { $0.set("qwen35moe.rope.freq_base", .float32(1_000_000)) }),
    SabotageCase(
      name: "another context length", kind: "source-metadata", location: ["qwen35moe.context_length"],
      words: ["2048", "4096"], change: { $0.set("qwen35moe.context_length", .uint32(4096)) }),
    SabotageCase(
      name: "another model's tokenizer of the same size", kind: "other-tokenizer",
      location: ["tokenizer.ggml.tokens", "entry 300"], words: ["2 of 4096"],
      change: { file in
        guard let index = file.metadata.firstIndex(where: { $0.key == "tokenizer.ggml.tokens" }),
          case .array(.string(var texts)) = file.metadata[index].value
        else { return }
        texts.swapAt(300, 301)
        file.metadata[index].value = .array(.string(texts))
      }),
    SabotageCase(
      name: "a tensor less than the source", kind: "missing-tensor", location: ["output.weight"],
      change: { $0.tensors.removeAll { $0.name == "output.weight" } }),
  ]

  @Test("the good file is exact, with and without blocks, on one thread and two")
  func good() throws {
    let path = try folder.write("good.gguf", try SampleFile.q4KM.get().encoded())
    var outputs: Set<String> = []
    for threads in ["1", "2"] {
      let run = try CommandRun(
        "pouch-validate", [path, "--against", SampleFile.checkpoint, "--strict", "--json", "-t", threads])
      #expect(run.status == 0, "\(run.errors)")
      let report = try SabotageCase.report(run)
      #expect(report.isSound && report.against?.verdict == "exact" && report.mix?.recognised == "Q4_K_M")
      #expect(report.against?.exactTensors == report.against?.comparedTensors)
      #expect(report.against?.comparedTensors == (try SampleFile.q4KM.get().tensors.count))
      let errors = try #require(report.against).tensors.map { "\($0.name) \($0.relativeError)" }
      outputs.insert(errors.joined(separator: "\n"))
    }
    #expect(outputs.count == 1, "the threads have an influence")
  }

  @Test("importance data: exact with it, other rounding without it")
  func importance() throws {
    let file = try SampleFile.q4KM.get()
    var generator = SeededGenerator(seed: 5)
    var matrix = file
    matrix.metadata = [
      MetadataEntry("general.type", .string("imatrix")),
      MetadataEntry("imatrix.datasets", .array(.string(["text"]))),
      MetadataEntry("imatrix.chunk_count", .uint32(3)), MetadataEntry("imatrix.chunk_size", .uint32(512)),
    ]
    matrix.tensors = []
    for tensor in file.tensors where tensor.type.isQuantized && tensor.name.hasPrefix("blk.") {
      let experts = tensor.shape.count > 2 ? tensor.shape[2] : 1
      func floats(_ count: Int, _ range: ClosedRange<Float>) -> [UInt8] {
        (0..<count).flatMap { _ in
          withUnsafeBytes(of: Float.random(in: range, using: &generator).bitPattern.littleEndian) {
            Array($0)
          }
        }
      }
      matrix.tensors.append(
        .init(
          name: tensor.name + ".counts", type: .f32, shape: [1, experts],
          bytes: (0..<experts).flatMap { _ in
            withUnsafeBytes(of: Float(100).bitPattern.littleEndian) { Array($0) }
          }))
      matrix.tensors.append(
        .init(
          name: tensor.name + ".in_sum2", type: .f32, shape: [tensor.shape[0], experts],
          bytes: floats(tensor.shape[0] * experts, 0.5...400)))
    }
    let data = try folder.write("imatrix.gguf", try matrix.encoded())
    let made = try CommandRun.convert(
      SampleFile.checkpoint, "--outtype", "Q4_K_M", "--imatrix", data, "--outfile", folder.path("out.gguf"),
      "-q")
    #expect(made.status == 0, "\(made.errors)")
    let with = try CommandRun(
      "pouch-validate",
      [folder.path("out.gguf"), "--against", SampleFile.checkpoint, "--imatrix", data, "--json"])
    #expect(with.status == 0, "\(with.errors)")
    #expect(try SabotageCase.report(with).against?.verdict == "exact")
    let without = try CommandRun(
      "pouch-validate", [folder.path("out.gguf"), "--against", SampleFile.checkpoint, "--json"])
    #expect(without.status == 0, "\(without.errors)")
    let report = try SabotageCase.report(without)
    #expect(report.against?.verdict == "same recipe, other rounding")
    #expect(report.findings.contains { $0.kind == "other-rounding" && $0.expected.contains("--imatrix") })
  }

  @Test(
    "every mix of the sample passes",
    arguments: [
      "BF16", "F16", "F32", "Q8_0", "Q4_0", "Q5_1", "Q2_K", "Q3_K_M", "Q4_K_S", "Q5_K_M", "Q6_K", "IQ4_XS",
      "IQ4_NL", "MXFP4_MOE",
    ])
  func mixes(_ mix: String) throws {
    let path = folder.path("out.gguf")
    let made = try CommandRun.convert(SampleFile.checkpoint, "--outtype", mix, "--outfile", path, "-q")
    #expect(made.status == 0, "\(made.errors)")
    let run = try CommandRun(
      "pouch-validate", [path, "--against", SampleFile.checkpoint, "--strict", "--json"])
    #expect(run.status == 0, "\(run.errors)")
    let report = try SabotageCase.report(run)
    #expect(
      report.against?.verdict == "exact" && report.mix?.recognised == mix && report.mix?.isPure == false)
  }

  @Test("against a GGUF: its 16-bit form, and itself")
  func againstGGUF() throws {
    let good = try folder.write("good.gguf", try SampleFile.q4KM.get().encoded())
    let plain = folder.path("plain.gguf")
    let made = try CommandRun.convert(SampleFile.checkpoint, "--outtype", "bf16", "--outfile", plain, "-q")
    #expect(made.status == 0, "\(made.errors)")
    for source in [plain, good] {
      let run = try CommandRun("pouch-validate", [good, "--against", source, "--strict", "--json"])
      #expect(run.status == 0, "\(run.errors)")
      #expect(try SabotageCase.report(run).against?.verdict == "exact")
    }
  }

  @Test("another model of the same family")
  func otherModel() throws {
    var tiny = TinyCheckpoint(seed: 1)
    let source = try tiny.write(in: folder)
    let path = folder.path("out.gguf")
    #expect(try CommandRun.convert(source, "--outtype", "Q8_0", "--outfile", path, "-q").status == 0)
    #expect(try CommandRun("pouch-validate", [path, "--against", source, "-q"]).status == 0)
    tiny = TinyCheckpoint(seed: 2)
    let other = try tiny.write(in: folder, name: "other-model")
    let run = try CommandRun("pouch-validate", [path, "--against", other, "--json"])
    #expect(run.status == 3)
    let report = try SabotageCase.report(run)
    #expect(report.against?.verdict == "not from this source" && report.against?.exactTensors == 0)
    #expect(
      run.lastErrorLine.contains("not-from-source") && run.lastErrorLine.contains("out.gguf"), "\(run.errors)"
    )
  }

  /// A checkpoint of the llama architecture, whose query and key rows are permuted.
  private func llama() throws -> String {
    var tiny = TinyCheckpoint(seed: 3)
    tiny.config["architectures"] = ["LlamaForCausalLM"]
    tiny.config["model_type"] = "llama"
    for key in ["num_experts", "num_experts_per_tok", "moe_intermediate_size", "norm_topk_prob"] {
      tiny.config[key] = nil
    }
    let wide = try #require(tiny.shards[1]["model.layers.0.mlp.experts.0.gate_proj.weight"])
    for shard in tiny.shards.indices {
      for name in tiny.shards[shard].keys
      where name.contains("mlp.") || name.contains("q_norm") || name.contains("k_norm") {
        tiny.shards[shard][name] = nil
      }
    }
    tiny.config["intermediate_size"] = 32
    tiny.shards[1]["model.layers.0.mlp.gate_proj.weight"] = wide
    let experts = TinyCheckpoint(seed: 4).shards[1]
    for name in ["up_proj", "down_proj"] {
      let matrix = experts["model.layers.0.mlp.experts.1.\(name).weight"]
      tiny.shards[1]["model.layers.0.mlp.\(name).weight"] = matrix
    }
    return try tiny.write(in: folder, name: "tiny-llama")
  }

  @Test(
    "query and key rows of a llama: not permuted, permuted twice", arguments: ["attn_q", "attn_k"],
    [false, true])
  func rotary(stem: String, twice: Bool) throws {
    let source = try llama()
    let path = folder.path("llama.gguf")
    let made = try CommandRun.convert(source, "--outtype", "Q8_0", "--outfile", path, "-q")
    #expect(made.status == 0, "\(made.errors)")
    let good = try CommandRun("pouch-validate", [path, "--against", source, "--json"])
    #expect(good.status == 0, "\(good.errors)")
    var file = try EditableGGUF(path: path)
    // Heads of 32 rows: row 2j of the output is row j of the checkpoint, row 2j + 1 is row j + 16.
    try file.reorderRows("blk.0.\(stem).weight") { row in
      let (head, within) = (row / 32 * 32, row % 32)
      return head + (twice ? within / 2 + within % 2 * 16 : within < 16 ? 2 * within : 2 * (within - 16) + 1)
    }
    let bad = try folder.write("bad.gguf", try file.encoded())
    let run = try CommandRun("pouch-validate", [bad, "--against", source, "--json"])
    #expect(run.status == 3)
    let finding = try SabotageCase.report(run).findings.first { $0.kind == "rotary-order" }
    #expect(finding?.subject == "blk.0.\(stem).weight", "\(run.errors)")
    #expect(finding?.found.contains(twice ? "twice" : "missing") == true, "\(finding?.found ?? "")")
  }
}
