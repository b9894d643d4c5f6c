import ArgumentParser
import CommandSupport

@main
struct Command: PouchCommand {
  static let configuration = CommandConfiguration(
    commandName: "pouch-bench",
    abstract: "Measures Pouch's kernels, and how near decoding comes to what memory allows.",
    discussion: """
      Examples:
        pouch-bench quantize --types q4_K,q6_K
        pouch-bench matmul --types q4_K --tokens 1,8,512
        pouch-bench decode -m model-Q4_K_M.gguf

      Exit codes: 0 done, 1 failed while working, 2 wrong usage, 3 input rejected, 130 interrupted.
      """,
    version: pouchVersion,
    subcommands: [QuantizeBenchmark.self, QuantizeRaw.self, MatmulBenchmark.self, DecodeBenchmark.self])
}
