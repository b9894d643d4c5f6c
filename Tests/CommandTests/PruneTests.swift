import Foundation
import GGUFFormat
import TensorTypes
import TestSupport
import Testing

/// `--prune-layers` on a model whose layers differ.
@Suite("Pruning of hybrid models")
struct PruneTests {
  private static let sample = RepositoryFiles.sample

  private let folder: TemporaryFolder
  private let whole: String

  init() throws {
    folder = try TemporaryFolder()
    whole = folder.path("whole.gguf")
    try CommandRun("pouch-convert", [Self.sample, "--outtype", "bf16", "--outfile", whole]).expect(0)
  }

  @Test(
    "what the file says of its layers follows, the file is sound and runs",
    arguments: [
      ("0", [false, true, false]), ("1", [true, true, false]), ("0,3", [false, true]),
      ("3", [true, false, true]),
    ])
  func pruned(layers: String, recurrent: [Bool]) throws {
    let out = folder.path("pruned.gguf")
    let run = try CommandRun("pouch-quantize", ["--prune-layers", layers, whole, out, "Q8_0"])
    run.expect(0)
    let file = try GGUFFile(path: out)
    #expect(file.value("qwen35moe.block_count")?.integer == recurrent.count)
    #expect(file.value("qwen35moe.attention.recurrent_layers") == .array(.bool(recurrent)))
    // The interval of 2 is still true of the first three layers, and of nothing else here.
    let interval = file.value("qwen35moe.full_attention_interval")?.integer
    #expect(interval == (recurrent == [true, false, true] ? 2 : nil))
    let check = try CommandRun("pouch-validate", [out, "--against", whole])
    check.expect(0)
    #expect(check.output.contains("verdict   exact"), "\(check.output)")
    try CommandRun("pouch-generate", ["-m", out, "-p", "draw", "-n", "3", "--temp", "0"]).expect(0)
  }

  @Test(
    "layers that do not exist, all layers, and all of one kind are refused",
    arguments: ["0,1,2,3", "4", "1,3", "0,2"])
  func refused(layers: String) throws {
    try CommandRun("pouch-quantize", ["--prune-layers", layers, whole, folder.path("x.gguf"), "Q8_0"]).expect(
      3, "--prune-layers")
  }
}
