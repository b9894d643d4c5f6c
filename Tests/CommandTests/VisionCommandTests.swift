import Foundation
import GGUFFormat
import TensorTypes
import TestSupport
import Testing

/// `pouch-convert --mmproj` and what the other commands do with such files.
@Suite("Vision towers")
struct VisionCommandTests {
  private let folder: TemporaryFolder
  private let model: String

  init() throws {
    folder = try TemporaryFolder()
    // The file's name is that of the folder.
    model = folder.path("Qwen-Tower")
    let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("CheckpointConversionTests/Golden/qwen3_5-tower")
    try FileManager.default.copyItem(atPath: golden.path, toPath: model)
  }

  private func convert(_ arguments: String...) throws -> CommandRun {
    try CommandRun("pouch-convert", [model, "--mmproj"] + arguments)
  }

  private func names() throws -> Set<String> {
    Set(try FileManager.default.contentsOfDirectory(atPath: model).filter { $0.hasPrefix("mmproj") })
  }

  @Test("flags of the language model are wrong usage")
  func usage() throws {
    try convert("--recipe", "q4_k_m", "--mtp").expect(2, "--mtp, --recipe: not with --mmproj")
    try convert("--imatrix", "x", "--split-max-size", "1M").expect(2, "--split-max-size, --imatrix")
    try convert("--modelfile").expect(2, "--modelfile: not with --mmproj")
    try convert("--format", "mlx", "--bits", "4").expect(2, "--mmproj: not with --format mlx")
    try convert("--outtype", "q4_k_m").expect(2, "q8_0 with --mmproj", "Q4_K_M")
    #expect(try names().isEmpty)
  }

  @Test("a dry run writes nothing; a run names the file as llama.cpp's converter does")
  func run() throws {
    let plan = try convert("--dry-run", "--outtype", "q8_0", "--json").json()
    #expect(plan["architecture"] as? String == "clip" && plan["tensorCount"] as? Int ?? 34 == 34)
    #expect(try names().isEmpty)
    let result = try convert("--outtype", "q8_0,f16")
    result.expect(0)
    #expect(result.errors.contains("no part of the vision tower"))
    #expect(try names() == ["mmproj-Qwen-Tower-Q8_0.gguf", "mmproj-Qwen-Tower-F16.gguf"])
    try convert("--outtype", "f16").expect(3, "mmproj-Qwen-Tower-F16.gguf", "exists")
    // The language model of the golden has no tokenizer; that of the tower needs none.
    let text = try CommandRun("pouch-convert", [model, "--dry-run"])
    #expect(text.status == 3 && text.errors.contains("tokenizer"))
  }

  @Test("pouch-inspect and pouch-validate know the file")
  func reading() throws {
    try convert("--outtype", "q8_0").expect(0)
    let file = model + "/mmproj-Qwen-Tower-Q8_0.gguf"
    let inspection = try CommandRun("pouch-inspect", [file])
    #expect(inspection.status == 0 && inspection.output.contains("vision"))
    let text = try folder.write("text.txt", Array("a b c".utf8))
    for (command, arguments) in [
      ("pouch-estimate", [file]), ("pouch-generate", ["-m", file, "-p", "a"]),
      ("pouch-perplexity", ["-m", file, "-f", text]),
    ] {
      try CommandRun(command, arguments).expect(
        3, "a vision tower (mmproj)", "give the file of the language model")
    }
    let sound = try CommandRun("pouch-validate", [file, "--against", model])
    #expect(sound.status == 0 && sound.output.contains("exact: 34 of 34"), "\(sound.output)")

    func findings(_ change: (inout EditableGGUF) throws -> Void) throws -> CommandRun {
      var edited = try EditableGGUF(path: file)
      try change(&edited)
      return try CommandRun("pouch-validate", [try folder.write("edited.gguf", try edited.encoded())])
    }
    func expect(_ part: String, _ change: (inout EditableGGUF) throws -> Void) throws {
      let run = try findings(change)
      #expect(
        run.status != 0 && (run.output + run.errors).contains(part), "\(part): \(run.output) \(run.errors)")
    }
    try expect("v.blk.1.ln2.bias") { $0.tensors.remove(at: try $0.index("v.blk.1.ln2.bias")) }
    try expect("v.blk.9.ln2.bias") { try $0.change("v.blk.1.ln2.bias") { $0.name = "v.blk.9.ln2.bias" } }
    try expect("v.post_ln.weight") { try $0.change("v.post_ln.weight") { $0.shape = [4, 8] } }
    try expect("clip.vision.block_count") { $0.set("clip.vision.block_count", .string("2")) }
    try expect("clip.vision.image_std") { $0.set("clip.vision.image_std", .array(.float32([1, 1]))) }
    try expect("clip.vision.is_deepstack_layers") {
      $0.set("clip.vision.is_deepstack_layers", .array(.bool([false, false, false])))
    }
    try expect("v.deepstack.1") { $0.set("clip.vision.is_deepstack_layers", .array(.bool([false, true]))) }
    let other = try findings { $0.set("clip.projector_type", .string("ldp")) }
    #expect(other.status == 0 && other.output.contains("other towers are not checked"), "\(other.output)")
  }

  @Test("a Modelfile lies beside the output and is replaced by force alone")
  func modelfile() throws {
    let sample = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("samples/Pelican-10M-A5M").path
    func run(_ arguments: String...) throws -> CommandRun {
      try CommandRun(
        "pouch-convert", [sample, "--outtype", "q8_0", "--outfile", folder.path("a b.gguf")] + arguments)
    }
    let path = folder.path("a b.Modelfile")
    try run("--num-ctx", "10").expect(2, "--num-ctx needs --modelfile")
    try run("--modelfile", "--num-ctx", "0").expect(2, "at least 1")
    try run("--modelfile", "--dry-run").expect(0)
    #expect(!FileManager.default.fileExists(atPath: path))
    try Data("mine".utf8).write(to: URL(fileURLWithPath: path))
    try run("--modelfile").expect(3, "a b.Modelfile", "another one", "--force")
    #expect(!FileManager.default.fileExists(atPath: folder.path("a b.gguf")))
    let made = try run("--modelfile", "--num-ctx", "512", "--force")
    made.expect(0)
    #expect(made.errors.contains("ollama create"))
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(text.hasPrefix("FROM ./a b.gguf\n") && text.contains("PARAMETER num_ctx 512\n"))
    try CommandRun(
      "pouch-quantize", [folder.path("a b.gguf"), folder.path("q.gguf"), "COPY", "--modelfile"]
    ).expect(0)
    let copied = try String(contentsOfFile: folder.path("q.Modelfile"), encoding: .utf8)
    #expect(
      copied.split(separator: "\n").dropFirst().filter { !$0.contains("stop") }
        == text.split(separator: "\n").dropFirst().filter { !$0.contains("num_ctx") && !$0.contains("stop") })
  }
}
