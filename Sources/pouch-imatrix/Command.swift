import ArgumentParser
import CommandSupport
import FileBytes
import HubAccess
import ImportanceData
import ModelEvaluation
import ReferenceRuntime
import TensorCompute
import TextTokenizers

@main
struct Command: PouchCommand {
  static let configuration = CommandConfiguration(
    commandName: "pouch-imatrix",
    abstract: "Collects an importance matrix: squared activations at the inputs of weight matrices.",
    discussion: """
      Flags, procedure and files are llama-imatrix's. After the run, a report says which experts of each layer the \
      text did not reach (blind) or hardly reached (thin). An interrupted run leaves its data in the output; the same \
      command with --resume goes on from there, and ends with the bytes of a run in one piece. Models that are larger \
      than memory are read once for each group of windows; data is saved after each group.

      Several machines can share the windows of a text: each reads a --part and keeps the sums of every window, as many \
      bytes for each as the output has, and --join adds them in order.

      Examples:
        pouch-imatrix -m checkpoint -f calibration.txt -o imatrix.gguf
        pouch-imatrix --in-file a.gguf --in-file b.dat -o both.gguf
        pouch-imatrix --in-file imatrix.gguf --show-statistics

      Exit codes: 0 done, 1 failed while working, 2 wrong usage, 3 input rejected, 4 experts with too few tokens, \
      130 interrupted.
      """,
    version: pouchVersion)

  @Option(
    name: [.customShort("m"), .long],
    help:
      "A GGUF file, the first shard of one, a checkpoint folder, or org/name[@revision] on the Hugging Face Hub."
  )
  var model: String?

  @Option(name: [.customShort("f"), .customLong("file")], help: "The text.")
  var text: String?

  @Option(
    name: [.customShort("o"), .customLong("output-file"), .customLong("output")], help: "Where data goes.")
  var output = "imatrix.gguf"

  @Option(help: "gguf, or dat, which loses the counts per expert.")
  var outputFormat = OutputFormatFlag.gguf

  @Option(name: [.customShort("c"), .customLong("ctx-size")], help: "Tokens per window.")
  var contextSize = 512

  @Option(help: "The most windows; -1 for all.")
  var chunks = -1

  @Option(name: [.customLong("chunk"), .customLong("from-chunk")], help: "Windows left out at the start.")
  var fromChunk = 0

  @Option(
    help:
      "Add the data of this file, GGUF or .dat; repeatable. Without -f, files are merged and no model is run."
  )
  var inFile: [String] = []

  @Option(
    name: [.customLong("output-frequency"), .customLong("ofreq", withSingleDash: true)],
    help: "Save every so many windows.")
  var outputFrequency = 10

  @Option(help: "Keep a copy, with the number of windows in its name, every so many windows; 0 never.")
  var saveFrequency = 0

  @Flag(help: "Collect output.weight too.")
  var processOutput = false

  @Flag(help: "Recognize control tokens written out in the text.")
  var parseSpecial = false

  @Flag(name: .customLong("no-ppl"), help: "Do not measure perplexity along the way.")
  var noPerplexity = false

  @Flag(help: "Print llama-imatrix's statistics of the one file given by --in-file, and end.")
  var showStatistics = false

  @Flag(help: "Go on from the data in the output file.")
  var resume = false

  @Option(
    help: ArgumentHelp(
      "Read the i-th of n parts of the windows, as one of n commands on one or more machines, and keep their sums in the "
        + "file of --state and beside it; --join makes the output.",
      valueName: "i/n"))
  var part: String?

  @Option(
    help: ArgumentHelp(
      "Where a part keeps the sums of each window; after an interruption the same command goes on from there.",
      valueName: "file"))
  var state: String?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Make the output of the states of all parts; it is that of one run, byte for byte.", valueName: "states"
    ))
  var join: [String] = []

  @Flag(help: "Replace an existing output.")
  var force = false

  @Option(help: "Experts with fewer tokens are thin in the report.")
  var thinBelow = 32

  @Option(help: "Fail with exit code 4, after writing the data, when an expert saw fewer tokens.")
  var minExpertTokens: Int?

  @Option(help: "exact: f32 activations; fast: 8-bit activations, as deployed engines compute.")
  var mode = ComputeModeFlag.exact

  @Option(name: [.customShort("t"), .long], help: "Threads; all cores by default.")
  var threads: Int?

  @Option(name: [.customShort("b"), .long], help: "The most tokens computed together.")
  var batchSize = 512

  @OptionGroup var hub: HubFlags

  @OptionGroup var measuring: MeasuringArguments

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    if let threads, threads < 1 { throw ValidationError("--threads must be at least 1") }
    if batchSize < 1 { throw ValidationError("--batch-size must be at least 1") }
    if contextSize < 4 { throw ValidationError("--ctx-size must be at least 4") }
    if chunks == 0 || chunks < -1 { throw ValidationError("--chunks must be -1 or at least 1") }
    if fromChunk < 0 { throw ValidationError("--chunk must be at least 0") }
    if outputFrequency < 1 { throw ValidationError("--output-frequency must be at least 1") }
    if saveFrequency < 0 { throw ValidationError("--save-frequency must be at least 0") }
    if thinBelow < 0 || (minExpertTokens ?? 0) < 0 {
      throw ValidationError("token counts cannot be negative")
    }
    if showStatistics {
      guard inFile.count == 1, text == nil else {
        throw ValidationError("--show-statistics needs exactly one --in-file, and no text")
      }
      return
    }
    if text == nil, inFile.isEmpty { throw ValidationError("give a text with -f, or files with --in-file") }
    if text != nil, model == nil { throw ValidationError("give a model with -m") }
    if resume, text == nil { throw ValidationError("--resume needs a text") }
    if resume, force { throw ValidationError("--resume and --force exclude each other") }
    if resume, outputFormat == .dat { throw ValidationError("--resume needs the gguf format") }
    try validateParts()
    if output.isEmpty { throw ValidationError("--output-file needs a name") }
  }

  private func validateParts() throws {
    let part = try PartArgument.read(self.part)
    if (part == nil) != (state == nil) { throw ValidationError("--part and --state need each other") }
    guard part != nil || !join.isEmpty else { return }
    if part != nil, !join.isEmpty { throw ValidationError("--part and --join exclude each other") }
    if text == nil { throw ValidationError("--part and --join need the model and the text") }
    if resume {
      throw ValidationError("--resume goes on from an output; --part goes on from its --state by itself")
    }
    if saveFrequency > 0 {
      throw ValidationError("--save-frequency cannot be combined with --part or --join")
    }
    if part != nil, !inFile.isEmpty { throw ValidationError("give --in-file with --join, not with --part") }
    if part != nil, json { throw ValidationError("--part has no result to print; --json goes with --join") }
  }

  func run() throws {
    if showStatistics { return try StatisticsPrinter(path: inFile[0], json: json).print() }
    Interrupt.watch()
    if part == nil { try checkOutput() }
    let start = ProgressBar(isEnabled: false)
    let source = try self.model.map {
      try ModelArgument.open($0, hub, showsProgress: Standard.errorIsTerminal)
    }
    defer { source?.close() }
    let model = try source.map { try LoadedModel.open(path: $0.path, isLate: true) }
    for warning in model?.warnings ?? [] { Standard.error("Warning: \(warning)") }
    let collector = ImportanceCollector(
      expertCount: model?.expertCount ?? 0, includesOutput: processOutput)
    for path in inFile {
      try collector.merge(try ImportanceFile(path: path), chunkSize: contextSize, path: path)
    }
    if let model { try collector.check(against: model.store, model: model.source) }

    var perplexity = PerplexityStatistics()
    if let text, let model {
      perplexity = try Calibration(command: self, model: model, merged: collector).run(path: text)
      if part != nil {
        if Interrupt.isRequested { throw ExitCode(130) }
        return
      }
    } else {
      try Self.save(try collector.file(chunkSize: contextSize), format: outputFormat, to: output)
    }
    let file = try ImportanceFile(path: output)
    let report = ExpertReport(
      file, threshold: Int64(thinBelow), usedPerToken: model?.usedExpertCount)
    try ReportPrinter(
      command: self, file: file, report: report, perplexity: perplexity, seconds: start.elapsedSeconds
    ).print()
    if Interrupt.isRequested { throw ExitCode(130) }
    try refuseThinExperts(report)
  }

  /// Makes sure, before anything is computed, that the output can be written and nothing is overwritten.
  private func checkOutput() throws {
    try OutputPlace.check(
      output, subject: "--output-file", replaces: force || resume,
      remedy: "go on from it with --resume, replace it with --force, or choose another name")
  }

  private func refuseThinExperts(_ report: ExpertReport) throws {
    guard let minExpertTokens else { return }
    let layers = report.layers.map { layer in
      (layer.layer, layer.counts.indices.filter { layer.counts[$0] < minExpertTokens })
    }.filter { !$0.1.isEmpty }
    guard !layers.isEmpty else { return }
    let all = report.layers.reduce(0) { $0 + $1.expertCount }
    let shown = layers.prefix(20).map { "layer \($0.0): experts \(LayerCoverage.list($0.1, limit: 8))" }
    let others = layers.count > 20 ? ["and \(layers.count - 20) more layers"] : []
    throw EvaluationError(
      .thinExperts,
      Fault(
        file: output, subject: "--min-expert-tokens",
        expected: "at least \(minExpertTokens) tokens for each of \(all) experts",
        found: "fewer for \(layers.reduce(0) { $0 + $1.1.count })", problems: shown + others,
        remedy: "use a longer or more varied text; the data was written"))
  }

  /// Writes data under a temporary name, and renames it.
  static func save(_ file: ImportanceFile, format: OutputFormatFlag, to path: String) throws {
    let bytes = format == .dat ? try file.encodedAsLegacy() : try file.encodedAsGGUF()
    try WritableFile.replace(path, with: bytes)
  }
}

/// The format of the output as a flag.
enum OutputFormatFlag: String, CaseIterable, ExpressibleByArgument {
  case gguf
  case dat
}
