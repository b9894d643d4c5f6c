import ArgumentParser
import CommandSupport
import FileBytes
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
      text did not reach (blind) or hardly reached (thin). An interrupted run leaves its data in the output; --resume \
      goes on from there.
      """)

  @Option(
    name: [.customShort("m"), .long], help: "A GGUF file, the first shard of one, or a checkpoint folder.")
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

  @Option(help: "Add the data of this file; repeatable. Without -f, files are merged and no model is run.")
  var inFile: [String] = []

  @Option(name: [.customLong("output-frequency"), .customLong("ofreq")], help: "Save every so many windows.")
  var outputFrequency = 10

  @Option(help: "Keep a copy, with the number of windows in its name, every so many windows; 0 never.")
  var saveFrequency = 0

  @Flag(help: "Collect output.weight too.")
  var processOutput = false

  @Flag(help: "Recognize control tokens written out in the text.")
  var parseSpecial = false

  @Flag(name: .customLong("no-ppl"), help: "Do not measure perplexity along the way.")
  var noPerplexity = false

  @Flag(help: "Go on from the data in the output file.")
  var resume = false

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
    if model == nil { throw ValidationError("give a model with -m") }
    if text == nil, inFile.isEmpty { throw ValidationError("give a text with -f, or files with --in-file") }
    if resume, text == nil { throw ValidationError("--resume needs a text") }
    if resume, outputFormat == .dat { throw ValidationError("--resume needs the gguf format") }
  }

  func run() throws {
    Interrupt.watch()
    let model = try LoadedModel.open(path: model ?? "")
    for warning in model.warnings { Standard.error("Warning: \(warning)") }
    let experts = model.shape.experts
    let collector = ImportanceCollector(
      expertCount: experts?.count ?? 0, includesOutput: processOutput)
    for path in inFile {
      try collector.merge(try ImportanceFile(path: path), chunkSize: contextSize, path: path)
    }
    var skip = fromChunk
    var isResumed = false
    if resume, FileSystem.kind(of: output) == .file {
      let earlier = try ImportanceFile(path: output)
      guard earlier.chunkSize == contextSize else {
        throw EvaluationError(
          .importanceMismatch,
          Fault(
            file: output, subject: "imatrix.chunk_size", expected: "\(contextSize)",
            found: "\(earlier.chunkSize)", remedy: "resume with the same -c"))
      }
      try collector.merge(earlier, chunkSize: contextSize, path: output)
      skip += earlier.chunkCount
      isResumed = true
      Standard.error("\(output): \(earlier.chunkCount) windows are done")
    }
    try collector.check(against: model.store, model: model.source)

    let clock = ProgressBar(isEnabled: false)
    var perplexity = Perplexity()
    if let text {
      perplexity = try collect(model, collector, text, skip: skip, addDataset: !isResumed)
    }
    let file = try save(collector, to: output)
    let report = ExpertReport(file, threshold: Int64(thinBelow), usedPerToken: experts?.usedCount ?? 1)
    try ReportPrinter(
      command: self, file: file, report: report, perplexity: perplexity, seconds: clock.elapsedSeconds
    ).print()
    if Interrupt.isRequested { throw ExitCode(130) }
    if let minExpertTokens {
      let count = report.expertCount(below: Int64(minExpertTokens))
      guard count == 0 else {
        throw EvaluationError(
          .thinExperts,
          Fault(
            file: output, subject: "experts", expected: "at least \(minExpertTokens) tokens for every expert",
            found: "fewer for \(count) of \(report.layers.reduce(0) { $0 + $1.expertCount })",
            remedy: "use a longer or more varied text; the data was written"))
      }
    }
  }

  private func collect(
    _ model: LoadedModel, _ collector: ImportanceCollector, _ path: String, skip: Int, addDataset: Bool
  ) throws -> Perplexity {
    let text = try EvaluationText(path: path)
    let tokenizer = try Tokenizer(metadata: try model.metadata())
    let tokens = try text.tokens(tokenizer, parseSpecial: parseSpecial)
    let windows = try TokenWindows(
      tokens: tokens, length: contextSize, skip: skip, limit: chunks < 0 ? nil : chunks,
      beginning: tokenizer.addBOS ? tokenizer.bos : nil, file: path)
    if addDataset { collector.addDataset(path) }
    Standard.error(
      "text \(path): \(text.byteCount) bytes, xxh64 \(text.hashText), \(tokens.count) tokens; "
        + "\(windows.count) windows of \(windows.length) tokens, the first \(skip) skipped; mode \(mode.rawValue)"
    )
    let evaluator = try WindowEvaluator(
      model, length: contextSize,
      options: EvaluationOptions(mode: mode.mode, threads: threads, batchLength: batchSize))
    let run = ImportanceRun(
      windows: windows, measuresPerplexity: !noPerplexity, needsOutput: processOutput)
    let result = try run.run(evaluator, collector) { done, soFar in
      if !noPerplexity, !json { Standard.outputText("[\(done)]\(decimals(soFar.value, 4)),") }
      if done % outputFrequency == 0, done < windows.count { _ = try save(collector, to: output) }
      if saveFrequency > 0, done % saveFrequency == 0 {
        _ = try save(collector, to: "\(output).at_\(skip + done)")
      }
      return !Interrupt.isRequested
    }
    if !noPerplexity, !json {
      Standard.output(
        "\nFinal estimate: PPL = \(decimals(result.value, 4)) +/- \(decimals(result.uncertainty, 5))")
    }
    return result
  }

  /// Writes the data so far under a temporary name, and renames it.
  private func save(_ collector: ImportanceCollector, to path: String) throws -> ImportanceFile {
    let file = try collector.file(chunkSize: contextSize)
    let bytes = outputFormat == .dat ? try file.encodedAsLegacy() : try file.encodedAsGGUF()
    let temporary = path + ".partial"
    let target = try WritableFile(path: temporary, mode: .truncate)
    do {
      try bytes.withUnsafeBytes { try target.write($0, at: 0) }
      try target.synchronize()
      try FileSystem.rename(temporary, to: path)
    } catch {
      FileSystem.remove(temporary)
      throw error
    }
    return file
  }
}

/// The compute mode as a flag.
enum ComputeModeFlag: String, CaseIterable, ExpressibleByArgument {
  case exact
  case fast

  var mode: ComputeMode { self == .exact ? .exact : .fast }
}

/// The format of the output as a flag.
enum OutputFormatFlag: String, CaseIterable, ExpressibleByArgument {
  case gguf
  case dat
}
