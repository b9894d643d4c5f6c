import Foundation
import TestSupport
import Testing

/// `pouch-convert --format mlx` through the executable.
@Suite("Folders for MLX")
struct MLXCommandTests {
  private let folder: TemporaryFolder
  private let model: String

  init() throws {
    folder = try TemporaryFolder()
    model = try TinyCheckpoint(expertWidth: 96).write(in: folder)
  }

  private func convert(_ arguments: String...) throws -> CommandRun {
    try CommandRun("pouch-convert", [model, "--outfile", folder.path("out")] + arguments)
  }

  private func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.url.path).sorted()
  }

  @Test("flags that make no sense together are wrong usage")
  func usage() throws {
    try convert("--bits", "4").expect(2, "--bits needs --format mlx")
    try convert("--format", "mlx", "--bits", "7").expect(2, "2, 3, 4, 5, 6 or 8 bits", "7 bits")
    try convert("--format", "mlx", "--group-size", "64").expect(2, "--group-size needs --bits or --mode")
    try convert("--format", "mlx", "--mode", "mxfp4", "--group-size", "64").expect(2, "groups of 32")
    try convert("--format", "mlx", "--mode", "mxfp8").expect(2, "mxfp8")
    try convert("--format", "mlx", "--bits", "4", "--override", "attention").expect(2, "role=bits")
    try convert("--format", "mlx", "--bits", "4", "--override", "atention=8").expect(2, "no role atention")
    try convert("--format", "mlx", "--bits", "4", "--override", "attention=9").expect(2, "9 bits")
    try convert("--format", "mlx", "--bits", "4", "--outtype", "q4_k_m").expect(2, "q4_k_m", "--bits")
    try convert("--format", "mlx", "--bits", "4", "--recipe", "q4_k_m", "--pure").expect(
      2, "--recipe, --pure")
    try convert("--format", "mlx", "--bits", "4", "--part", "1/2").expect(2, "--part")
    try convert("--format", "mlx", "--bits", "4", "--override", "linear-attention=8").expect(
      2, "linear-attention")
    try convert("--format", "onnx").expect(2, "onnx")
    #expect(try names() == ["tiny-model"])
  }

  @Test("a dry run prints the plan and writes nothing; --strict refuses what keeps its type")
  func plan() throws {
    let plan = try convert("--format", "mlx", "--bits", "4", "--dry-run")
    #expect(plan.status == 0, "\(plan.errors)")
    #expect(plan.output.contains("format        4bit") && plan.output.contains("affine8/64"))
    #expect(plan.errors.contains("rows of 96 hold no whole groups of 64"))
    let json = try convert("--format", "mlx", "--bits", "4", "--dry-run", "--json").json()
    #expect(json["mix"] as? String == "4bit")
    try convert("--format", "mlx", "--bits", "4", "--strict").expect(4, "rows of 96")
    #expect(try names() == ["tiny-model"])
  }

  @Test("the folder is printed, and kept unless it is to be replaced")
  func writing() throws {
    let first = try convert("--format", "mlx", "--bits", "4", "--group-size", "32")
    #expect(first.status == 0, "\(first.errors)")
    #expect(first.output == folder.path("out") + "\n")
    #expect(first.errors.contains("4bit-g32"))
    try convert("--format", "mlx", "--bits", "4", "--group-size", "32").expect(3, "--force")
    let second = try convert("--format", "mlx", "--mode", "nvfp4", "--force", "--json").json()
    #expect(second["files"] as? [String] == [folder.path("out")])
    #expect(try names() == ["out", "tiny-model"])
    let besides = try CommandRun("pouch-convert", [model, "--format", "mlx", "--outtype", "f16"])
    #expect(besides.status == 0 && besides.output == folder.path("tiny-model-mlx-f16") + "\n")
  }

  @Test("pouch-inspect counts weights, not words", arguments: ["4", "6", "mxfp4"])
  func inspection(bits: String) throws {
    func parameters(_ path: String) throws -> Int? {
      try CommandRun("pouch-inspect", [path, "--json", "--no-tensors"]).json()["parameters"] as? Int
    }
    let mode = bits == "mxfp4" ? ["--mode", bits] : ["--bits", bits, "--group-size", "32"]
    let run = try CommandRun(
      "pouch-convert", [model, "--outfile", folder.path("packed"), "--format", "mlx"] + mode)
    #expect(run.status == 0, "\(run.errors)")
    let count = try parameters(model)
    #expect(try count != nil && parameters(folder.path("packed")) == count)
  }
}
