import ArgumentParser
import CommandSupport
import FileBytes
import Foundation
import HubAccess
import OutputValidation
import QuantRecipes

@main
struct Validate: PouchCommand {
  static let configuration = CommandConfiguration(
    commandName: "pouch-validate",
    abstract: "Check a GGUF file: structure, metadata, tensors, blocks, mix, source, hashes.",
    discussion: """
      Reads every byte once. With --against, every weight is compared with the source, and the source is quantized \
      again to see whether the same bytes come out; the usual conversion mistakes are recognised and named. The first \
      shard of a split GGUF stands for all of them.

      Examples:
        pouch-validate model-Q4_K_M.gguf
        pouch-validate model-Q4_K_M.gguf --against Qwen3.6-35B-A3B --html a.html
        pouch-validate model-Q4_K_M.gguf --against Qwen/Qwen3.6-35B-A3B --sample 20
        pouch-validate model-Q4_K_M.gguf --write-manifest model.sums

      Exit codes: 0 sound, 1 failed while working, 2 wrong usage, 3 not sound or input rejected, 4 warnings under \
      --strict.
      """,
    version: pouchVersion)

  @Argument(help: ArgumentHelp("The GGUF file, or the first shard of a split one.", valueName: "file.gguf"))
  var file: String

  @Option(
    name: .customLong("against"),
    help: ArgumentHelp(
      "The checkpoint folder, org/name[@revision] on the Hub, or another GGUF, that the file was made from.",
      valueName: "dir|other.gguf"))
  var against: String?

  @Option(
    name: .customLong("sample"),
    help: ArgumentHelp(
      "Compare this many tensors alone with the source, spread over roles and layers.", valueName: "n"))
  var sample: Int?

  @Option(
    name: .customLong("imatrix"),
    help: ArgumentHelp("The importance matrix that the file was made with; for --against.", valueName: "file")
  )
  var imatrix: String?

  @Option(
    name: .customLong("recipe"),
    help: ArgumentHelp(
      "Check the types against a recipe, a built-in name or a YAML file. A file that names a built-in recipe is "
        + "checked against it without this.", valueName: "name|file"))
  var recipe: String?

  @Flag(name: .customLong("no-blocks"), help: "Check headers and padding alone.")
  var noBlocks = false

  @Option(
    name: .customLong("write-manifest"),
    help: ArgumentHelp(
      "Write hashes of every tensor (XXH64 and SHA-256), as llama-gguf-hash prints them.", valueName: "file"))
  var writeManifest: String?

  @Flag(name: .customLong("sha1"), help: "Put SHA-1 into the manifest, too.")
  var sha1 = false

  @Option(
    name: [.customShort("c"), .customLong("check")],
    help: ArgumentHelp("Compare the tensors' hashes with those of a manifest.", valueName: "manifest"))
  var check: String?

  @Option(
    name: .customLong("html"),
    help: ArgumentHelp(
      "Write the report as a page, with a map of errors by layer and expert.", valueName: "file"))
  var html: String?

  @Flag(name: .customLong("json"), help: "Print the report as JSON.")
  var json = false

  @Flag(name: .customLong("force"), help: "Replace an existing page or manifest.")
  var force = false

  @Option(
    name: .customLong("rows"), help: ArgumentHelp("Tensors in the table of --against.", valueName: "n"))
  var rows = 20

  @Option(
    name: [.customShort("t"), .customLong("threads")],
    help: ArgumentHelp("Threads; default: all cores.", valueName: "n"))
  var threads: Int?

  @Flag(name: .customLong("strict"), help: "Treat warnings as errors.")
  var strict = false

  @Flag(name: [.customShort("q"), .customLong("quiet")], help: "Print errors alone.")
  var quiet = false

  func validate() throws {
    if imatrix != nil, against == nil { throw ValidationError("--imatrix needs --against") }
    if sample != nil, against == nil { throw ValidationError("--sample needs --against") }
    if let sample, sample < 1 { throw ValidationError("--sample needs a number of at least 1") }
    if sha1, writeManifest == nil { throw ValidationError("--sha1 needs --write-manifest") }
    if rows < 0 { throw ValidationError("--rows needs a number of at least 0") }
    if let threads, !(1...4096).contains(threads) {
      throw ValidationError("--threads needs a number from 1 to 4096")
    }
  }

  func run() throws {
    for (flag, path) in [("--html", html), ("--write-manifest", writeManifest)] {
      if let path { try OutputPlace.check(path, subject: Wording(flag), replaces: force) }
    }
    let bar = ProgressBar(isEnabled: !quiet && !json)
    var options = ValidationOptions(threadCount: threads ?? Processor.threadCount)
    Interrupt.watch()
    let source = try against.map { try ModelArgument.open($0, isQuiet: quiet) }
    defer { source?.close() }
    options.source = source?.path
    options.sampleCount = sample
    options.importancePath = imatrix
    options.recipe = try recipe.map { try RecipeLibrary.recipe($0) }
    options.scansBlocks = !noBlocks
    options.manifestOutput = writeManifest
    if sha1 { options.manifestHashes = [.xxh64, .sha1, .sha256] }
    options.manifestInput = check
    options.onProgress = { phase, done, total in
      bar.update(phase: "\(phase)", done: done, total: total, alreadyDone: 0)
    }
    options.isCancelled = { Interrupt.isRequested }
    var report: ValidationReport
    do {
      report = try Validator(path: file, options: options).run()
    } catch {
      bar.clear()
      throw error
    }
    bar.clear()
    if let source, source.model != nil { report.against?.source = source.title }
    if let html { try write(HeatMapPage(report, words: \.flag).html, to: html) }
    if json {
      try JSONSchema.validation.print(report)
    } else if !quiet {
      ReportPrinter(report: report, rowLimit: rows).print()
    }
    try report.refuse(strict: strict, isListed: !quiet && !json)
  }

  private func write(_ text: String, to path: String) throws {
    do {
      try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw OutputValidation.ValidationError(
        .cannotWrite, Fault(file: path, expected: "to write the page", found: error.localizedDescription))
    }
  }

  private func ValidationError(_ text: String) -> ArgumentParser.ValidationError {
    ArgumentParser.ValidationError(text)
  }
}
