import Foundation
import GGUFFormat
import TestSupport
import Testing

/// The sample checkpoint as mlx-lm would save it, through the executables.
@Suite struct MLXFolderTests {
  private static let sample = RepositoryFiles.sample

  private func tensors(_ path: String) throws -> [String: [UInt8]] {
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    return try Dictionary(
      uniqueKeysWithValues: GGUFSplitSet(path: path).tensors.map {
        ($0.info.name, Array(bytes[$0.position..<($0.position + $0.info.byteCount)]))
      })
  }

  @Test func convertedValidatedAndRun() throws {
    let parent = try TemporaryFolder()
    var stored = try StoredCheckpoint(folder: Self.sample)
    stored.storeAsMLX()
    let folder = try stored.write(in: parent, name: "mlx")
    let (own, mlx) = (parent.path("own.gguf"), parent.path("mlx.gguf"))
    for (source, target) in [(Self.sample, own), (folder, mlx)] {
      let run = try CommandRun("pouch-convert", [source, "--outtype", "q4_k_m", "--outfile", target])
      #expect(run.status == 0, "\(run.errors)")
      #expect((run.output + run.errors).contains("MLX") == (target == mlx))
    }
    #expect(try tensors(own) == tensors(mlx))
    // Each file fits either folder.
    for (file, source) in [(own, folder), (mlx, folder), (mlx, Self.sample)] {
      let run = try CommandRun("pouch-validate", [file, "--against", source])
      #expect(run.status == 0, "\(run.output)\(run.errors)")
    }
    let strict = try CommandRun("pouch-convert", [folder, "--dry-run", "--strict", "--outtype", "q4_k_m"])
    #expect(strict.status == 4)
    let estimate = try CommandRun("pouch-estimate", [folder])
    #expect(estimate.status == 0, "\(estimate.errors)")
    let text = ["-p", "A", "-n", "8", "--temp", "0"]
    let answers = try [Self.sample, folder].map { try CommandRun("pouch-generate", ["-m", $0] + text) }
    #expect(answers.allSatisfy { $0.status == 0 }, "\(answers[1].errors)")
    #expect(answers[0].output == answers[1].output)
  }

  @Test(
    "a folder that was quantized for MLX is converted, measured and run, with a word on the second rounding")
  func quantized() throws {
    let parent = try TemporaryFolder()
    let folder = parent.path("mlx")
    let made = try CommandRun(
      "pouch-convert",
      [
        Self.sample, "--format", "mlx", "--bits", "4", "--override", "attention=8/32", "--override",
        "output=mxfp4", "--outfile", folder,
      ])
    #expect(made.status == 0, "\(made.errors)")
    let converted = try CommandRun(
      "pouch-convert", [folder, "--outtype", "q8_0", "--outfile", parent.path("q8_0.gguf")])
    #expect(converted.status == 0 && converted.errors.contains("second rounding"), "\(converted.errors)")
    let checked = try CommandRun("pouch-validate", [parent.path("q8_0.gguf"), "--against", folder])
    #expect(checked.status == 0, "\(checked.output)\(checked.errors)")
    let measured = try CommandRun(
      "pouch-perplexity",
      ["--base", Self.sample, "-m", folder, "--corpus", "builtin", "-c", "128", "--chunks", "2", "--json"])
    #expect(measured.status == 0, "\(measured.errors)")
    let text = ["-p", "A", "-n", "4", "--temp", "0"]
    #expect(try CommandRun("pouch-generate", ["-m", folder] + text).status == 0)
  }
}
