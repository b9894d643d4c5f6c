import ArgumentParser
import CheckpointConversion
import CommandSupport
import FileBytes
import Foundation
import HubAccess
import MemoryEstimation
import QuantRecipes

@main
struct Estimate: PouchCommand {
  static let configuration = CommandConfiguration(
    commandName: "pouch-estimate",
    abstract: "Tell the size of a GGUF before it is made, and the memory that running it takes.",
    discussion: """
      SOURCE is a GGUF, a checkpoint folder (headers or its index suffice), a model.safetensors.index.json, a config.json, \
      the name of a known model such as qwen3.6-35b-a3b, or org/name[@revision] on the Hugging Face Hub (hf://org/name for \
      one that is known by name, too). No weights are read.

      Sizes of files are those that pouch-convert and pouch-quantize write with the same flags, to the byte; without \
      the tokenizer, or the names of the shards for provenance, they are an interval. Memory is that of llama.cpp \
      (CPU and Metal) and of Pouch's own runtime.

      A --recipe is priced first and every --type beside it as a stock mix.

      Examples:
        pouch-estimate qwen3.6-35b-a3b -c 32k --machine macbook-32
        pouch-estimate checkpoint --type q4_k_m,q5_k_m --memory 24GB --table
        pouch-estimate model-Q4_K_M.gguf -c 0 -ctk q8_0 -ctv q8_0 --explain
        pouch-estimate qwen3.6-35b-a3b --measure --machine macbook-32

      Exit codes: 0 done, 1 failed while working, 2 wrong usage, 3 input rejected, 4 nothing of what was asked for fits \
      the machine.
      """,
    version: pouchVersion)

  @Argument(help: ArgumentHelp("A model: file, folder or name.", valueName: "source"))
  var source: String?

  @Option(
    name: [.customLong("type"), .customLong("outtype")],
    help: ArgumentHelp(
      "The mix, such as q4_k_m; repeatable, or several with commas. Default: q4_k_m, or a GGUF as it is.",
      valueName: "mix"), completion: .list(StockMix.allCases.map { $0.rawValue.lowercased() }))
  var types: [String] = []

  @Option(help: "llama.cpp, pouch or both.")
  var engine = "both"

  @Flag(help: "Show how every size comes about.")
  var explain = false

  @Flag(help: "Print everything as JSON.")
  var json = false

  @Flag(name: .customLong("in-mib"), help: "Print sizes in MiB.")
  var inMiB = false

  @Flag(help: "Print bytes by type and role.")
  var totals = false

  @Option(
    name: .customLong("tokenizer"),
    help: ArgumentHelp(
      "Take tokenizer and model card from this folder, for sizes exact to the byte.", valueName: "dir"))
  var tokenizer: String?

  @Flag(help: "Measure this machine for a second: time of a conversion, bandwidth, speeds for --measure.")
  var calibrate = false

  @Option(help: ArgumentHelp("Memory bandwidth for bounds of speed, such as 400GB/s.", valueName: "rate"))
  var bandwidth: Rate?

  @Option(help: ArgumentHelp("Arithmetic for bounds of speed, such as 10TFLOPS.", valueName: "rate"))
  var compute: Rate?

  @Option(
    name: .customLong("max-memory"),
    help: ArgumentHelp("Limit of a conversion's buffers.", valueName: "size"))
  var maxMemory = ByteSize(byteCount: 512_000_000)

  @Option(
    name: [.customShort("t"), .customLong("threads")], parsing: .unconditional,
    help: "Threads of conversion and of Pouch's runtime; default: all cores.")
  var threads: Int?

  @Option(
    name: .customLong("split-max-size"),
    help: ArgumentHelp("Split the output into shards of at most this many bytes.", valueName: "size"))
  var splitMaxSize: ByteSize?

  @Flag(name: [.customLong("no-mtp"), .customLong("no-nextn")], help: "Drop next-token-prediction blocks.")
  var noMTP = false

  @Option(
    name: .customLong("model-name"), help: ArgumentHelp("The value of general.name.", valueName: "name"))
  var modelName: String?

  @Option(
    name: .customLong("pre"),
    help: ArgumentHelp("The pre-tokenizer name, instead of the one recognised.", valueName: "name"))
  var preTokenizer: String?

  @Flag(
    name: .customLong("allow-requantize"),
    help: "As for pouch-quantize; a quantized GGUF is priced in any case, and as if it were given.")
  var allowRequantize = false

  @Flag(name: .customLong("list-models"), help: "List the names of known models and exit.")
  var listModels = false

  @OptionGroup(title: "Running")
  var run_: RunFlags

  @OptionGroup(title: "Fitting")
  var fit: FitFlags

  @OptionGroup(title: "Measuring")
  var measuring: MeasuringFlags

  @OptionGroup(title: "Types")
  var mixArguments: MixArguments

  func validate() throws {
    if source == nil, !listModels, !mixArguments.wantsList {
      throw ValidationError("Missing expected argument '<source>'")
    }
    if let threads, threads < 1 { throw ValidationError("--threads must be at least 1") }
    if let context = run_.context, context < 0 { throw ValidationError("--ctx-size must be at least 0") }
    if run_.inMaxContext, let context = run_.context, context > 0 {
      throw ValidationError("--in-max-ctx-size and --ctx-size exclude each other")
    }
  }

  func run() throws {
    if mixArguments.wantsList { return try mixArguments.printLists() }
    if listModels {
      BuiltInModels.names.forEach { Standard.output($0) }
      return
    }
    let model = try source.flatMap { try openModel($0) }
    defer { model?.close() }
    var report = try EstimateReport(try options(source: model?.path ?? source ?? ""))
    if let model, model.model != nil { report.source = model.title }
    if run_.gpuLayers != nil {
      Standard.error("note: --n-gpu-layers is accepted and ignored: all memory is counted as one")
    }
    if json {
      try JSONSchema.estimate.print(report)
    } else {
      ReportPrinter(report: report, explains: explain, inMiB: inMiB, showsTotals: totals).print()
    }
    let fits = report.outputs.flatMap(\.fits)
    if !fits.isEmpty, !fits.contains(where: \.fits) { throw ExitCode(FaultClass.strict.rawValue) }
  }

  /// Finds the model on this machine, in the cache or on the Hub; a known model needs none of them.
  private func openModel(_ text: String) throws -> HubArgument? {
    let asksHub = try text.hasPrefix("hf://") && HubSettings().offlineVariable == nil
    if BuiltInModels.canonicalName(text) != nil, !asksHub {
      let path = try ModelArgument.path(of: text, needsWeights: false, isQuiet: true)
      guard path != text else { return nil }
      return try HubArgument(path)
    }
    Interrupt.watch()
    var wishes = HubArgument.Wishes()
    wishes.needsWeights = false
    wishes.isCancelled = { Interrupt.isRequested }
    return try HubArgument(text, wishes)
  }

  private func options(source: String) throws -> EstimateOptions {
    var options = EstimateOptions(source: source)
    options.wishes.samplesSources = false
    options.tokenizerFolder = tokenizer
    options.mixes = try types.flatMap { $0.split(separator: ",") }
      .map { try StockMix(name: $0.trimmingCharacters(in: .whitespaces)) }
    options.recipes = try mixArguments.loadRecipes()
    try mixArguments.apply(to: &options.wishes)
    options.wishes.mixOptions.allowRequantize = allowRequantize
    options.wishes.splitMaxByteCount = splitMaxSize?.byteCount
    options.wishes.nextTokenBlocks = noMTP ? .drop : .ifPresent
    options.wishes.modelName = modelName
    options.wishes.preTokenizer = preTokenizer
    let threads = threads ?? Processor.threadCount
    options.run = try run_.options(threads: threads)
    options.contextLength = run_.inMaxContext ? 0 : run_.context
    switch engine.lowercased() {
    case "both": break
    case "pouch": options.engines = [.pouch]
    case "llama.cpp", "llama", "llamacpp": options.engines = [.llamaCpp]
    default: throw UsageError("--engine", expected: "llama.cpp, pouch or both", found: engine)
    }
    options.machine = try fit.chosen()
    options.measuring = try measuring.options(machine: options.machine)
    options.fitTargetBytes = fit.fitTarget << 20
    options.minimumContext = fit.fitContext
    options.wantsTable = fit.table
    options.conversionThreads = threads
    options.conversionMemory = maxMemory.byteCount
    options.calibrates = calibrate
    options.bandwidth = bandwidth?.perSecond
    options.operationsPerSecond = compute?.perSecond
    return options
  }
}
