import ArgumentParser
import CommandSupport
import FileBytes
import ModelCards

@main
struct Command: PouchCommand {
  static let configuration = CommandConfiguration(
    commandName: "pouch-card",
    abstract: "Writes the model card of quantized files, as the Hugging Face Hub shows it.",
    discussion: """
      FILES are GGUF files (of a split one the first shard) and folders for MLX, all of one model. The card is a README.md \
      with front matter: sizes, memory, checksums and origin are read from the files, everything else from --results, the \
      documents that pouch-perplexity --json and pouch-svg-eval --json print (also results.json in its folder). What \
      was not measured is left out; a result of another file is refused. Chart and drawings go into a folder card \
      beside it.

      Licence, language and task are those of the checkpoint's README.md, else of the GGUF's metadata. base_model is named by \
      --base-model, or follows from a checkpoint in the cache of the Hub's clients.

      Examples:
        pouch-perplexity --base dir -m a.gguf -m b.gguf -f text --json > kld.json
        pouch-card a.gguf b.gguf --results kld.json --base-model org/name
        pouch-card a.gguf --checkpoint org/name --dry-run

      Exit codes: 0 done, 1 failed while working, 2 wrong usage, 3 input rejected, 130 interrupted.
      """,
    version: pouchVersion)

  @Argument(help: ArgumentHelp("GGUF files and folders for MLX.", valueName: "files"))
  var files: [String]

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "What pouch-perplexity --json and pouch-svg-eval --json printed.", valueName: "file.json"))
  var results: [String] = []

  @Option(
    help: ArgumentHelp(
      "The checkpoint that was quantized, for licence and language: a folder, or org/name in the Hub's cache.",
      valueName: "path"))
  var checkpoint: String?

  @Option(help: ArgumentHelp("Its name on the Hub.", valueName: "org/name"))
  var baseModel: String?

  @Option(name: [.customShort("o"), .long], help: ArgumentHelp("The card.", valueName: "file"))
  var output = "README.md"

  @Flag(name: [.customShort("f"), .long], help: "Replace an existing card.")
  var force = false

  @Flag(help: "Print the card, and write nothing.")
  var dryRun = false

  @Flag(help: "Print what the card says as JSON.")
  var json = false

  func run() throws {
    Interrupt.watch()
    let request = QuantizedCard.Request(
      files: try files.map { try ModelArgument.path(of: $0) }, results: results,
      checkpoint: try checkpoint.map { try ModelArgument.path(of: $0, needsWeights: false) },
      baseModel: baseModel)
    let notices = dryRun ? [] : try CardFolder.check(output, for: request, replaces: force)
    let bar = ProgressBar(isEnabled: true)
    defer { bar.clear() }
    let card = try QuantizedCard(
      request, onProgress: { bar.update(phase: "SHA-256", done: $0, total: $1, alreadyDone: 0) },
      isCancelled: { Interrupt.isRequested })
    bar.clear()
    for notice in notices + card.notices.map(\.commandText) { Standard.error("note: \(notice)") }
    if json { try JSONSchema.card.print(card) }
    if dryRun {
      if !json { Standard.outputText(try CardFolder.markdown(card)) }
      return
    }
    let written = try CardFolder(card, path: output).write()
    if !json { written.forEach(Standard.output) }
  }
}
