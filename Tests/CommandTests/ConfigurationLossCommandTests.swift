import Foundation
import TestSupport
import Testing

/// What `config.json` says and a GGUF cannot: named, an error under `--strict`, or refused.
@Suite("What a GGUF cannot say")
struct ConfigurationLossCommandTests {
  private func convert(_ changes: [String: Any], _ arguments: String...) throws -> (
    CommandRun, isWritten: Bool
  ) {
    let folder = try TemporaryFolder()
    var checkpoint = TinyCheckpoint()
    checkpoint.config.merge(changes) { $1 }
    let output = folder.path("out.gguf")
    let model = try checkpoint.write(in: folder)
    let run = try CommandRun(
      "pouch-convert", [model, "--outtype", "q8_0", "--outfile", output] + arguments)
    return (run, FileManager.default.fileExists(atPath: output))
  }

  @Test("a window that the file loses is a note, and an error under --strict")
  func window() throws {
    let window: [String: Any] = ["use_sliding_window": true, "sliding_window": 64]
    let (run, isWritten) = try convert(window)
    #expect(run.status == 0 && isWritten)
    #expect(run.errors.contains("note: sliding_window: all layers attend to the last 64 tokens alone"))
    #expect(run.errors.contains("results differ beyond 64 tokens"))
    let (strict, isWrittenStrictly) = try convert(window, "--strict")
    #expect(strict.status == 4 && !isWrittenStrictly)
    #expect(strict.errors.contains("sliding_window"))
    // As long as the context: nothing to say.
    let (wide, _) = try convert(["use_sliding_window": true, "sliding_window": 512], "--strict")
    #expect(wide.status == 0, "\(wide.errors)")
  }

  @Test("what would be wrong from the first token on is refused")
  func refusals() throws {
    let cases: [(changes: [String: Any], words: [String])] = [
      (["hidden_act": "gelu"], ["hidden_act", "gelu", "silu"]),
      (["rope_scaling": ["rope_type": "ntk", "factor": 4]], ["rope_type", "ntk"]),
      (
        [
          "rope_scaling": [
            "rope_type": "longrope", "short_factor": [Double](repeating: 1.5, count: 16),
            "long_factor": [Double](repeating: 2, count: 16), "original_max_position_embeddings": 128,
          ]
        ], ["rope_type", "longrope"]
      ),
    ]
    for (changes, words) in cases {
      let (run, isWritten) = try convert(changes)
      #expect(run.status == 3 && !isWritten, "\(changes)")
      for word in words { #expect(run.errors.contains(word), "\(word) in \(run.errors)") }
    }
  }
}
