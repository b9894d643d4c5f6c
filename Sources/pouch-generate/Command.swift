import ArgumentParser
import CommandSupport
import Dispatch
import FileBytes
import Foundation
import ReferenceRuntime
import TensorCompute
import TensorTypes
import TextTokenizers

@main
struct Command: PouchCommand {
  static let configuration = CommandConfiguration(
    commandName: "pouch-generate",
    abstract: "Continues a prompt with a model: a GGUF file or a checkpoint folder.",
    discussion: """
      Text goes to standard output as it is made, timings to standard error. Flags, defaults and the order of the \
      sampling steps are llama.cpp's. Equal prompts, seeds and modes give equal text on every machine and for every \
      number of threads.

      Examples:
        pouch-generate -m model-Q4_K_M.gguf -p "Draw a pelican as SVG."
        pouch-generate -m checkpoint -p "Once upon a time" --raw -n 64 --temp 0
        pouch-generate -m a.gguf --tokens 1,2,3 --mode exact --logits logits.npy

      Exit codes: 0 done, 1 failed while working, 2 wrong usage, 3 input rejected, 130 interrupted.
      """,
    version: pouchVersion)

  @Option(
    name: [.customShort("m"), .long], help: "A GGUF file, the first shard of one, or a checkpoint folder.")
  var model: String

  @OptionGroup var prompt: PromptOptions
  @OptionGroup var sampling: SamplingFlags

  @Option(
    name: [.customShort("n"), .customLong("predict")], parsing: .unconditional,
    help: "The most tokens to make; -1 for no limit.")
  var predict: Int?

  @Option(
    name: [.customShort("c"), .customLong("ctx-size")], parsing: .unconditional,
    help: ArgumentHelp(
      "The context in tokens; 0 for the model's own.",
      discussion: """
        By default as much as the prompt and -n need. Without -n 4096, or the model's own where that is shorter; a \
        longer prompt gets what it needs and 512 tokens more. Beyond the context that the model was made for, a note \
        says so.
        """))
  var contextSize: Int?

  @Option(name: [.customShort("t"), .long], help: "Threads; all cores by default.")
  var threads: Int?

  @Option(help: "exact: f32 activations; fast: 8-bit activations, as deployed engines compute.")
  var mode = ComputeModeFlag.fast

  @OptionGroup var cache: CacheArguments

  @Option(name: [.customShort("b"), .long], help: "The most prompt tokens computed together.")
  var batchSize = 512

  @Option(help: "Write the f32 logits of all prompt positions to this NumPy file.")
  var logits: String?

  @Flag(help: "Replace an existing --logits file.")
  var force = false

  @Flag(help: "Show special tokens in the output.")
  var special = false

  @Flag(help: "Print one JSON object with text, tokens, timings and memory instead of streaming.")
  var json = false

  func validate() throws {
    if let threads, threads < 1 { throw ValidationError("--threads must be at least 1") }
    if batchSize < 1 { throw ValidationError("--batch-size must be at least 1") }
    if let contextSize, contextSize < 0 { throw ValidationError("--ctx-size must be at least 0") }
    if let predict, predict < -1 { throw ValidationError("--predict must be at least -1") }
    if let logits, logits.isEmpty { throw ValidationError("--logits needs a file name") }
  }

  func run() throws {
    Interrupt.watch()
    let cacheType = try CacheType(cache)
    if let logits { try OutputPlace.check(logits, subject: "--logits", replaces: force) }
    let start = DispatchTime.now().uptimeNanoseconds
    let model = try LoadedModel.open(path: try ModelArgument.path(of: model))
    try cacheType.check(model)
    for warning in model.warnings { Standard.error("Warning: \(warning)") }
    let tokenizer = try prompt.tokenizer(for: model)
    let loadSeconds = Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
    let (tokens, ends) = try prompt.tokens(tokenizer)

    // Logits alone are wanted unless a number of tokens is asked for.
    let limit = predict ?? (logits == nil ? -1 : 0)
    let context = ContextLength(
      wanted: contextSize, own: model.contextLength, promptCount: tokens.count, limit: limit)
    if let note = context.note { Standard.error("note: " + note) }
    let session = try Session(
      model: model, contextLength: context.tokens,
      mode: mode.mode, threads: threads, cacheType: cacheType, batchLength: batchSize)
    let options = sampling.options(metadata: (try? model.metadata()) ?? [])
    let generation = TextGeneration(
      sampling: options, tokenLimit: limit < 0 ? nil : limit, stopTokens: ends)
    let writer = try logits.map {
      try FloatTableWriter(path: $0, rowCount: tokens.count, rowLength: model.vocabularySize)
    }

    var decoder = tokenizer.map { StreamingDecoder($0, showSpecial: special) }
    var text = ""
    func show(_ piece: String) {
      text += piece
      if !json { Standard.outputText(piece) }
    }
    let report = try generation.run(
      prompt: tokens, session: session, promptLogits: writer.map { writer in { try writer.append($0) } }
    ) { token in
      if decoder != nil { show(decoder?.append(token) ?? "") } else { show("\(token) ") }
      return !Interrupt.isRequested
    }
    try writer?.finish()
    show(decoder?.finish() ?? "")
    if json {
      try JSONSchema.generation.print(
        GenerateReport(
          command: self, session: session, prompt: tokens, text: text, options: options, report: report,
          notes: [context.note].compactMap(\.self), loadSeconds: loadSeconds))
    } else {
      if !text.isEmpty, !text.hasSuffix("\n") { Standard.outputText("\n") }
      Standard.error(summary(report, options, loadSeconds))
    }
    if Interrupt.isRequested { throw ExitCode(130) }
  }

  private func summary(_ report: GenerationReport, _ options: SamplingOptions, _ loadSeconds: Double)
    -> String
  {
    "\nprompt \(report.promptTokenCount) tokens, \(decimals(report.prefillTokensPerSecond, 1)) tokens/s; "
      + "generated \(report.tokens.count) tokens (\(report.stopReason.rawValue)), "
      + "\(decimals(report.decodeTokensPerSecond, 1)) tokens/s; load \(decimals(loadSeconds, 3)) s; "
      + "peak memory \(ByteSize.text(ProcessMemory.peakResidentByteCount)); seed \(options.seed)"
  }
}
