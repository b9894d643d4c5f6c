import ArgumentParser
import CommandSupport
import FileBytes
import HubAccess
import ModelEvaluation
import TensorCompute

@main
struct Command: PouchCommand {
  static let configuration = CommandConfiguration(
    commandName: "pouch-perplexity",
    abstract: "Measures perplexity on a text, and the divergence of models from a base.",
    discussion: """
      The procedure, the row names and the base file are llama-perplexity's: windows of -c tokens, the second half of \
      each scored. With --base, base and models run in lock-step and nothing is stored. Results go to standard \
      output, the text's hash, the protocol and progress to standard error. Results do not depend on threads or \
      batches.

      Numbers in brackets are 95 % intervals over windows. llama-perplexity's +/- takes every token as independent of \
      its neighbours and comes out several times too small; it is not printed.

      A compact base file lists the likely tokens of every position, at most --base-top-k, and sums over the rest. \
      Each listed token takes 8 bytes. Positions with more likely tokens than that leave mass to the sums, which \
      widens the bounds of the KL divergence; the run against the file prints both. Perplexities and top tokens are \
      exact in any case.

      With -ctk or -ctv each model is measured twice, with a cache of f32 and with one of these types: the second row \
      says what the cache costs on top of the weights.

      Models that are larger than memory are measured layer by layer: every layer is read once for as many windows as \
      --max-memory has room for, and their numbers come together.

      Several machines can share the windows of a text: each measures a --part, and --join gives the numbers.

      Examples:
        pouch-perplexity -m model-Q4_K_M.gguf -f wiki.test.raw
        pouch-perplexity --base checkpoint -m model-Q4_K_M.gguf --corpus builtin
        pouch-perplexity --base b.gguf -m a.gguf -m c.gguf -f text --html page.html
        pouch-perplexity --base b.gguf -m a.gguf -m c.gguf -f text --resume state

      Exit codes: 0 done, 1 failed while working, 2 wrong usage, 3 input rejected, 130 interrupted.
      """,
    version: pouchVersion)

  @Option(
    name: [.customShort("m"), .long],
    help:
      "A GGUF file, the first shard of one, a checkpoint folder, or org/name[@revision] on the Hugging Face Hub; repeatable."
  )
  var model: [String]

  @Option(name: [.customShort("f"), .customLong("file")], help: "The text, UTF-8.")
  var text: String?

  @Option(help: "builtin: a text that is part of the program, drawings as SVG with captions; in place of -f.")
  var corpus: CorpusFlag?

  @Option(name: [.customShort("c"), .customLong("ctx-size")], help: "Tokens per window.")
  var contextSize = 512

  @Option(help: "The most windows; -1 for all.")
  var chunks = -1

  @Option(name: [.customLong("chunk"), .customLong("from-chunk")], help: "Windows left out at the start.")
  var fromChunk = 0

  @Option(name: [.customShort("b"), .long], help: "The most tokens computed together.")
  var batchSize = 512

  @Option(
    help: ArgumentHelp(
      "Begin a window every so many tokens and score as many at its end; 0 for windows side by side.",
      discussion:
        "As in llama-perplexity, windows then have -c tokens plus half the stride, rounded up to 256."))
  var pplStride = 0

  @Option(
    help:
      "0: running perplexity; 1: a line per window: first token, perplexity, mean, its standard error over windows."
  )
  var pplOutputType = 0

  @Option(help: "exact: f32 activations; fast: 8-bit activations, as deployed engines compute.")
  var mode = ComputeModeFlag.fast

  @Option(name: [.customShort("t"), .long], help: "Threads; all cores by default.")
  var threads: Int?

  @Option(help: "Compare all models with this one in lock-step.")
  var base: String?

  @Option(
    name: [.customLong("kl-divergence-base"), .customLong("save-all-logits")],
    help: "A file of base probabilities, written, or read with --kl-divergence.")
  var baseFile: String?

  @Flag(name: .customLong("kl-divergence"), help: "Compare with the base file.")
  var divergence = false

  @Option(
    help: "How a base file is written: compact, full (zstd), or llama (llama.cpp's file).")
  var baseFormat = BaseFormatFlag.compact

  @Flag(help: "The same as --base-format full.")
  var fullBase = false

  @Option(help: "The most tokens listed per position of a compact base file: more give tighter bounds.")
  var baseTopK = 256

  @Option(
    help: ArgumentHelp(
      "Keep finished windows in this file; after an interruption the same command goes on from there.",
      discussion:
        "The final numbers and files are the same bits. The file is removed when the run is complete.",
      valueName: "file"))
  var resume: String?

  @Option(
    help: ArgumentHelp(
      "Measure the i-th of n parts of the windows, as one of n commands on one or more machines, and keep them in the file "
        + "of --resume; --join gives the numbers.",
      valueName: "i/n"))
  var part: String?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Give the numbers of all windows, from the files of all parts; they are those of one run, bit for bit.",
      valueName: "states"))
  var join: [String] = []

  @OptionGroup var hub: HubFlags

  @OptionGroup var cache: CacheArguments

  @OptionGroup var measuring: MeasuringArguments

  @Option(
    help: ArgumentHelp(
      "Write a page with the answer in a sentence, size against loss, and all numbers.",
      valueName: "file.html"))
  var html: String?

  @Flag(help: "Replace an existing base file or page.")
  var force = false

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    if model.isEmpty { throw ValidationError("give at least one -m") }
    if let threads, threads < 1 { throw ValidationError("--threads must be at least 1") }
    if batchSize < 1 { throw ValidationError("--batch-size must be at least 1") }
    if contextSize < 4 { throw ValidationError("--ctx-size must be at least 4") }
    if chunks == 0 || chunks < -1 { throw ValidationError("--chunks must be -1 or at least 1") }
    if !(0...1).contains(pplOutputType) { throw ValidationError("--ppl-output-type must be 0 or 1") }
    if pplStride < 0 { throw ValidationError("--ppl-stride must be at least 0") }
    if fromChunk < 0 { throw ValidationError("--from-chunk must be at least 0") }
    if fromChunk > 0, pplStride > 0 {
      throw ValidationError("--from-chunk cannot be combined with --ppl-stride")
    }
    if fromChunk > 0, divergence, baseFile != nil {
      throw ValidationError(
        "--from-chunk cannot be combined with reading a base file, whose windows are all used")
    }
    if pplStride > 0, baseFile != nil {
      throw ValidationError("--ppl-stride cannot be combined with --kl-divergence-base; use --base")
    }
    if !(1...65535).contains(baseTopK) { throw ValidationError("--base-top-k must be from 1 to 65535") }
    if base != nil, baseFile != nil {
      throw ValidationError("give one of --base and --kl-divergence-base")
    }
    if divergence, baseFile == nil, base == nil {
      throw ValidationError("--kl-divergence needs --kl-divergence-base or --base")
    }
    if text != nil, corpus != nil { throw ValidationError("give one of -f and --corpus") }
    if text == nil, corpus == nil, !(divergence && baseFile != nil) {
      throw ValidationError("give a text with -f, or --corpus builtin")
    }
    if try PartArgument.read(part) != nil || !join.isEmpty {
      if part != nil, !join.isEmpty { throw ValidationError("--part and --join exclude each other") }
      if part != nil, resume == nil {
        throw ValidationError("--part needs --resume FILE, where its windows are kept")
      }
      if !join.isEmpty, resume != nil { throw ValidationError("--join and --resume exclude each other") }
      if baseFile != nil, !divergence {
        throw ValidationError("a base file is written in one piece, not with --part or --join")
      }
      if part != nil, html != nil {
        throw ValidationError("--part has no result to show; --html goes with --join")
      }
    }
    if baseFile != nil, !divergence, model.count > 1 {
      throw ValidationError("a base file is made from one model")
    }
  }

  func run() throws {
    var command = self
    var opened: [HubArgument] = []
    defer { opened.forEach { $0.close() } }
    func path(of text: String) throws -> String {
      let model = try ModelArgument.open(text, hub, showsProgress: Standard.errorIsTerminal)
      opened.append(model)
      return model.path
    }
    command.model = try model.map(path)
    command.base = try base.map(path)
    try command.measure()
  }

  /// Measures models whose paths are known.
  private func measure() throws {
    Interrupt.watch()
    if let html { try OutputPlace.check(html, subject: "--html", replaces: force) }
    let result: (reports: [ModelReport], isComplete: Bool)
    if let base {
      result = try lockStep(base)
    } else if divergence, let baseFile {
      result = try against(baseFile)
    } else {
      result = try perplexity()
    }
    if json {
      try JSONSchema.perplexity.print(
        PerplexityReport(
          part: part, isComplete: result.isComplete, firstWindow: fromChunk + 1, results: result.reports))
    }
    if let html, result.isComplete {
      let page = LossPage(result.reports, firstWindow: fromChunk + 1).html
      try WritableFile.replace(html, with: Array(page.utf8))
      Standard.error(html)
    }
    if let part, let resume, result.isComplete {
      Standard.error(
        "part \(part) is done, its windows are in \(resume); when all are: "
          + CommandLineText.joining(without: ["--resume"], ["STATES"]))
    }
    if !result.isComplete {
      Standard.error(
        "interrupted; "
          + (resume.map { "the same command goes on from \($0)" }
            ?? "with --resume FILE, such a run can be gone on with"))
      throw ExitCode(130)
    }
  }
}

/// The built-in texts as a flag.
enum CorpusFlag: String, CaseIterable, ExpressibleByArgument {
  case builtin
}

/// The format of base files as a flag.
enum BaseFormatFlag: String, CaseIterable, ExpressibleByArgument {
  case compact
  case full
  case llama

  var format: BaseFormat {
    switch self {
    case .compact: .compact
    case .full: .full
    case .llama: .llama
    }
  }
}
