import ArgumentParser
import CommandSupport
import FileBytes
import MixTuning
import ModelEvaluation
import TensorCompute
import TensorTypes

@main
struct Command: PouchCommand {
  static let configuration = CommandConfiguration(
    commandName: "pouch-tune",
    abstract:
      "Finds the mix of tensor types that loses least under a budget, by measuring what each group of tensors loses.",
    discussion: """
      A 16-bit model reads a text; every group of tensors (a role in a layer) is quantized to every candidate type, and what \
      that costs is kept in a table: bytes as a file has them, and KL divergence from the model as it is. A solver then takes \
      for each group the type with which all together lose least within the budget. The result is a recipe for \
      pouch-convert and pouch-quantize. Budgets cost nothing once the table is there: --table reads it.

      Ways to find what a group loses: measured quantizes each group alone and measures the divergence on all windows; \
      local compares what a branch of a layer adds to the stream, and measures the divergence once per branch; weights \
      compares weights, weighed by importance, and measures the divergence once per group. local is the default; measured \
      takes as many passes as there are groups and types.

      The first half of the text is for calibration, unless --chunks says otherwise; --convert measures the file that it \
      writes on the rest, or on --test.

      Files that are written: NAME.sensitivity.json, NAME.imatrix.gguf unless --imatrix or --no-imatrix is given, and \
      NAME-BUDGET.yaml for each budget. After an interruption the same command goes on.

      Examples:
        pouch-tune Qwen3.6-35B-A3B -f text.txt --target-size 21GB --fit 32GB -c 65536
        pouch-tune checkpoint -f text.txt --target-bpw 4.5 --convert tuned.gguf
        pouch-tune checkpoint --table checkpoint.sensitivity.json --max-kld 0.01 --html frontier.html

      Exit codes: 0 done, 1 failed while working, 2 wrong usage, 3 input rejected, 130 interrupted.
      """,
    version: pouchVersion)

  @Argument(help: "A checkpoint folder, or a GGUF file at 16 bits.")
  var model: String

  @Option(name: [.customShort("f"), .customLong("file")], help: "The text, UTF-8.")
  var text: String?

  @OptionGroup(title: "Budgets")
  var budgets: BudgetArguments

  @OptionGroup(title: "Constraints")
  var constraints: ConstraintArguments

  @Option(help: "How sensitivities are found: measured, local or weights.")
  var method = MethodFlag.local

  @Option(
    help: ArgumentHelp(
      "Take sensitivities from this file; nothing is measured but what --convert writes.", valueName: "file"))
  var table: String?

  @Option(help: ArgumentHelp("Importance matrix, GGUF or legacy .dat.", valueName: "file"))
  var imatrix: String?

  @Flag(
    name: .customLong("no-imatrix"),
    help: "Quantize without an importance matrix; by default one is made on the way.")
  var noImatrix = false

  @Option(
    name: [.customShort("o"), .customLong("output")],
    help: ArgumentHelp(
      "The start of the names of files that are written; by default the model's name, in the current folder.",
      valueName: "name"))
  var output: String?

  @Option(
    help: ArgumentHelp(
      "Convert by the recipe that was found, and measure the file; {recipe} stands for the name of the recipe.",
      valueName: "out.gguf"))
  var convert: String?

  @Option(help: ArgumentHelp("Measure on this text in place of the rest of -f.", valueName: "file"))
  var test: String?

  @Option(
    help: ArgumentHelp(
      "Write a page of size against divergence, with the stock mixes as points.", valueName: "file.html"))
  var html: String?

  @Option(name: .customLong("window"), help: "Tokens per window.")
  var windowLength = 512

  @Option(help: "Windows for calibration; by default half of the text's, or all with --test.")
  var chunks: Int?

  @Option(
    help: ArgumentHelp(
      "Windows on which divergences are measured to find gains; by default as many as cost about one pass.",
      valueName: "n"))
  var gainChunks: Int?

  @Option(help: "exact: f32 activations; fast: 8-bit activations, as deployed engines compute.")
  var mode = ComputeModeFlag.fast

  @Option(name: [.customShort("t"), .long], help: "Threads; all cores by default.")
  var threads: Int?

  @Option(name: [.customShort("b"), .long], help: "The most tokens computed together.")
  var batchSize = 512

  @Option(
    help: ArgumentHelp(
      "The most memory for weights in use, windows and all else; by default what there is.", valueName: "size"
    ))
  var maxMemory: ByteSize?

  @Flag(help: "Replace existing files.")
  var force = false

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    if let threads, threads < 1 { throw ValidationError("--threads must be at least 1") }
    if batchSize < 1 { throw ValidationError("--batch-size must be at least 1") }
    if windowLength < 4 { throw ValidationError("--window must be at least 4") }
    if let chunks, chunks < 1 { throw ValidationError("--chunks must be at least 1") }
    if let gainChunks, gainChunks < 1 { throw ValidationError("--gain-chunks must be at least 1") }
    if text == nil, table == nil { throw ValidationError("give a text with -f, or a table with --table") }
    if imatrix != nil, noImatrix { throw ValidationError("--imatrix and --no-imatrix exclude each other") }
    if table != nil, noImatrix { throw ValidationError("--no-imatrix cannot be combined with --table") }
    if convert != nil, budgets.isEmpty { throw ValidationError("--convert needs a budget") }
    if convert != nil, text == nil, test == nil {
      throw ValidationError("--convert needs a text to measure on: -f or --test")
    }
    if let convert, budgets.count > 1, !convert.contains("{recipe}") {
      throw ValidationError("--convert with several budgets needs {recipe} in the name")
    }
    if let output, output.isEmpty { throw ValidationError("--output needs a name") }
  }

  func run() throws {
    var command = self
    command.model = try ModelArgument.path(of: model)
    Interrupt.watch()
    do {
      try Tuning(command).run()
    } catch is Tuning.Interrupted {
      Standard.error("interrupted; the same command goes on from where it was")
      throw ExitCode(130)
    }
  }
}

/// The way to sensitivities as a flag.
enum MethodFlag: String, CaseIterable, ExpressibleByArgument {
  case measured
  case local
  case weights

  var method: SensitivityTable.Method {
    switch self {
    case .measured: .measured
    case .local: .local
    case .weights: .weights
    }
  }
}
