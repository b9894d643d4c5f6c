import ArgumentParser
import CommandSupport
import FileBytes
import ModelEvaluation
import ReferenceRuntime
import TensorCompute
import TextTokenizers

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
      """)

  @Option(
    name: [.customShort("m"), .long],
    help: "A GGUF file, the first shard of one, or a checkpoint folder; repeatable.")
  var model: [String]

  @Option(name: [.customShort("f"), .customLong("file")], help: "The text.")
  var text: String?

  @Option(name: [.customShort("c"), .customLong("ctx-size")], help: "Tokens per window.")
  var contextSize = 512

  @Option(help: "The most windows; -1 for all.")
  var chunks = -1

  @Option(name: [.customShort("b"), .long], help: "The most tokens computed together.")
  var batchSize = 512

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

  @Option(help: "The most tokens listed per position of a compact base file.")
  var baseTopK = 256

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    if model.isEmpty { throw ValidationError("give at least one -m") }
    if let threads, threads < 1 { throw ValidationError("--threads must be at least 1") }
    if batchSize < 1 { throw ValidationError("--batch-size must be at least 1") }
    if contextSize < 4 { throw ValidationError("--ctx-size must be at least 4") }
    if chunks == 0 || chunks < -1 { throw ValidationError("--chunks must be -1 or at least 1") }
    if !(1...65535).contains(baseTopK) { throw ValidationError("--base-top-k must be from 1 to 65535") }
    if base != nil, baseFile != nil {
      throw ValidationError("give one of --base and --kl-divergence-base")
    }
    if divergence, baseFile == nil, base == nil {
      throw ValidationError("--kl-divergence needs --kl-divergence-base or --base")
    }
    if text == nil, !(divergence && baseFile != nil) { throw ValidationError("give a text with -f") }
    if baseFile != nil, !divergence, model.count > 1 {
      throw ValidationError("a base file is made from one model")
    }
  }

  var options: EvaluationOptions {
    EvaluationOptions(mode: mode.mode, threads: threads, batchLength: batchSize)
  }
  var limit: Int? { chunks < 0 ? nil : chunks }

  func run() throws {
    Interrupt.watch()
    let reports: [ModelReport]
    if let base {
      reports = try lockStep(base)
    } else if divergence, let baseFile {
      reports = try against(baseFile)
    } else {
      reports = try model.map { try perplexity($0) }
    }
    if json { Standard.output(try JSONText.encode(reports)) }
    if Interrupt.isRequested { throw ExitCode(130) }
  }

  func open(_ path: String) throws -> LoadedModel {
    let model = try LoadedModel.open(path: path)
    for warning in model.warnings { Standard.error("Warning: \(warning)") }
    return model
  }

  func readText() throws -> EvaluationText { try EvaluationText(path: text ?? "") }

  /// Cuts the text into windows and prints the protocol.
  func windows(_ text: EvaluationText, _ tokens: [Int32], _ tokenizer: Tokenizer) throws -> TokenWindows {
    let windows = try TokenWindows(
      tokens: tokens, length: contextSize, limit: limit, beginning: tokenizer.addBOS ? tokenizer.bos : nil,
      file: text.path)
    Standard.error(
      "text \(text.path): \(text.byteCount) bytes, xxh64 \(text.hashText), \(tokens.count) tokens; "
        + protocolText(windows))
    return windows
  }

  func protocolText(_ windows: TokenWindows) -> String {
    "\(windows.count) windows of \(windows.length) tokens, \(windows.scoredPerWindow) scored in each; "
      + "mode \(mode.rawValue)"
  }

  private func perplexity(_ path: String) throws -> ModelReport {
    let text = try readText()
    let model = try open(path)
    let tokenizer = try Tokenizer(metadata: try model.metadata())
    let tokens = try text.tokens(tokenizer)
    let windows = try windows(text, tokens, tokenizer)
    let writer = try baseFile.map {
      try BaseFileWriter(
        path: $0, format: fullBase ? .full : baseFormat.format, windows: windows,
        vocabularySize: model.shape.vocabularySize, textHash: text.hash, listedTokens: baseTopK)
    }
    if self.model.count > 1, !json { Standard.output("model \(path)") }
    let evaluator = try WindowEvaluator(model, length: contextSize, options: options)
    let clock = ProgressBar(isEnabled: false)
    let result = try PerplexityRun(windows: windows, base: writer).run(evaluator) { done, soFar in
      if !json { Standard.outputText("[\(done)]\(decimals(soFar.value, 4)),") }
      return !Interrupt.isRequested
    }
    if !json {
      Standard.output(
        "\nFinal estimate: PPL = \(decimals(result.value, 4)) +/- \(decimals(result.uncertainty, 5))")
    }
    Standard.error("\(decimals(clock.elapsedSeconds, 1)) s")
    if let writer, let size = try writer.finish() {
      Standard.error("\(writer.path): \(size) bytes, format \(fullBase ? "full" : baseFormat.rawValue)")
    }
    return ModelReport(
      model: path, text: text, windows: windows, tokenCount: tokens.count, mode: mode.rawValue,
      perplexity: result, seconds: clock.elapsedSeconds)
  }

  private func lockStep(_ basePath: String) throws -> [ModelReport] {
    let text = try readText()
    let base = try open(basePath)
    let tokenizer = try Tokenizer(metadata: try base.metadata())
    let tokens = try text.tokens(tokenizer)
    let windows = try windows(text, tokens, tokenizer)
    let models = try model.map { path in
      let model = try open(path)
      let own = try text.tokens(try Tokenizer(metadata: try model.metadata()))
      guard own == tokens else {
        throw EvaluationError(
          .tokenizerMismatch,
          Fault(
            file: path, subject: "tokenizer", expected: "the \(tokens.count) tokens of \(basePath)",
            found: "\(own.count) tokens, some of them others", remedy: "compare models with one tokenizer"))
      }
      return try WindowEvaluator(model, length: contextSize, options: options)
    }
    let baseEvaluator = try WindowEvaluator(base, length: contextSize, options: options)
    let clock = ProgressBar(isEnabled: false)
    if !json, models.count == 1 { Standard.output(DivergencePrinter.header) }
    let results = try DivergenceRun(windows: windows).run(models, base: baseEvaluator) { done, soFar in
      if !json, models.count == 1 {
        Standard.output(DivergencePrinter(soFar[0]).windowLine(done))
      } else if done % 16 == 0 {
        Standard.error("\(done) of \(windows.count) windows")
      }
      return !Interrupt.isRequested
    }
    let seconds = clock.elapsedSeconds
    for (path, statistics) in zip(model, results) where !json {
      if models.count > 1 { Standard.output("\nmodel \(path)") }
      for line in DivergencePrinter(statistics).lines { Standard.output(line) }
    }
    if !json, models.count > 1 {
      DivergencePrinter.table(Array(zip(model, results))).forEach(Standard.output)
    }
    Standard.error("\(decimals(seconds, 1)) s")
    return zip(model, results).map { path, statistics in
      ModelReport(
        model: path, base: basePath, text: text, windows: windows, tokenCount: tokens.count,
        mode: mode.rawValue, statistics: statistics, seconds: seconds)
    }
  }

  private func against(_ file: String) throws -> [ModelReport] {
    try model.map { path in
      let model = try open(path)
      let tokenizer = try Tokenizer(metadata: try model.metadata())
      let reader = try BaseFileReader(path: file, beginning: tokenizer.addBOS ? tokenizer.bos : nil)
      let windows = reader.windows(limit: limit)
      Standard.error(
        "base \(file), format \(reader.format.rawValue), vocabulary \(reader.vocabularySize); "
          + protocolText(windows))
      let text = try text.map { _ in try readText() }
      if let text {
        let tokens = try text.tokens(tokenizer)
        guard tokens.starts(with: windows.tokens) else {
          throw EvaluationError(
            .tokenizerMismatch,
            Fault(
              file: file, subject: "tokens", expected: "the tokens of \(text.path)", found: "others",
              remedy: "leave out -f, or make the base file again from this text"))
        }
      }
      let evaluator = try WindowEvaluator(model, length: windows.length, options: options)
      let clock = ProgressBar(isEnabled: false)
      if !json { Standard.output((self.model.count > 1 ? "model \(path)\n" : "") + DivergencePrinter.header) }
      let result = try DivergenceRun(windows: windows).run(evaluator, base: reader) { done, soFar in
        if !json { Standard.output(DivergencePrinter(soFar).windowLine(done)) }
        return !Interrupt.isRequested
      }
      if !json { DivergencePrinter(result).lines.forEach(Standard.output) }
      Standard.error("\(decimals(clock.elapsedSeconds, 1)) s")
      return ModelReport(
        model: path, base: file, text: text, windows: windows, tokenCount: windows.tokens.count,
        mode: mode.rawValue, statistics: result, seconds: clock.elapsedSeconds)
    }
  }
}

/// The compute mode as a flag.
enum ComputeModeFlag: String, CaseIterable, ExpressibleByArgument {
  case exact
  case fast

  var mode: ComputeMode { self == .exact ? .exact : .fast }
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
