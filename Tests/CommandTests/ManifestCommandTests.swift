import FileBytes
import Foundation
import TensorTypes
import TestSupport
import Testing

/// Manifests and pages, and what goes wrong with files around them.
@Suite("pouch-validate: manifests, pages, usage")
struct ManifestCommandTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func good() throws -> String { try folder.write("model.gguf", try SampleFile.q4KM.get().encoded()) }
  private func validate(_ arguments: String...) throws -> CommandRun {
    try CommandRun("pouch-validate", arguments)
  }

  @Test("a manifest is written in llama-gguf-hash's lines and checks")
  func roundTrip() throws {
    let path = try good()
    let manifest = folder.path("model.manifest")
    #expect(try validate(path, "--write-manifest", manifest, "--sha1", "-q").status == 0)
    let text = try String(contentsOfFile: manifest, encoding: .utf8)
    let file = try SampleFile.q4KM.get()
    let tensor = file.tensors[try file.index("blk.1.attn_q_norm.weight")]
    let xxh64 = tensor.bytes.withUnsafeBytes { String(XXHash64.hash($0), radix: 16) }
    let digits = String(repeating: "0", count: 16 - xxh64.count) + xxh64
    #expect(text.contains("xxh64     \(digits)  model.gguf:blk.1.attn_q_norm.weight\n"))
    #expect(
      text.contains(
        "sha256    \(SHA256.hexadecimalDigest(tensor.bytes))  model.gguf:blk.1.attn_q_norm.weight\n"))
    let all = SHA256.hexadecimalDigest(file.tensors.flatMap(\.bytes))
    #expect(text.contains("sha256    \(all)  model.gguf\n"))
    #expect(text.split(separator: "\n").count == 3 * (file.tensors.count + 1))
    let check = try validate(path, "--check", manifest, "--strict")
    #expect(check.status == 0, "\(check.errors)")
    #expect(check.output.contains("\(3 * (file.tensors.count + 1)) hashes match"))
  }

  @Test("a changed byte is named by the manifest")
  func mismatch() throws {
    let path = try good()
    let manifest = folder.path("model.manifest")
    #expect(try validate(path, "--write-manifest", manifest, "-q").status == 0)
    var file = try SampleFile.q4KM.get()
    try file.change("blk.2.attn_qkv.weight") { $0.bytes[5000] ^= 1 }
    try file.change("output.weight") { $0.name = "outpxt.weight" }
    _ = try folder.write("model.gguf", try file.encoded())
    let run = try validate(path, "-c", manifest, "--json")
    #expect(run.status == 3)
    let findings = try SabotageCase.report(run).findings
    #expect(findings.contains { $0.kind == "hash-mismatch" && $0.subject == "blk.2.attn_qkv.weight" })
    #expect(findings.contains { $0.kind == "hash-missing" && $0.subject == "output.weight" })
    #expect(
      findings.filter { $0.kind == "hash-mismatch" && $0.place.isEmpty }.allSatisfy {
        $0.subject == "blk.2.attn_qkv.weight"
      })
  }

  @Test("manifests that cannot be used")
  func badManifests() throws {
    let path = try good()
    let empty = try folder.write("empty.manifest", [])
    let foreign = try folder.write(
      "foreign.manifest", Array("xxh64     f66e9cd66a4396a0  other.gguf:x\n".utf8))
    for (manifest, word) in [
      (empty, "none"), (foreign, "other.gguf"), (folder.path("none"), "readable file"),
    ] {
      let run = try validate(path, "--check", manifest)
      #expect(run.status == 3 && run.errorLines.count == 1, "\(run.errors)")
      #expect(run.lastErrorLine.contains(word) && run.lastErrorLine.contains(FileSystem.name(of: manifest)))
    }
  }

  @Test("the page stands alone and shows every expert")
  func page() throws {
    let path = try good()
    let page = folder.path("report.html")
    let run = try validate(path, "--against", SampleFile.checkpoint, "--html", page, "-q")
    #expect(run.status == 0 && run.output.isEmpty && run.errors.isEmpty)
    let text = try String(contentsOfFile: page, encoding: .utf8)
    for forbidden in ["<script", "http://", "https://", "url(", "@import", "src="] {
      #expect(!text.contains(forbidden))
    }
    for wanted in [
      "prefers-color-scheme: dark", "@media print", "ffn_down_exps.weight", "ffn_gate_exps.weight",
    ] {
      #expect(text.contains(wanted), "\(wanted)")
    }
    // Four layers of eight experts, three maps.
    let cells = text.components(separatedBy: "z").count
    #expect(cells > 96)
  }

  @Test("usage and input errors")
  func usage() throws {
    #expect(try validate().status == 2)
    #expect(try validate("x.gguf", "--imatrix", "y").status == 2)
    #expect(try validate("x.gguf", "--sha1").status == 2)
    #expect(try validate("x.gguf", "--threads", "0").status == 2)
    #expect(try validate("x.gguf", "--no-such-flag").status == 2)
    #expect(try validate("--help").status == 0)
    let missing = try validate(folder.path("x.gguf"))
    #expect(missing.status == 3 && missing.lastErrorLine.contains("x.gguf") && missing.output.isEmpty)
    let path = try good()
    let noSource = try validate(path, "--against", folder.path("nothing"))
    #expect(noSource.status == 3 && noSource.lastErrorLine.contains("nothing"), "\(noSource.errors)")
    let page = try validate(path, "--html", folder.path("no/such/folder.html"))
    #expect(page.status == 3 && page.lastErrorLine.contains("folder.html"), "\(page.errors)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == ["model.gguf"])
  }

  @Test("text output: worst first, a result line, a location in the error")
  func text() throws {
    var file = try SampleFile.q4KM.get()
    try file.reorderExperts("blk.1.ffn_down_exps.weight", [1, 0, 2, 3, 4, 5, 6, 7])
    let path = try folder.write("bad.gguf", try file.encoded())
    let run = try validate(path, "--against", SampleFile.checkpoint, "--rows", "2")
    #expect(run.status == 3)
    let lines = run.output.split(separator: "\n")
    let table = try #require(lines.firstIndex { $0.hasPrefix("tensor, worst first") })
    #expect(lines[table + 1].hasPrefix("blk.1.ffn_down_exps.weight"))
    #expect(lines.last == "result    not sound: 1 error")
    #expect(run.lastErrorLine.contains("bad.gguf: blk.1.ffn_down_exps.weight, experts 0, 1"), "\(run.errors)")
  }
}
