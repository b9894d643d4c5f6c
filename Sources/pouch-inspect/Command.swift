import ArgumentParser
import CheckpointConversion
import CommandSupport
import FileBytes
import Foundation
import HubAccess
import OutputValidation

@main
struct Inspect: PouchCommand {
  static let configuration = CommandConfiguration(
    commandName: "pouch-inspect",
    abstract: "Print the metadata and tensors of a GGUF file or a checkpoint folder.",
    discussion: """
      Reads headers alone; with --diff, every weight of two GGUF files. The first shard of a split GGUF stands for \
      all of them.

      Examples:
        pouch-inspect model-Q4_K_M.gguf --no-tensors
        pouch-inspect old.gguf --diff new.gguf
        pouch-inspect Qwen3.6-35B-A3B --json

      Exit codes: 0 done, 1 failed while working, 2 wrong usage, 3 input rejected, 4 files that differ under --strict.
      """,
    version: pouchVersion)

  @Argument(
    help: ArgumentHelp(
      "A GGUF file, the folder of a checkpoint, or org/name on the Hub.", valueName: "file-or-dir"))
  var source: String

  @Flag(name: .customLong("json"), help: "Print everything as JSON.")
  var json = false

  @Flag(name: .customLong("no-tensors"), help: "Leave the list of tensors out.")
  var noTensors = false

  @Flag(name: .customLong("no-metadata"), help: "Leave the metadata out.")
  var noMetadata = false

  @Flag(name: .customLong("full"), help: "Print arrays and long texts whole, instead of their start.")
  var full = false

  @Option(
    name: .customLong("diff"),
    help: ArgumentHelp(
      "Print how another GGUF differs: metadata, types, values, down to the experts.", valueName: "other.gguf"
    ))
  var other: String?

  @Flag(name: .customLong("strict"), help: "With --diff: exit with 4 when the files differ.")
  var strict = false

  @Option(
    name: [.customShort("t"), .customLong("threads")],
    help: ArgumentHelp("With --diff: threads; default: all cores.", valueName: "n"))
  var threads: Int?

  func validate() throws {
    if let threads, !(1...4096).contains(threads) {
      throw ArgumentParser.ValidationError("--threads needs a number from 1 to 4096")
    }
    if strict, other == nil { throw ArgumentParser.ValidationError("--strict needs --diff") }
  }

  func run() throws {
    if let other { return try compare(with: other) }
    let model = try ModelArgument.open(source, isQuiet: true)
    defer { model.close() }
    var inspection = try ModelInspection(source: model.path, wholeValues: full || json)
    inspection.source = model.title
    if noTensors { inspection.tensors = [] }
    if noMetadata { inspection.metadata = [] }
    if json {
      try JSONSchema.inspection.print(inspection)
    } else {
      InspectionPrinter(inspection: inspection).print()
    }
  }

  private func compare(with other: String) throws {
    for path in [source, other] where FileSystem.kind(of: path) == .folder {
      throw OutputValidation.ValidationError(
        .notComparable,
        Fault(
          file: path, expected: "a GGUF file on both sides of --diff", found: "a folder",
          remedy: "pouch-validate --against compares a GGUF with its checkpoint"))
    }
    let bar = ProgressBar(isEnabled: !json)
    Interrupt.watch()
    let difference: ModelDifference
    do {
      difference = try ModelDifference(
        first: source, second: other, threadCount: threads ?? Processor.threadCount,
        onProgress: { done, total in bar.update(done: done, total: total, alreadyDone: 0) },
        isCancelled: { Interrupt.isRequested })
    } catch {
      bar.clear()
      throw error
    }
    bar.clear()
    if json {
      try JSONSchema.difference.print(difference)
    } else {
      DifferencePrinter(difference: difference).print()
    }
    if strict, !difference.isEmpty {
      throw OutputValidation.ValidationError(
        .different,
        Fault(
          file: other, expected: "the same model as \(source)",
          found: "\(difference.tensors.count) tensors and \(difference.keys.count) keys that differ"))
    }
  }
}
