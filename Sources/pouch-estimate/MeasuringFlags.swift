import FileBytes
import ArgumentParser
import CommandSupport
import MemoryEstimation
import ModelEvaluation

/// Which measuring runs are priced, and on what.
struct MeasuringFlags: ParsableArguments {
  @Flag(
    help: ArgumentHelp(
      "Tell memory, bytes read and bounds of time of measuring runs with Pouch.",
      discussion:
        "Perplexity and importance matrix of the source, KL divergence of each output from it, in the order that the "
        + "commands choose."))
  var measure = false

  @Option(help: ArgumentHelp("Tokens per window (-c of the measuring commands).", valueName: "n"))
  var window = 512

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Windows. Default: as many as 300,000 tokens fill, about the test text of WikiText-2.", valueName: "n"))
  var chunks: Int?

  @Option(
    help: ArgumentHelp(
      "What runs may take (--max-memory of the measuring commands). Default: what --machine, --memory or this machine has.",
      valueName: "size"))
  var measureMemory: ByteSize?

  @Option(help: ArgumentHelp("Speed of the disk for bounds of time, such as 2GB/s.", valueName: "rate"))
  var disk: Rate?

  /// Puts the flags together; `nil` when no runs are asked for.
  func options(machine: Machine?) throws -> MeasuringOptions? {
    guard measure else {
      let flags = [
        ("--chunks", chunks != nil), ("--measure-memory", measureMemory != nil), ("--disk", disk != nil),
        ("--window", window != 512),
      ]
      if let flag = flags.first(where: \.1) {
        throw UsageError(flag.0, expected: "--measure beside it", found: "none")
      }
      return nil
    }
    var options = MeasuringOptions()
    options.windowLength = window
    options.windowCount = chunks
    options.diskBytesPerSecond = disk?.perSecond
    options.limits =
      machine.map { MeasuringPlan.Limits(available: $0.availableForPrograms, total: $0.installedBytes) }
      ?? MeasuringPlan.Limits(
        available: MachineMemory.availableByteCount, total: MachineMemory.totalByteCount)
    options.limits.allowed = measureMemory?.byteCount
    return options
  }
}
