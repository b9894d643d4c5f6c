import ArgumentParser
import CheckpointConversion
import CommandSupport
import QuantRecipes

@main
struct Quantize: PouchCommand {
  static let configuration = CommandConfiguration(
    commandName: "pouch-quantize",
    abstract: "Quantize, re-mix, split or merge a GGUF file.",
    usage: "pouch-quantize [options] <input.gguf> [<output.gguf>] <type> [<threads>]",
    discussion: """
      Takes the arguments of llama-quantize and writes the same bytes. TYPE is a name (Q4_K_M, any case), a file \
      type number (15) or COPY; with --recipe it may be left out. An interrupted run continues when the same command is given again.

      Several types with commas, and recipes, give an output each in one pass: every weight is read once and quantized \
      once per type. Their names have {ftype} for the type, or lie in a folder that exists. An output that was removed, or \
      that failed, is made again by the same command; the finished ones are kept.

      Examples:
        pouch-quantize model-BF16.gguf model-Q4_K_M.gguf Q4_K_M
        pouch-quantize --imatrix i.gguf model-BF16.gguf small.gguf IQ4_XS 8
        pouch-quantize --split-max-size 40G model-BF16.gguf shards.gguf COPY
        pouch-quantize model-BF16.gguf model-{FTYPE}.gguf Q4_K_M,Q5_K_M,Q6_K

      Types: \(StockMix.listing).

      Exit codes: 0 done, 1 failed while working, 2 wrong usage, 3 input rejected, 4 --strict violation, \
      130 interrupted.
      """,
    version: pouchVersion)

  @Argument(help: ArgumentHelp("Input, optional output, types, optional threads.", valueName: "arguments"))
  var positionals: [String] = []

  @Flag(
    name: .customLong("allow-requantize"), help: "Permit sources that are quantized already; costs accuracy.")
  var allowRequantize = false

  @Flag(name: .customLong("keep-split"), help: "Write the same shards as the input.")
  var keepSplit = false

  @Option(
    name: .customLong("split-max-size"),
    help: ArgumentHelp(
      "Split the output into shards of at most this many bytes (K, M, G: decimal).", valueName: "size"))
  var splitMaxSize: ByteSize?

  @Option(
    name: .customLong("split-max-tensors"),
    help: ArgumentHelp("Split the output into shards of at most this many tensors.", valueName: "n"))
  var splitMaxTensors: Int?

  @Option(
    name: .customLong("prune-layers"),
    help: ArgumentHelp("Drop these layers and renumber the others.", valueName: "a,b,…"))
  var pruneLayers: String?

  @Option(name: .customLong("max-buffer-size"), help: .hidden)
  var maxBufferSize: Int?

  @OptionGroup(title: "Ollama")
  var modelfile: ModelfileArguments

  @OptionGroup(title: "Types")
  var mix: MixArguments

  @OptionGroup(title: "Running")
  var running: RunArguments

  func run() throws {
    if mix.wantsList { return try mix.printLists() }
    if maxBufferSize != nil {
      Standard.error("note: --max-buffer-size is accepted and ignored: --max-memory bounds all buffers here")
    }
    let arguments = try QuantizeArguments(positionals, hasRecipes: mix.hasRecipes)
    var request = ConversionRequest(source: arguments.input, outputType: .auto)
    try mix.apply(to: &request)
    request.mixOptions.allowRequantize = allowRequantize
    request.outputPath = arguments.output
    request.keepSplit = keepSplit
    request.splitMaxByteCount = splitMaxSize?.byteCount
    request.splitMaxTensorCount = splitMaxTensors
    request.prunedLayers = try pruneLayers.map { try LayerPruning(parsing: $0) }
    let choices = try mix.choices(types: arguments.mixes.map { .mix($0) })
    try modelfile.perform(
      try ConversionPlanner.prepareGGUF(request, outputs: choices), checkpoint: nil, running,
      threadCount: arguments.threadCount)
  }
}
