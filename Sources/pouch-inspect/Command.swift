import ArgumentParser
import CheckpointConversion
import CommandSupport
import FileBytes

@main
struct Inspect: PouchCommand {
  static let configuration = CommandConfiguration(
    commandName: "pouch-inspect",
    abstract: "Print the metadata and tensors of a GGUF file or a checkpoint folder.",
    discussion: """
      Reads headers alone. The first shard of a split GGUF stands for all of them.

      Exit codes: 0 done, 1 failed while working, 2 wrong usage, 3 input rejected.
      """,
    version: pouchVersion)

  @Argument(help: ArgumentHelp("A GGUF file or the folder of a checkpoint.", valueName: "file-or-dir"))
  var source: String

  @Flag(name: .customLong("json"), help: "Print everything as JSON.")
  var json = false

  @Flag(name: .customLong("no-tensors"), help: "Leave the list of tensors out.")
  var noTensors = false

  @Flag(name: .customLong("no-metadata"), help: "Leave the metadata out.")
  var noMetadata = false

  @Flag(name: .customLong("full"), help: "Print arrays and long texts whole, instead of their start.")
  var full = false

  func run() throws {
    var inspection = try ModelInspection(source: source, wholeValues: full || json)
    if noTensors { inspection.tensors = [] }
    if noMetadata { inspection.metadata = [] }
    if json {
      Standard.output(try JSONText.encode(inspection))
    } else {
      InspectionPrinter(inspection: inspection).print()
    }
  }
}
