import ArgumentParser
import CheckpointConversion
import CommandSupport
import HubAccess
import ModelDescriptions
import QuantRecipes
import TensorTypes

@main
struct Convert: PouchCommand {
  static let configuration = CommandConfiguration(
    commandName: "pouch-convert",
    abstract: "Convert a Hugging Face checkpoint to a GGUF of any type, or to a folder for MLX, in one pass.",
    discussion: """
      Reads sharded or single safetensors files (zstd-compressed ones too), quantizes and writes the final GGUF \
      without a 16-bit file in between. Memory is bounded by --max-memory, not by the model. An interrupted run \
      continues when the same command is given again.

      org/name[@revision] is a model of the Hugging Face Hub: taken from the local cache where that has it, else read \
      from the Hub by ranges, without a copy on disk. HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE are honoured.

      Several types and recipes give an output each in one pass: every weight is read once and quantized once per \
      type, and the files are those of runs of their own. An output that was removed, or that failed, is made again by \
      the same command; the finished ones are kept.

      With --mmproj the output is the model's vision tower, in the file that llama.cpp and Ollama want beside that of \
      the language model: f32, f16, bf16 or q8_0. Qwen3-VL, Qwen3.5 and Qwen3.6 have one.

      With --format mlx the output is a folder, as mlx_lm.convert writes it: --bits and --group-size or --mode choose \
      the groups, --outtype f32, f16 or bf16 the type of everything else. It gets its name when all of it is there.

      Examples:
        pouch-convert Qwen3.6-35B-A3B --outtype q4_k_m
        pouch-convert Qwen3.6-35B-A3B --recipe hybrid-q4_k_m-plus --imatrix i.gguf
        pouch-convert Qwen3.6-35B-A3B --outtype q4_k_m --dry-run
        pouch-convert Qwen/Qwen3.6-35B-A3B --outtype q4_k_m
        pouch-convert Qwen/Qwen3.6-35B-A3B --mmproj --outtype f16
        pouch-convert Qwen3.6-35B-A3B --outtype bf16,q4_k_m,q6_k --outfile out/qwen-{ftype}.gguf
        pouch-convert Qwen3.6-35B-A3B --format mlx --bits 4 --override attention=8 --override linear-attention=8

      Types: \(StockMix.listing). Recipes: pouch-convert --list-recipes.

      Exit codes: 0 done, 1 failed while working, 2 wrong usage, 3 input rejected, 4 --strict violation, \
      130 interrupted.
      """,
    version: pouchVersion)

  @Argument(
    help: ArgumentHelp("The folder of the checkpoint, or org/name on the Hub.", valueName: "model-dir"))
  var modelDirectory: String?

  @Option(
    name: .customLong("outtype"),
    help: ArgumentHelp(
      "auto (the checkpoint's 16-bit type, or mxfp4_moe where experts are MXFP4), f32, f16, bf16, q8_0, q4_k_m and so on; "
        + "repeatable, or several with commas, for an output each. Default: auto.",
      valueName: "type"),
    completion: .list(["auto"] + StockMix.allCases.map { $0.rawValue.lowercased() }))
  var outputTypes: [String] = []

  @Option(
    name: .customLong("outfile"),
    help: ArgumentHelp(
      "The output, or an existing folder for it (for MLX: the folder to make); {ftype} or {recipe} in it stand for the type or recipe. Default: a name "
        + "derived from the model, in its folder.",
      valueName: "path"))
  var outputFile: String?

  @Flag(
    name: .customLong("mmproj"),
    help: "Write the vision tower in place of the language model, as mmproj-NAME-TYPE.gguf.")
  var mmproj = false

  @Option(
    name: .customLong("split-max-size"),
    help: ArgumentHelp(
      "Split the output into shards of at most this many bytes (K, M, G: decimal).", valueName: "size"))
  var splitMaxSize: ByteSize?

  @Option(
    name: .customLong("split-max-tensors"),
    help: ArgumentHelp("Split the output into shards of at most this many tensors.", valueName: "n"))
  var splitMaxTensors: Int?

  @Flag(name: .customLong("no-tensor-first-split"), help: "Put metadata alone into the first shard.")
  var noTensorFirstSplit = false

  @Flag(
    name: .customLong("mtp"),
    help: "Require next-token-prediction (MTP) blocks. Default: keep them if present.")
  var mtp = false

  @Flag(name: [.customLong("no-mtp"), .customLong("no-nextn")], help: "Drop next-token-prediction blocks.")
  var noMTP = false

  @Option(
    name: .customLong("pre"),
    help: ArgumentHelp(
      "The pre-tokenizer name, instead of the one recognised by its regex.", valueName: "name"))
  var preTokenizer: String?

  @Option(
    name: .customLong("model-name"), help: ArgumentHelp("The value of general.name.", valueName: "name"))
  var modelName: String?

  @Flag(
    name: .customLong("headers-only"),
    help: "Plan from shards that end after their headers; needs --dry-run.")
  var headersOnly = false

  @OptionGroup var hub: HubFlags

  @Flag(name: .customLong("print-supported-models"), help: "List the model families and exit.")
  var printSupportedModels = false

  @Flag(name: .customLong("use-temp-file"), help: .hidden)
  var useTempFile = false

  @Flag(name: .customLong("no-lazy"), help: .hidden)
  var noLazy = false

  @OptionGroup(title: "MLX")
  var mlx: MLXArguments

  @OptionGroup(title: "Ollama")
  var modelfile: ModelfileArguments

  @OptionGroup(title: "Types")
  var mix: MixArguments

  @OptionGroup(title: "Running")
  var running: RunArguments

  func validate() throws {
    if modelDirectory == nil, !printSupportedModels, !mix.wantsList {
      throw ValidationError("Missing expected argument '<model-dir>'")
    }
    if mtp, noMTP { throw ValidationError("--mtp and --no-mtp exclude each other") }
    if headersOnly, !running.isDryRun { throw ValidationError("--headers-only needs --dry-run") }
    if let splitMaxTensors, splitMaxTensors < 1 {
      throw ValidationError("--split-max-tensors needs a number of at least 1")
    }
    if mlx.format == .mlx { try refuseFlagsOfGGUF() }
    if mmproj { try refuseFlagsOfText() }
  }

  /// Refuses flags that mean nothing for a vision tower.
  private func refuseFlagsOfText() throws {
    let own: [(name: String, isGiven: Bool)] = [
      ("--split-max-size", splitMaxSize != nil), ("--split-max-tensors", splitMaxTensors != nil),
      ("--no-tensor-first-split", noTensorFirstSplit), ("--mtp", mtp), ("--no-mtp", noMTP),
      ("--pre", preTokenizer != nil),
    ]
    let kept = ["--no-provenance", "--override-kv"]
    let given =
      own.filter(\.isGiven).map(\.name) + modelfile.given + mix.given.filter { !kept.contains($0) }
    guard given.isEmpty else { throw ValidationError("\(given.joined(separator: ", ")): not with --mmproj") }
  }

  /// Refuses flags that mean nothing for a folder of MLX.
  private func refuseFlagsOfGGUF() throws {
    let own: [(name: String, isGiven: Bool)] = [
      ("--split-max-tensors", splitMaxTensors != nil), ("--no-tensor-first-split", noTensorFirstSplit),
      ("--mtp", mtp), ("--pre", preTokenizer != nil), ("--model-name", modelName != nil),
      ("--mmproj", mmproj),
    ]
    let given =
      own.filter(\.isGiven).map(\.name) + modelfile.given + mix.given + running.divisionGiven
    guard given.isEmpty else {
      throw ValidationError("\(given.joined(separator: ", ")): not with --format mlx")
    }
    if outputTypes.count > 1 { throw ValidationError("--format mlx makes one output, of one --outtype") }
    if splitMaxSize?.byteCount == 0 { throw ValidationError("--split-max-size needs more than 0 bytes") }
    _ = try floatType()
  }

  /// The type that values are cast to for MLX; `nil` where the checkpoint says it.
  private func floatType() throws -> ElementType? {
    switch outputTypes.first?.lowercased() {
    case nil, "auto": nil
    case "f32": .f32
    case "f16": .f16
    case "bf16": .bf16
    case let other?:
      throw ValidationError(
        "--outtype \(other): with --format mlx it is auto, f32, f16 or bf16, the type of what is not quantized; "
          + "--bits and --mode say what the rest becomes")
    }
  }

  func run() throws {
    if mix.wantsList { return try mix.printLists() }
    if printSupportedModels {
      for family in ModelFamily.all { Standard.output("\(family.architectures.joined(separator: ", "))") }
      return
    }
    for (isSet, name) in [(useTempFile, "--use-temp-file"), (noLazy, "--no-lazy")] where isSet {
      Standard.error("note: \(name) is accepted and ignored: nothing is held in memory here")
    }
    if mlx.format == .mlx { return try convertForMLX() }
    var types = try outputTypes.flatMap { MixArguments.names(in: $0) }.map { name in
      name.lowercased() == "auto" ? .auto : ConversionRequest.OutputType.mix(try StockMix(name: name))
    }
    if types.isEmpty, !mix.hasRecipes { types = [.auto] }
    let source = try openSource()
    defer { source.close() }
    var request = ConversionRequest(source: source.path, outputType: .auto)
    // Dozens of small reads for each file of weights, of which a plan shows nothing.
    request.samplesSources = !running.isDryRun || source.model == nil
    try mix.apply(to: &request)
    request.outputPath = outputFile
    request.splitMaxByteCount = splitMaxSize?.byteCount
    request.splitMaxTensorCount = splitMaxTensors
    request.noTensorFirstSplit = noTensorFirstSplit
    request.nextTokenBlocks = mtp ? .keep : noMTP ? .drop : .ifPresent
    request.preTokenizer = preTokenizer
    request.modelName = modelName
    request.headersOnly = headersOnly
    let choices = try mix.choices(types: types)
    try modelfile.perform(
      try mmproj
        ? ConversionPlanner.prepareVision(request, outputs: choices)
        : ConversionPlanner.prepareCheckpoint(request, outputs: choices),
      checkpoint: source.path, running)
  }

  /// Writes a folder for MLX.
  private func convertForMLX() throws {
    let source = try openSource()
    defer { source.close() }
    var request = MLXRequest(source: source.path, groups: try mlx.groups())
    try mlx.apply(to: &request)
    request.outputPath = outputFile
    request.floatType = try floatType()
    request.headersOnly = headersOnly
    if let splitMaxSize { request.shardByteCount = splitMaxSize.byteCount }
    try running.perform([try ConversionPlanner.prepareMLX(request)])
  }

  /// Finds the model on this machine, in the cache or on the Hub.
  private func openSource() throws -> HubArgument {
    try ModelArgument.open(
      modelDirectory ?? "", hub, showsProgress: running.showsProgress, isQuiet: running.isQuiet)
  }
}
