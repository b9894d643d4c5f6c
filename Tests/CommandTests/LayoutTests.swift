import Foundation
import TensorTypes
import TestSupport
import Testing

extension EditableGGUF {
  /// Puts tensors of one type behind each other, in each matrix or as one vector, in the place of the first.
  mutating func join(_ names: [String], as name: String) throws {
    let parts = try names.map { tensors[try index($0)] }
    precondition(Set(parts.map(\.type)).count == 1)
    let axis = parts[0].shape.count > 1 ? 1 : 0
    var joined = parts[0]
    joined.name = name
    joined.shape[axis] = parts.reduce(0) { $0 + $1.shape[axis] }
    joined.bytes = []
    for matrix in 0..<joined.shape.dropFirst(2).reduce(1, *) {
      for part in parts {
        let size = part.bytes.count / part.shape.dropFirst(2).reduce(1, *)
        joined.bytes += part.bytes[(matrix * size)..<((matrix + 1) * size)]
      }
    }
    let place = try index(names[0])
    tensors[place] = joined
    tensors.removeAll { names.dropFirst().contains($0.name) }
  }

  /// Fuses gate and up projections of all experts, and the projections of softmax attention.
  mutating func joinAll() throws {
    for name in tensors.map(\.name) {
      for (part, others, whole) in [
        ("ffn_gate_exps.weight", ["ffn_up_exps.weight"], "ffn_gate_up_exps.weight"),
        ("attn_q.weight", ["attn_k.weight", "attn_v.weight"], "attn_qkv.weight"),
      ] where name.hasSuffix("." + part) {
        let block = String(name.dropLast(part.count))
        try join(([part] + others).map { block + $0 }, as: block + whole)
      }
    }
  }

  /// Writes the file as Ollama's converter does: heads per layer, three sections, `ssm_dt`, other parts of the model.
  mutating func makeOllamas() {
    set("qwen35moe.attention.head_count_kv", .array(.uint32([0, 2, 0, 2])))
    set("qwen35moe.rope.dimension_sections", .array(.int32([6, 5, 5])))
    set("qwen35moe.vision.block_count", .uint32(1))
    set("qwen35moe.image_token_id", .uint32(7))
    set("qwen35moe.ssm.v_head_reordered", .bool(true))
    metadata.removeAll { $0.key == "qwen35moe.attention.recurrent_layers" }
    for index in tensors.indices where tensors[index].name.hasSuffix("ssm_dt.bias") {
      tensors[index].name.removeLast(5)
    }
    for name in ["v.blk.0.attn_q.weight", "mm.0.weight", "mtp.fc.weight"] {
      tensors.append(Tensor(name: name, type: .f16, shape: [64, 2], bytes: .init(repeating: 1, count: 256)))
    }
  }
}

/// Tensors kept together or under other names, and metadata of another form: every command reads them.
@Suite("layouts of a GGUF")
struct LayoutTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func sample(_ type: String) throws -> EditableGGUF {
    let path = folder.path("plain-\(type).gguf")
    let run = try CommandRun.convert(
      SampleFile.checkpoint, "--outtype", type, "--outfile", path, "-q", "--force")
    try #require(run.status == 0, "\(run.errors)")
    return try EditableGGUF(path: path)
  }

  private func write(_ file: EditableGGUF, _ name: String) throws -> String {
    try folder.write(name, try file.encoded())
  }

  /// Runs a command, expects its exit code, and that nothing of Swift shows.
  @discardableResult
  private func run(
    _ status: Int32, _ name: String, _ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> CommandRun {
    let run = try CommandRun(name, arguments)
    #expect(
      run.status == status && !run.wasKilled, "\(name) \(arguments): status \(run.status): \(run.errors)",
      sourceLocation: sourceLocation)
    for word in ["TensorTypes", "array(", "uint32(", "Optional("] {
      #expect(
        !(run.output + run.errors).contains(word), "\(run.output)\(run.errors)",
        sourceLocation: sourceLocation)
    }
    return run
  }

  private func tensors(_ path: String) throws -> [String: [UInt8]] {
    Dictionary(uniqueKeysWithValues: try EditableGGUF(path: path).tensors.map { ($0.name, $0.bytes) })
  }

  @Test("fused projections: sound alone, against the checkpoint and against the plain file")
  func fused() throws {
    let plain = folder.path("plain-q8_0.gguf")
    var file = try sample("q8_0")
    try file.joinAll()
    let path = try write(file, "fused.gguf")
    let checkpoint = SampleFile.checkpoint
    try run(0, "pouch-validate", path, "--strict")
    for (subject, source) in [(path, checkpoint), (path, plain), (plain, path), (path, path)] {
      let report = try SabotageCase.report(
        try run(0, "pouch-validate", subject, "--against", source, "--json"))
      #expect(report.against?.verdict == "exact", "\(subject) \(source)")
      #expect(report.against?.exactTensors == report.against?.comparedTensors)
    }
    let inspection = try run(0, "pouch-inspect", path)
    #expect(inspection.output.contains("routed-experts") && !inspection.output.contains("other "))
    let difference = try run(0, "pouch-inspect", plain, "--diff", path)
    #expect(difference.output.contains("arranged otherwise"), "\(difference.output)")
    #expect(difference.output.contains(", 0 differ, 0 only in the first, 0 only in the second"))
    try run(4, "pouch-inspect", path, "--diff", plain, "--strict")
    try run(0, "pouch-estimate", path, "-c", "256")
    let texts = try [plain, path].map {
      try run(0, "pouch-generate", "-m", $0, "-p", "draw a circle", "-n", "24", "--temp", "0").output
    }
    #expect(texts[0] == texts[1] && !texts[0].isEmpty)
  }

  @Test("damage in a fused tensor is found in the part that it hit")
  func damage() throws {
    var file = try sample("q8_0")
    try file.joinAll()
    try file.change("blk.1.ffn_gate_up_exps.weight") { tensor in
      // Expert 5 has 256 gate rows, then 256 up rows.
      tensor.bytes[5 * tensor.matrixByteCount + (256 + 9) * tensor.rowByteCount + 40] ^= 0x40
    }
    let path = try write(file, "damaged.gguf")
    let report = try SabotageCase.report(
      try run(3, "pouch-validate", path, "--against", SampleFile.checkpoint, "--json"))
    let found = report.findings.filter { $0.kind == "damaged-block" }
    #expect(found.map(\.subject) == ["blk.1.ffn_up_exps.weight"])
    #expect(found.first?.place.contains("expert 5, row 9, block 1") == true, "\(found)")
    let difference = try run(0, "pouch-inspect", path, "--diff", folder.path("plain-q8_0.gguf"))
    #expect(difference.output.contains("blk.1.ffn_up_exps.weight  q8_0"), "\(difference.output)")
  }

  @Test("a fused file stays as it is when it is quantized again, with the values that the plain one gets")
  func requantized() throws {
    var file = try sample("f16")
    try file.joinAll()
    let path = try write(file, "fused.gguf")
    let (a, b) = (folder.path("a.gguf"), folder.path("b.gguf"))
    try run(0, "pouch-quantize", "--pure", path, a, "Q4_0")
    try run(0, "pouch-quantize", "--pure", folder.path("plain-f16.gguf"), b, "Q4_0")
    let names = Set(try EditableGGUF(path: a).tensors.map(\.name))
    #expect(names.contains("blk.1.attn_qkv.weight") && names.contains("blk.0.ffn_gate_up_exps.weight"))
    let difference = try run(0, "pouch-inspect", a, "--diff", b)
    #expect(difference.output.contains(", 0 differ, 0 only in the first"), "\(difference.output)")
    try run(0, "pouch-validate", a, "--against", SampleFile.checkpoint)
    for mix in ["Q4_K_M", "IQ4_XS"] {
      try run(0, "pouch-quantize", "--force", path, a, mix)
      try run(0, "pouch-validate", a, "--against", SampleFile.checkpoint)
    }
  }

  @Test(
    "experts fused where llama.cpp does not read them: run, refused by the validator, taken apart by a copy")
  func notStandard() throws {
    let model = try RuntimeModel()
    var file = try EditableGGUF(path: model.path)
    try file.join(
      ["blk.0.ffn_gate_exps.weight", "blk.0.ffn_up_exps.weight"], as: "blk.0.ffn_gate_up_exps.weight")
    let path = try write(file, "fused.gguf")
    let report = try SabotageCase.report(try run(3, "pouch-validate", path, "--json"))
    #expect(report.findings.first?.kind == "extra-tensor")
    #expect(report.findings.first?.subject == "blk.0.ffn_gate_up_exps.weight")
    let texts = try [model.path, path].map {
      try run(0, "pouch-generate", "-m", $0, "-p", "hi", "-n", "8", "--raw", "--temp", "0").output
    }
    #expect(texts[0] == texts[1])
    let output = folder.path("copy.gguf")
    let copy = try run(0, "pouch-quantize", path, output, "COPY")
    #expect(
      copy.errors.contains("taken apart into ffn_gate_exps.weight and ffn_up_exps.weight"), "\(copy.errors)")
    #expect(try tensors(output) == tensors(model.path))
    try run(0, "pouch-validate", output, "--against", model.path)
    try run(4, "pouch-quantize", "--strict", "--force", path, output, "COPY")
    #expect(try run(0, "pouch-estimate", path, "-c", "64").errors.contains("llama.cpp does not load"))
  }

  @Test("files of Ollama's converter: read by all commands, and copied into what llama.cpp reads")
  func ollama() throws {
    let plain = folder.path("plain-q8_0.gguf")
    let good = try sample("q8_0")
    var file = good
    file.makeOllamas()
    let path = try write(file, "ollama.gguf")
    #expect(try run(0, "pouch-inspect", path).output.contains("vision"))
    #expect(try run(0, "pouch-estimate", path, "-c", "256").errors.contains("llama.cpp does not load"))
    let texts = try [plain, path].map {
      try run(0, "pouch-generate", "-m", $0, "-p", "draw a circle", "-n", "24", "--temp", "0").output
    }
    #expect(texts[0] == texts[1] && !texts[0].isEmpty)
    let text = folder.path("text.txt")
    try String(repeating: "a red circle and a blue square. ", count: 60).write(
      toFile: text, atomically: true, encoding: .utf8)
    try run(0, "pouch-perplexity", "-m", path, "-f", text, "-c", "64", "--chunks", "2")
    try run(
      0, "pouch-imatrix", "-m", path, "-f", text, "-c", "64", "--chunks", "2", "-o", folder.path("i.gguf"))
    let report = try SabotageCase.report(try run(3, "pouch-validate", path, "--json"))
    let kinds = Set(report.findings.filter { $0.severity == "error" }.map(\.subject))
    for subject in [
      "qwen35moe.attention.head_count_kv", "qwen35moe.rope.dimension_sections", "blk.0.ssm_dt",
      "v.blk.0.attn_q.weight", "mtp.fc.weight",
    ] {
      #expect(kinds.contains { $0.contains(subject) }, "\(subject) in \(kinds)")
    }
    let difference = try run(0, "pouch-inspect", plain, "--diff", path)
    #expect(difference.output.contains(", 0 differ, 0 only in the first, 3 only in the second"))

    let output = folder.path("copy.gguf")
    let copy = try run(0, "pouch-quantize", path, output, "COPY")
    for words in [
      "vision tower", "next-token prediction", "renamed to ssm_dt.bias", "head_count_kv: 2 in place of",
    ] {
      #expect(copy.errors.contains(words), "\(copy.errors)")
    }
    #expect(try tensors(output) == tensors(plain))
    try run(0, "pouch-validate", output, "--against", SampleFile.checkpoint)
    try run(0, "pouch-validate", output, "--against", path)
    let copied = Dictionary(
      uniqueKeysWithValues: try EditableGGUF(path: output).metadata.map { ($0.key, $0.value) })
    // The list of recurrent layers is not needed where the interval says the same.
    for entry in good.metadata
    where entry.key.hasPrefix("qwen35moe.") && entry.key != "qwen35moe.attention.recurrent_layers" {
      #expect(copied[entry.key] == entry.value, "\(entry.key)")
    }
    #expect(copied["qwen35moe.vision.block_count"] == nil && copied["qwen35moe.image_token_id"] == nil)
    try run(0, "pouch-quantize", "--allow-requantize", "--force", path, output, "Q4_K_M")
    try run(0, "pouch-validate", output)
  }

  @Test("an order of heads that llama.cpp does not read is refused, not copied")
  func headOrder() throws {
    var file = try sample("q8_0")
    file.set("qwen35moe.ssm.v_head_reordered", .bool(false))
    let path = try write(file, "order.gguf")
    let report = try SabotageCase.report(try run(3, "pouch-validate", path, "--json"))
    #expect(report.findings.contains { $0.kind == "value-head-order" })
    let refused = try run(3, "pouch-quantize", path, folder.path("x.gguf"), "COPY")
    #expect(refused.errorLines.count == 1 && refused.errors.contains("llama.cpp"), "\(refused.errors)")
    try run(0, "pouch-generate", "-m", path, "-p", "draw", "-n", "2", "--temp", "0")
  }

  @Test("one number for each layer, all equal, is one number; the interval beside a list says nothing")
  func equalLists() throws {
    var file = try sample("q8_0")
    file.set("qwen35moe.attention.head_count_kv", .array(.int32([2, 2, 2, 2])))
    file.set("qwen35moe.full_attention_interval", .uint32(0))
    let path = try write(file, "lists.gguf")
    try run(0, "pouch-validate", path)
    try run(0, "pouch-validate", path, "--against", SampleFile.checkpoint)
    try run(0, "pouch-estimate", path, "-c", "256")
    try run(0, "pouch-generate", "-m", path, "-p", "draw", "-n", "2", "--temp", "0")
    let output = folder.path("q.gguf")
    try run(0, "pouch-quantize", "--allow-requantize", path, output, "Q4_K_M")
    #expect(
      try EditableGGUF(path: output).metadata.contains(
        MetadataEntry("qwen35moe.attention.head_count_kv", .array(.int32([2, 2, 2, 2])))))
  }

  @Test("a key that makes no sense is copied with a word about it")
  func senselessKeys() throws {
    for (key, value) in [
      ("attention.head_count_kv", MetadataValue.array(.int32([2, 2, 2, 2, 2, 2]))),
      ("rope.freq_base", .string("x")),
    ] {
      var file = try sample("q8_0")
      file.set("qwen35moe." + key, value)
      let path = try write(file, "bad.gguf")
      let copy = try run(0, "pouch-quantize", "--force", path, folder.path("x.gguf"), "COPY")
      #expect(
        copy.errors.contains("note: qwen35moe.\(key)") && copy.errors.contains("may refuse"), "\(copy.errors)"
      )
      try run(4, "pouch-quantize", "--strict", "--force", path, folder.path("x.gguf"), "COPY")
    }
  }

  @Test("numbers that differ between layers are refused by all commands")
  func unequalLists() throws {
    var file = try sample("q8_0")
    file.set("qwen35moe.attention.head_count_kv", .array(.int32([2, 2, 2, 1])))
    let path = try write(file, "lists.gguf")
    for name in ["pouch-estimate", "pouch-validate"] { try run(3, name, path) }
    let refused = try run(3, "pouch-generate", "-m", path, "-p", "draw", "-n", "2")
    #expect(refused.errors.contains("[2, 2, 2, 1], an array of 4 i32"), "\(refused.errors)")
    // Types can be chosen all the same; the note becomes an error under --strict.
    let copy = try run(0, "pouch-quantize", path, folder.path("x.gguf"), "COPY")
    #expect(copy.errors.contains("note: qwen35moe.attention.head_count_kv: [2, 2, 2, 1]"), "\(copy.errors)")
    try run(4, "pouch-quantize", "--strict", "--force", path, folder.path("x.gguf"), "COPY")
  }
}
