import FileBytes
import Foundation
import TestSupport
import Testing

@Suite("Recipes and provenance in commands")
struct RecipeTests {
  private static let sample = RepositoryFiles.sample

  private let folder: TemporaryFolder
  private let outputs: TemporaryFolder
  private var out: String { outputs.path("out.gguf") }

  init() throws {
    folder = try TemporaryFolder()
    outputs = try TemporaryFolder()
  }

  private func hash(_ path: String) throws -> UInt64 {
    try Data(contentsOf: URL(fileURLWithPath: path)).withUnsafeBytes { XXHash64.hash($0) }
  }

  private struct Plan: Decodable {
    struct Rule: Decodable {
      var rule: String
      var place: String?
      var type: String?
      var tensors: Int
      var bytes: Int
      var bytesOverBase: Int?
      var fallbacks: [String]
    }
    var mix: String
    var recipe: String?
    var fileBytes: Int
    var tensorBytes: Int
    var rules: [Rule]
    var notices: [String]
  }

  private func plan(_ arguments: [String]) throws -> Plan {
    let run = try CommandRun(
      "pouch-convert", arguments + ["--dry-run", "--json", "-q", "--outfile", outputs.path("planned.gguf")])
    #expect(run.status == 0, "\(run.errors)")
    return try JSONDecoder().decode(Plan.self, from: Data(run.output.utf8))
  }

  private static let mine = """
    # A comment
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

  @Test("a recipe of a stock mix gives the mix's bytes", arguments: ["q4_k_m", "Q3_K_M", "bf16"])
  func stock(name: String) throws {
    let byMix = try CommandRun.convert(
      Self.sample, "--outtype", name, "--outfile", out, "--no-provenance", "-q")
    #expect(byMix.status == 0, "\(byMix.errors)")
    let expected = try hash(out)
    let byRecipe = try CommandRun.convert(
      Self.sample, "--recipe", name, "--outfile", out, "--no-provenance", "-q", "--force")
    #expect(byRecipe.status == 0, "\(byRecipe.errors)")
    #expect(try hash(out) == expected)
  }

  @Test("the dry run prices every rule, and the file has the size that it says, to the byte")
  func exactSize() throws {
    let path = try folder.write("mine.yaml", Array(Self.mine.utf8))
    for recipe in [path, "hybrid-q4_k_m-plus", "q5_k_s"] {
      for flags in [[], ["--no-provenance"]] {
        let plan = try plan([Self.sample, "--recipe", recipe] + flags)
        #expect(plan.rules.reduce(0) { $0 + $1.bytes } == plan.tensorBytes)
        let run = try CommandRun(
          "pouch-convert", [Self.sample, "--recipe", recipe, "--outfile", out, "--force", "-q"] + flags)
        #expect(run.status == 0, "\(run.errors)")
        let size = try FileManager.default.attributesOfItem(atPath: out)[.size] as? Int
        #expect(size == plan.fileBytes)
      }
    }
  }

  @Test("the dry run prints rule by rule what was caught")
  func ruleByRule() throws {
    let path = try folder.write("mine.yaml", Array(Self.mine.utf8))
    let plan = try plan([Self.sample, "--recipe", path])
    #expect(plan.recipe == "mine" && plan.mix == "Q4_K_M")
    #expect(plan.rules.prefix(2).map(\.rule) == ["linear-attention", "ffn_down_exps, layers -1"])
    #expect(plan.rules.prefix(2).map(\.place) == [path + ":6", path + ":9"])
    #expect(plan.rules.prefix(2).map(\.tensors) == [10, 1])
    // Q8_0 for two qkv tensors is the base's choice, too; 266,240 weights go from 4.5 to 8.5 bits.
    #expect(plan.rules[0].bytesOverBase == 266_240 / 2)
    #expect(plan.rules[1].bytesOverBase == -(256 * 256 * 8 * 17 / 16) / 8)
    #expect(plan.notices.isEmpty)
    let text = try CommandRun.convert(Self.sample, "--recipe", path, "--dry-run", "--outfile", out)
    #expect(text.status == 0)
    for part in ["recipe        mine on q4_k_m", path + ":6: it is small", "over base", "all others"] {
      #expect(text.output.contains(part), "no “\(part)” in: \(text.output)")
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: outputs.url.path).isEmpty)
  }

  @Test("fallbacks and rules without effect are named, and refused under --strict")
  func strict() throws {
    let recipe = Self.mine + "\n  - role: router\n    type: q8_0\n    why: to see\n"
    let path = try folder.write("mine.yaml", Array(recipe.utf8))
    let run = try CommandRun.convert(Self.sample, "--recipe", path, "--strict", "--dry-run", "--outfile", out)
    #expect(run.status == 4)
    #expect(run.errors.contains("mine.yaml:13: router: catches only tensors that are never quantized"))
    let expecting = "name: e\ndescription: d\nimatrix: expected\ndefault: q4_K\n"
    let other = try folder.write("e.yaml", Array(expecting.utf8))
    let noted = try CommandRun.convert(Self.sample, "--recipe", other, "--dry-run", "--outfile", out)
    #expect(noted.status == 0 && noted.errors.contains("note: recipe e: expects an importance matrix"))
  }

  @Test("default names come from the recipe; pouch-quantize takes recipes, too")
  func names() throws {
    let path = try folder.write("mine.yaml", Array(Self.mine.utf8))
    let plain = try CommandRun.convert(
      Self.sample, "--outfile", outputs.path("bf16.gguf"), "-q", "--no-provenance")
    #expect(plain.status == 0, "\(plain.errors)")
    let named = try CommandRun.convert(
      Self.sample, "--recipe", path, "--outfile", outputs.path("{ftype}.gguf"), "--no-provenance")
    #expect(named.output == outputs.path("mine.gguf") + "\n")
    let again = try CommandRun.quantize(outputs.path("bf16.gguf"), "--recipe", path, "--no-provenance")
    #expect(again.output.hasSuffix("/ggml-model-mine.gguf\n"), "\(again.errors)")
    #expect(try hash(outputs.path("ggml-model-mine.gguf")) == hash(outputs.path("mine.gguf")))
    let output = try CommandRun.quantize(
      outputs.path("bf16.gguf"), out, "2", "--recipe", path, "--no-provenance", "-q")
    #expect(output.status == 0, "\(output.errors)")
    #expect(try hash(out) == hash(outputs.path("mine.gguf")))
  }

  @Test("wrong usage")
  func usage() throws {
    for arguments in [
      [Self.sample, "--recipe", "q4_k_m", "--outtype", "q8_0", "--outfile", out],
      [Self.sample, "--recipe", "q4_k_m", "--pure", "--outfile", out],
      [Self.sample, "--recipe", "q4km", "--outfile", out],
    ] {
      let run = try CommandRun("pouch-convert", arguments)
      #expect(run.status == 2, "\(run.errors)")
    }
    let unknown = try CommandRun.convert(Self.sample, "--recipe", "hybrid-q4_k_m", "--outfile", out)
    #expect(
      unknown.lastErrorLine.hasSuffix("(did you mean q4_k_m?)") || unknown.lastErrorLine.contains("hybrid"))
    let missing = try CommandRun.convert(Self.sample, "--recipe", "none.yaml", "--outfile", out)
    #expect(missing.status == 3 && missing.errorLines.count == 1)
  }

  /// Bad recipes: the text, the line that the message names (0 for none), a part of the message.
  private static let bad: [(text: String, line: Int, part: String)] = {
    let head = "name: a\ndescription: d\nbase: q4_k_m\nrules:\n"
    func rule(_ text: String) -> String { head + "  - {\(text), why: w}\n" }
    return [
      ("", 0, "an empty file"), ("[", 2, "YAML"), ("- a", 1, "keys and values"),
      ("nme: a", 1, "did you mean name?"),
      ("name: a\nname: b", 1, "keep one of them"), ("name: a", 1, "description"),
      ("name: q4_0\ndescription: d\ndefault: q4_K", 1, "built-in recipe"),
      (
        "name: a\ndescription: d\nbase: q4_km\nrules: [{role: output, type: q8_0, why: w}]", 3,
        "did you mean q4_k_m?"
      ),
      ("name: a\ndescription: d\nbase: ./a.yaml\nrules: [{role: output, type: q8_0, why: w}]", 3, "a circle"),
      (head + "  []\n", 5, "an empty list"), (rule("type: q8_0"), 5, "one of pattern, role and category"),
      (rule("role: output, type: q8_00"), 5, "did you mean q8_0?"),
      (rule("role: outptu, type: q8_0"), 5, "did you mean output?"),
      (rule("role: output, layers: 5..2, type: q8_0"), 5, "starts after its end"),
      (rule("pattern: '(', type: q8_0"), 5, "regular expression"),
      (rule("role: output, typ: q8_0"), 5, "did you mean type?"),
      (rule("role: output, nth: 1, type: q8_0"), 5, "use layers"),
      (rule("role: output, when: {expert: 1}, type: q8_0"), 5, "did you mean experts?"),
      (rule("role: output, when: {experts: x}, type: q8_0"), 5, "a count"),
      (rule("pattern: ffn_dwn, type: q8_0"), 5, "blk.0.ffn_down_exps.weight"),
      (rule("role: feed-forward, type: q8_0"), 5, "leave the rule out"),
      (rule("role: attention, layers: 7, type: q8_0"), 5, "none among 73"),
      (rule("role: &x output, type: q8_0"), 5, "an anchor"),
      (
        "a: &a [x]\n"
          + (0..<9).map { _ in "b: &a [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n" }.joined(), 3,
        "no references to anchors"
      ),
      ("rules: " + String(repeating: "[", count: 9999), 1, "opening brackets"),
      (String(repeating: "# filler filler\n", count: 700_000), 0, "at most 262144 bytes"),
    ]
  }()

  @Test("bad recipes are rejected with line and remedy", arguments: Self.bad.indices)
  func rejected(index: Int) throws {
    let bad = Self.bad[index]
    let path = try folder.write("a.yaml", Array(bad.text.utf8))
    let run = try CommandRun.convert(Self.sample, "--recipe", path, "--outfile", out)
    let place = "Error: " + path + (bad.line > 0 ? ":\(bad.line): " : ": ")
    try Refusal.expect(run, [place, bad.part, "("], outputs: outputs)
  }

  private struct Inspection: Decodable {
    struct Entry: Decodable {
      var key: String
      var value: String
    }
    var provenance: [Entry]
    var metadata: [Entry]
  }

  private func provenance(_ path: String) throws -> [String: String] {
    let run = try CommandRun.inspect("--json", path)
    #expect(run.status == 0, "\(run.errors)")
    let found = try JSONDecoder().decode(Inspection.self, from: Data(run.output.utf8))
    #expect(found.provenance.count == found.metadata.filter { $0.key.hasPrefix("pouch.") }.count)
    return Dictionary(uniqueKeysWithValues: found.provenance.map { ($0.key, $0.value) })
  }

  private func text(_ hash: UInt64) -> String {
    let digits = String(hash, radix: 16)
    return "xxh64:" + String(repeating: "0", count: 16 - digits.count) + digits
  }

  @Test("the output says where it comes from")
  func provenance() throws {
    let path = try folder.write("mine.yaml", Array(Self.mine.utf8))
    let run = try CommandRun.convert(
      Self.sample, "--recipe", path, "--outfile", out, "-q", "--output-tensor-type", "q8_0")
    #expect(run.status == 0, "\(run.errors)")
    let found = try provenance(out)
    #expect(found["pouch.mix"] == "Q4_K_M" && found["pouch.recipe.name"] == "mine")
    #expect(try found["pouch.recipe.hash"] == text(hash(path)))
    #expect(found["pouch.recipe.bases"]?.contains("q4_k_m xxh64:") == true)
    #expect(found["pouch.flags"]?.contains("--output-tensor-type q8_0") == true)
    #expect(found["pouch.source.files"]?.contains("model-00002-of-00002.safetensors") == true)
    #expect(found["pouch.source.bytes"]?.contains("10251784") == true)
    #expect(try found["pouch.config.hash"] == text(hash(Self.sample + "/config.json")))
    #expect(found["pouch.version"] != nil && found["pouch.imatrix.hash"] == nil)
    // Samples by hand: 64 of 4,096 bytes over the first shard.
    let shard = try [UInt8](
      Data(contentsOf: URL(fileURLWithPath: Self.sample + "/model-00001-of-00002.safetensors")))
    let samples = (0..<64).flatMap { index in
      let start = (shard.count - 4096) * index / 63
      return shard[start..<(start + 4096)]
    }
    let sampled = samples.withUnsafeBytes { XXHash64.hash($0) }
    #expect(found["pouch.source.sample_hashes"]?.contains(text(sampled)) == true)
    let printed = try CommandRun.inspect("--no-metadata", "--no-tensors", out)
    #expect(printed.output.contains("provenance\n") && printed.output.contains("recipe.name"))
  }

  @Test("provenance is left out on request, replaced by the next step, and kept by a copy")
  func without() throws {
    let plain = outputs.path("bf16.gguf")
    #expect(try CommandRun.convert(Self.sample, "--outfile", plain, "-q").status == 0)
    #expect(try provenance(plain)["pouch.mix"] == "BF16")
    #expect(try CommandRun.quantize(plain, out, "Q4_K_M", "-q").status == 0)
    let found = try provenance(out)
    #expect(found["pouch.mix"] == "Q4_K_M" && found["pouch.source.files"]?.contains("bf16.gguf") == true)
    #expect(found["pouch.config.hash"] == nil)
    let copy = outputs.path("copy.gguf")
    #expect(try CommandRun.quantize(out, copy, "COPY", "-q").status == 0)
    #expect(try provenance(copy) == found)
    let bare = outputs.path("bare.gguf")
    #expect(try CommandRun.quantize(plain, bare, "Q4_K_M", "-q", "--no-provenance").status == 0)
    #expect(try provenance(bare).isEmpty)
    let direct = outputs.path("direct.gguf")
    #expect(
      try CommandRun.convert(Self.sample, "--outtype", "Q4_K_M", "--outfile", direct, "-q", "--no-provenance")
        .status == 0)
    #expect(try hash(bare) == hash(direct))
  }

  @Test("a copied executable knows its recipes")
  func copied() throws {
    let original = CommandRun.executables.appendingPathComponent("pouch-convert").resolvingSymlinksInPath()
    let elsewhere = folder.url.appendingPathComponent("elsewhere")
    try FileManager.default.createDirectory(at: elsewhere, withIntermediateDirectories: true)
    // The name says which command an installed program is.
    let copy = elsewhere.appendingPathComponent("pouch-convert")
    try FileManager.default.copyItem(at: original, to: copy)
    let process = Process()
    process.executableURL = copy
    process.currentDirectoryURL = folder.url
    process.arguments = [Self.sample, "--recipe", "hybrid-q4_k_m-plus", "--dry-run", "--outfile", out]
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
  }
}
