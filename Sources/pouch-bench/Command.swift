import ArgumentParser

@main
struct Command: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pouch-bench",
    abstract: "Measures Pouch's kernels.",
    subcommands: [QuantizeBenchmark.self, QuantizeRaw.self, MatmulBenchmark.self])
}
