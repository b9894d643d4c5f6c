import Foundation
import GGUFFormat
import TensorTypes
import TestSupport
import Testing

/// Recipes and what files say of their origin.
@Suite("pouch-validate: recipes and provenance")
struct ValidateProvenanceTests {
  private let folder: TemporaryFolder
  private var made: String { folder.path("made.gguf") }

  init() throws { folder = try TemporaryFolder() }

  private struct Report: Decodable {
    struct Mix: Decodable {
      var recipe: String?
      var recognised: String?
      var deviations: [Deviation]
    }
    struct Deviation: Decodable { var tensor: String }
    struct Provenance: Decodable {
      struct Recipe: Decodable {
        var name: String
        var status: String
      }
      struct Source: Decodable { var name: String }
      var recipe: Recipe?
      var flags: [String]
      var sources: [Source]
      var describesFile: Bool
    }
    struct Against: Decodable {
      struct Inputs: Decodable { var inputs: [Input] }
      struct Input: Decodable {
        var role: String
        var name: String
        var outcome: String
      }
      var verdict: String
      var inputs: Inputs?
    }
    var findings: [SabotageCase.Report.Finding]
    var mix: Mix?
    var provenance: Provenance?
    var against: Against?

    func outcomes(_ role: String) -> [String] {
      against?.inputs?.inputs.filter { $0.role == role }.map(\.outcome) ?? []
    }
    func finding(_ kind: String) -> SabotageCase.Report.Finding? { findings.first { $0.kind == kind } }
  }

  private func convert(_ arguments: String..., source: String = SampleFile.checkpoint) throws {
    let run = try CommandRun("pouch-convert", [source, "--outfile", made, "-q"] + arguments)
    try #require(run.status == 0, "\(run.errors)")
  }

  private func validate(_ arguments: String..., file: String? = nil, status: Int32 = 0) throws -> Report {
    let run = try CommandRun("pouch-validate", [file ?? made, "--json"] + arguments)
    #expect(!run.wasKilled && run.status == status, "status \(run.status): \(run.errors)\(run.output)")
    return try JSONDecoder().decode(Report.self, from: Data(run.output.utf8))
  }

  private static let mine = """
    name: mine
    description: for tests
    base: q4_k_m
    rules:
      - role: linear-attention
        type: q8_0
        why: it is small
      - pattern: ffn_down_exps
        layers: -1
        type: q5_K
        why: the last layer
    """

  @Test("a built-in recipe is recognised by itself", arguments: ["hybrid-q4_k_m-plus", "q5_k_s"])
  func builtIn(name: String) throws {
    try convert("--recipe", name)
    let report = try validate("--strict", "--against", SampleFile.checkpoint)
    #expect(report.provenance?.recipe?.name == name && report.provenance?.recipe?.status == "built in")
    #expect(report.mix?.recipe == name && report.mix?.deviations.isEmpty == true)
    #expect(report.against?.verdict == "exact" && report.findings.isEmpty, "\(report.findings)")
    #expect(report.outcomes("source") == ["same", "same"] && report.outcomes("config") == ["same"])
    let text = try CommandRun("pouch-validate", [made, "--against", SampleFile.checkpoint, "--rows", "0"])
    for part in [
      "recipe \(name) (built in)", "mix       recipe \(name), every type as it gives",
      "2 of 2 source files as the file names them, config the same",
    ] {
      #expect(text.output.contains(part), "no “\(part)” in: \(text.output)")
    }
  }

  @Test("a tensor of another type than the recipe's is listed, without any flag")
  func builtInDeviation() throws {
    try convert("--recipe", "hybrid-q4_k_m-plus")
    var file = try EditableGGUF(path: made)
    try file.change("blk.1.ffn_up_exps.weight") { tensor in
      let blocks = tensor.shape.reduce(1, *) / 256
      tensor.bytes = [UInt8](repeating: 0x21, count: blocks * TensorType.q3_K.blockByteCount)
      tensor.type = .q3_K
    }
    let path = try folder.write("changed.gguf", try file.encoded())
    let report = try validate("--strict", file: path, status: 4)
    #expect(report.mix?.deviations.map(\.tensor) == ["blk.1.ffn_up_exps.weight"])
    let finding = report.finding("mix-deviation")
    #expect(finding?.expected.contains("recipe hybrid-q4_k_m-plus") == true && finding?.found == "q3_K")
  }

  @Test("an own recipe: said to be unknown, checked when given")
  func own() throws {
    let recipe = try folder.write("mine.yaml", Array(Self.mine.utf8))
    try convert("--recipe", recipe)
    let unknown = try validate("--strict", "--against", SampleFile.checkpoint)
    #expect(unknown.provenance?.recipe?.status == "unknown" && unknown.against?.verdict == "exact")
    let note = unknown.finding("recipe")
    #expect(note?.severity == "note" && note?.found.contains("mine, which is not built in") == true)
    let given = try validate("--strict", "--against", SampleFile.checkpoint, "--recipe", recipe)
    #expect(given.provenance?.recipe?.status == "given" && given.mix?.recipe == "mine")
    #expect(given.against?.verdict == "exact" && given.findings.isEmpty, "\(given.findings)")
    // The same name over another text.
    let changed = try folder.write("mine.yaml", Array((Self.mine + "\n# changed\n").utf8))
    let other = try validate("--recipe", changed)
    #expect(other.provenance?.recipe?.status == "other hash" && other.finding("recipe") != nil)
  }

  @Test("a built-in name with another hash is said to be another text")
  func otherHash() throws {
    try convert("--recipe", "q5_k_s")
    var file = try EditableGGUF(path: made)
    file.set("pouch.recipe.hash", .string("xxh64:0123456789abcdef"))
    let path = try folder.write("other.gguf", try file.encoded())
    let report = try validate("--strict", file: path)
    #expect(report.provenance?.recipe?.status == "other hash" && report.mix?.recipe == nil)
    #expect(report.finding("recipe")?.found.contains("another text than the built-in recipe q5_k_s") == true)
  }

  @Test("a file of a stock mix checked against a recipe: each deviation, and the verdict says so")
  func deviations() throws {
    try convert("--outtype", "Q4_K_M")
    let report = try validate(
      "--recipe", "hybrid-q4_k_m-plus", "--against", SampleFile.checkpoint, "--strict", status: 4)
    let planned = try #require(report.mix?.deviations)
    #expect(!planned.isEmpty)
    let finding = report.finding("mix-deviation")
    #expect(finding?.severity == "warning" && finding?.expected.contains("hybrid-q4_k_m-plus") == true)
    #expect(report.against?.verdict == "exact, in other types than the recipe's")
    let stock = try validate("--recipe", "Q4_K_M", "--against", SampleFile.checkpoint, "--strict")
    #expect(stock.against?.verdict == "exact" && stock.mix?.deviations.isEmpty == true)
    // Another stock mix: its number differs, too.
    let other = try validate("--recipe", "q6_k", "--strict", status: 4)
    #expect(other.finding("file-type")?.found.contains("Q4_K_M") == true)
  }

  @Test("flags in the provenance raise no alarm")
  func flags() throws {
    try convert(
      "--outtype", "Q4_K_M", "--tensor-type", "ffn_down_exps=q8_0", "--token-embedding-type", "q6_K",
      "--override-kv", "qwen35moe.expert_used_count=int:3")
    let report = try validate("--strict", "--against", SampleFile.checkpoint)
    #expect(report.provenance?.flags.contains("--tensor-type ffn_down_exps=q8_0") == true)
    #expect(report.against?.verdict == "exact" && report.mix?.deviations.isEmpty == true)
    #expect(report.finding("source-metadata")?.severity == "note", "\(report.findings)")
    // The same file without its provenance is not explained.
    var file = try EditableGGUF(path: made)
    file.metadata.removeAll { $0.key.hasPrefix("pouch.") }
    let bare = try validate(file: try folder.write("bare.gguf", try file.encoded()))
    #expect(bare.provenance == nil && bare.finding("mix-deviation") != nil)
  }

  @Test("the input that differs is named: config, weights, a file too many")
  func inputs() throws {
    var tiny = TinyCheckpoint(seed: 1)
    let source = try tiny.write(in: folder)
    try convert("--outtype", "Q8_0", source: source)
    let good = try validate("--against", source, "--strict")
    #expect(good.outcomes("source").allSatisfy { $0 == "same" } && good.outcomes("source").count > 1)
    let config = source + "/config.json"
    let text = try String(contentsOfFile: config, encoding: .utf8)
    try (text + "\n").write(toFile: config, atomically: true, encoding: .utf8)
    let spaced = try validate("--against", source, "--strict", status: 4)
    #expect(spaced.findings.map(\.subject) == ["config.json"] && spaced.against?.verdict == "exact")
    #expect(spaced.outcomes("config") == ["differs"])
    tiny = TinyCheckpoint(seed: 1)
    let key = try #require(tiny.shards[1].keys.sorted().first { $0.hasSuffix("q_proj.weight") })
    tiny.shards[1][key]?.bytes[1] ^= 0x80
    let other = try tiny.write(in: folder, name: "other")
    let changed = try validate("--against", other, status: 3)
    #expect(changed.outcomes("source").count { $0 == "differs" } == 1)
    let finding = changed.finding("source-file")
    #expect(finding?.severity == "warning" && finding?.found == "other bytes in its samples")
    #expect(finding?.subject.hasSuffix(".safetensors") == true)
  }

  @Test("a quantized GGUF names its 16-bit source; a checkpoint is not held against it")
  func quantized() throws {
    try convert("--outtype", "bf16")
    let path = folder.path("q.gguf")
    let run = try CommandRun.quantize(made, path, "Q4_K_M", "-q")
    try #require(run.status == 0, "\(run.errors)")
    let direct = try validate("--against", made, "--strict", file: path)
    #expect(direct.against?.verdict == "exact" && direct.outcomes("source") == ["same"])
    #expect(direct.findings.isEmpty, "\(direct.findings)")
    let far = try validate("--against", SampleFile.checkpoint, "--strict", file: path)
    #expect(far.against?.verdict == "exact" && far.outcomes("source") == ["not compared"])
    // Renamed, it is known by its hashes; of another name and content, it is missing.
    let renamed = folder.path("renamed.gguf")
    try FileManager.default.moveItem(atPath: made, toPath: renamed)
    let moved = try validate("--against", renamed, "--strict", file: path)
    #expect(moved.outcomes("source") == ["same"])
    var file = try EditableGGUF(path: renamed)
    file.set("general.name", .string("another"))
    let other = try folder.write("another.gguf", try file.encoded())
    let missing = try validate("--against", other, "--strict", file: path, status: 4)
    #expect(missing.outcomes("source") == ["missing", "extra"] && missing.against?.verdict == "exact")
  }

  @Test("importance data by another name and hash is named; blind experts as the file says")
  func importance() throws {
    func matrix(_ name: String, _ value: Float) throws -> String {
      var file = try SampleFile.q4KM.get()
      let tensors = file.tensors.filter { $0.type.isQuantized && $0.name.hasPrefix("blk.") }
      file.metadata = [
        MetadataEntry("general.type", .string("imatrix")),
        MetadataEntry("imatrix.datasets", .array(.string(["text"]))),
        MetadataEntry("imatrix.chunk_count", .uint32(3)), MetadataEntry("imatrix.chunk_size", .uint32(512)),
      ]
      func floats(_ values: [Float]) -> [UInt8] {
        values.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian) { Array($0) } }
      }
      file.tensors = tensors.flatMap { tensor -> [EditableGGUF.Tensor] in
        let (width, experts) = (tensor.shape[0], tensor.shape.count > 2 ? tensor.shape[2] : 1)
        // The last expert of each stack saw no tokens.
        let counts = (0..<experts).map { Float($0 > 0 && $0 == experts - 1 ? 0 : 100) }
        let sums = (0..<width * experts).map { counts[$0 / width] * (value + Float($0 % 7)) }
        return [
          .init(name: tensor.name + ".counts", type: .f32, shape: [1, experts], bytes: floats(counts)),
          .init(name: tensor.name + ".in_sum2", type: .f32, shape: [width, experts], bytes: floats(sums)),
        ]
      }
      return try folder.write(name, try file.encoded())
    }
    let data = try matrix("one.gguf", 0.5)
    for policy in ["ones", "layer-mean"] {
      try convert("--outtype", "Q4_K_M", "--imatrix", data, "--blind-experts", policy, "--force")
      let with = try validate("--against", SampleFile.checkpoint, "--imatrix", data, "--strict")
      #expect(with.against?.verdict == "exact" && with.outcomes("imatrix") == ["same"], "\(policy)")
    }
    let other = try validate(
      "--against", SampleFile.checkpoint, "--imatrix", try matrix("two.gguf", 900), "--strict", status: 4)
    #expect(other.outcomes("imatrix") == ["differs"])
    let finding = other.findings.first { $0.kind == "source-file" }
    #expect(finding?.subject == "two.gguf" && finding?.expected.contains("one.gguf") == true)
  }

  @Test("provenance of wrong types, of unequal lengths and with control characters")
  func malformed() throws {
    var file = try SampleFile.q4KM.get()
    file.set("pouch.source.header_hashes", .array(.string([])))
    file.set("pouch.source.bytes", .string("many"))
    file.set("pouch.recipe.name", .string("../mine\u{1B}[2J.yaml"))
    file.set("pouch.recipe.bases", .uint32(7))
    let path = try folder.write("bad.gguf", try file.encoded())
    let report = try validate("--against", SampleFile.checkpoint, file: path)
    #expect(report.provenance?.sources.isEmpty == true && report.provenance?.recipe?.status == "unknown")
    #expect(
      Set(report.findings.filter { $0.severity == "warning" }.map(\.subject))
        == ["pouch.source.bytes", "pouch.source.files", "pouch.recipe.bases"])
    let text = try CommandRun("pouch-validate", [path])
    #expect(text.status == 0 && !text.output.contains("\u{1B}"))
  }

  @Test("a file that another tool quantized later keeps keys that are not about it")
  func later() throws {
    var file = try SampleFile.q4KM.get()
    file.set("pouch.mix", .string("BF16"))
    file.set("pouch.recipe.name", .string("bf16"))
    let report = try validate("--strict", file: try folder.write("later.gguf", try file.encoded()))
    #expect(report.provenance?.describesFile == false && report.mix?.recognised == "Q4_K_M")
    #expect(report.findings.isEmpty, "\(report.findings)")
  }

  @Test("a recipe that does not exist, and one that is not one")
  func refused() throws {
    let good = try folder.write("good.gguf", try SampleFile.q4KM.get().encoded())
    let unknown = try CommandRun("pouch-validate", [good, "--recipe", "q4_k_n"])
    #expect(
      unknown.status == 2 && unknown.lastErrorLine.contains("did you mean q4_k_m?"), "\(unknown.errors)")
    let text = try folder.write("bad.yaml", Array("name: [".utf8))
    let bad = try CommandRun("pouch-validate", [good, "--recipe", text])
    #expect(bad.status == 3 && bad.lastErrorLine.contains("bad.yaml"), "\(bad.errors)")
    let missing = try CommandRun("pouch-validate", [good, "--recipe", folder.path("none.yaml")])
    #expect(missing.status != 0 && missing.lastErrorLine.contains("none.yaml"), "\(missing.errors)")
  }
}
