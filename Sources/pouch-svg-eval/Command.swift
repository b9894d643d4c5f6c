import ArgumentParser
import CommandSupport
import FileBytes
import Foundation
import ModelEvaluation
import ReferenceRuntime
import SVGAnalysis
import SVGRendering
import TensorCompute
import TextTokenizers

@main
struct Command: PouchCommand {
  static let configuration = CommandConfiguration(
    commandName: "pouch-svg-eval",
    abstract: "Measures what quantization does to drawings, against the unquantized model.",
    discussion: """
      The base and the models answer prompts that ask for SVG. Layer A: the models read the base's answers, token by \
      token (KL divergence, flips, coordinate errors). Layer B: their own greedy drawings are compared with the base's \
      (structure, geometry, pictures). Layer C: drawings are checked against what the prompt says. Everything is \
      deterministic. Results are kept in the --out folder as they are made: the same command continues a run that was \
      cut off, within answers, too. index.html in it shows all drawings side by side; it loads and runs nothing.

      Answers take the place of windows in --schedule and --max-memory: several are drawn at a time, token by token, and \
      weights are read once for all of them; a model larger than memory is read once for each token of all these \
      answers. windows draws them one by one. Where that takes too long, a larger machine can draw the base's answers: \
      --base-answers takes them from the --out folder of the same command there, whose base may be another file of the \
      same model. A folder of files ID.svg, ID.txt or ID.md, as other engines answered, does, too, with --no-floor.

      Several machines can share the prompts: each answers a --part into an --out folder of its own, and --join scores \
      all of them.

      Examples:
        pouch-svg-eval --base checkpoint -m a.gguf --prompts mine.jsonl --out out
        pouch-svg-eval --base b.gguf -m a.gguf --prompts p.jsonl --limit 9 --out out

      Exit codes: 0 done, 1 failed while working, 2 wrong usage, 3 input rejected, 130 interrupted.
      """,
    version: pouchVersion)

  @Option(help: "The unquantized model: a checkpoint folder or a GGUF file.")
  var base: String?

  @Option(
    name: [.customShort("m"), .long], help: "A model made from the base; repeatable.")
  var model: [String] = []

  @Option(help: "A file of prompts, one JSON object a line; repeatable.")
  var prompts: [String] = []

  @Option(help: "The folder for results and pages.")
  var out: String?

  @Option(
    help: ArgumentHelp(
      "Drawings of another model to score beside the others: a folder of files named after prompt ids.",
      valueName: "name=dir"))
  var include: [String] = []

  @Option(
    help: ArgumentHelp(
      "Take the base's answers from a folder that this command filled elsewhere, or of files named after prompt ids.",
      valueName: "dir"))
  var baseAnswers: String?

  @Option(
    help: ArgumentHelp(
      "Answer the i-th of n parts of the prompts into --out, as one of n commands on one or more machines; --join scores them.",
      valueName: "i/n"))
  var part: String?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Score the answers in the folders of all parts, and put results and pages into --out; the numbers are those of one run.",
      valueName: "folders"))
  var join: [String] = []

  @Option(help: "The most prompts taken from each file.")
  var limit: Int?

  @Option(name: [.customShort("n"), .customLong("predict")], help: "The most tokens of an answer.")
  var predict = 1024

  @Option(help: "exact: f32 activations; fast: 8-bit activations, as deployed engines compute.")
  var mode = ComputeModeFlag.fast

  @Option(name: [.customShort("t"), .long], help: "Threads; all cores by default.")
  var threads: Int?

  @Option(help: "Seeded draws per prompt besides the greedy answer.")
  var samples = 0

  @Option(name: [.customLong("temp"), .customLong("temperature")], help: "The temperature of the draws.")
  var temperature: Float = 0.8

  @Option(name: [.customShort("s"), .long], help: "The seed of the first draw.")
  var seed: UInt32 = 1

  @OptionGroup var cache: CacheArguments

  @OptionGroup var measuring: MeasuringArguments

  @Flag(inversion: .prefixedNo, help: "Run the base with a 16-bit cache too, as the noise floor.")
  var floor = true

  @Flag(help: "Give prompts to the models as they are, without chat template.")
  var raw = false

  @Option(help: ArgumentHelp("Seconds between two records of unfinished answers.", visibility: .hidden))
  var saveInterval = 60.0

  @Flag(help: "Throw away results of another run in the folder.")
  var force = false

  @Option(
    help: ArgumentHelp(
      "Compare this tool's geometry with librsvg's pictures on a folder of SVG files, and stop.",
      valueName: "dir"))
  var checkGeometry: String?

  @Flag(help: "Print one JSON object.")
  var json = false

  @Flag(name: [.customShort("q"), .customLong("quiet")], help: "Print errors and results alone.")
  var quiet = false

  func validate() throws {
    if checkGeometry != nil { return }
    if base == nil { throw ValidationError("give the unquantized model with --base") }
    if out == nil { throw ValidationError("give a folder for results with --out") }
    if prompts.isEmpty { throw ValidationError("give at least one --prompts") }
    if model.isEmpty, include.isEmpty { throw ValidationError("give at least one -m or --include") }
    if let threads, threads < 1 { throw ValidationError("--threads must be at least 1") }
    if let limit, limit < 1 { throw ValidationError("--limit must be at least 1") }
    if !(1...65_536).contains(predict) { throw ValidationError("--predict must be from 1 to 65536") }
    if !(0...100).contains(samples) { throw ValidationError("--samples must be from 0 to 100") }
    if !temperature.isFinite || temperature <= 0 { throw ValidationError("--temp must be above 0") }
    if try PartArgument.read(part) != nil {
      if !join.isEmpty { throw ValidationError("--part and --join exclude each other") }
      if json { throw ValidationError("--part has no result to print; --json goes with --join") }
    }
    if let out, join.contains(where: { FileSystem.resolved($0) == FileSystem.resolved(out) }) {
      throw ValidationError("--out is a folder of its own, not one of those that are joined")
    }
    if let baseAnswers, let out, FileSystem.resolved(baseAnswers) == FileSystem.resolved(out) {
      throw ValidationError("--base-answers is a folder of another run than --out")
    }
    if Set(model.map(FileSystem.resolved)).count < model.count {
      throw ValidationError("a model is given twice with -m")
    }
  }

  private var options: SVGRunOptions {
    var options = SVGRunOptions()
    options.mode = mode.mode
    options.threads = threads
    options.tokenLimit = predict
    options.sampleCount = samples
    options.temperature = temperature
    options.seed = seed
    options.usesChatTemplate = !raw
    options.secondsBetweenSaves = saveInterval
    options.request = MeasuringPlan.Request(rawValue: measuring.schedule.rawValue) ?? .auto
    options.limits = MeasuringPlan.Limits(
      allowed: measuring.maxMemory?.byteCount, available: MachineMemory.availableByteCount,
      total: MachineMemory.totalByteCount, held: ProcessMemory.anonymousByteCount)
    return options
  }

  func run() throws {
    var command = self
    command.model = try model.map { try ModelArgument.path(of: $0) }
    command.base = try base.map { try ModelArgument.path(of: $0) }
    try command.evaluate()
  }

  /// Evaluates models whose paths are known.
  private func evaluate() throws {
    Interrupt.watch()
    if let checkGeometry { return try GeometryCheck.run(folder: checkGeometry, json: json) }
    guard let base, let out else { return }
    // Parts keep answers alone; whoever joins them makes the pictures. Whether that can be done is known at the start.
    let renderer = try part == nil ? LibrsvgRenderer() : nil
    let set = try PromptSet(paths: prompts, limit: limit)
    var labels = LabelMaker()
    let included = try include.map { try IncludedFolder.read($0, prompts: set, labels: &labels) }
    let given = try baseAnswers.map { try Self.givenAnswers($0, set) }
    let contestants = try contestants(base, &labels)
    try OutputFolder.create(out)
    let runner = try SVGRunner(
      prompts: set, contestants: contestants, folder: out, options: options, given: given,
      division: try division(), version: pouchVersionNumber, force: force)
    if !quiet { for note in runner.notes { Standard.error("note: \(note)") } }
    let clock = ProgressBar(isEnabled: false)
    let line = WorkLine(isEnabled: !quiet && !json)
    let isComplete = try runner.run { progress in
      line.update(progress)
      return !Interrupt.isRequested
    }
    line.clear()
    guard isComplete else {
      Standard.error("Interrupted; the same command continues.")
      throw ExitCode(130)
    }
    if let part {
      let joining = CommandLineText.joining(without: ["--out"], ["FOLDERS", "--out", "RESULTS"])
      if !quiet {
        Standard.error("part \(part) is done, its answers are in \(out); when all are: \(joining)")
      }
      return
    }
    let runSeconds = clock.elapsedSeconds
    guard let renderer else { return }
    let results = SVGResults(runner, included: included) { drawing in
      guard let image = try? renderer.render(drawing, width: 256, height: 256) else { return nil }
      return PixelImage(width: image.width, height: image.height, rgba: image.rgba)
    }
    let report = try RunReport(command: self, prompts: set, results: results, renderer: renderer)
    let text = try JSONSchema.drawings.text(report)
    try WritableFile.replace(out + "/results.json", with: Array((text + "\n").utf8))
    try OutputFolder.writeDrawings(results, to: out, renderer)
    try WritableFile.replace(
      out + "/index.html", with: Array(try Page(report, results).html().utf8))
    if json {
      try JSONSchema.drawings.print(report)
    } else {
      for line in TablePrinter(report, results).lines { Standard.output(line) }
    }
    if !quiet {
      Standard.error(
        "\(out)/index.html\n\(decimals(runSeconds, 1)) s for answers, "
          + "\(decimals(clock.elapsedSeconds - runSeconds, 1)) s for scores and pages")
    }
  }

  private func division() throws -> SVGRunner.Division {
    if let part = try PartArgument.read(part) { return .part(part) }
    guard !join.isEmpty else { return .none }
    return .joining(folders: join) { part, folder in
      CommandLineText.making(part, ["--out", folder ?? "NEW-FOLDER"])
    }
  }

  private static func givenAnswers(_ folder: String, _ prompts: PromptSet) throws -> GivenAnswers {
    if FileSystem.isFile("\(folder)/\(GivenAnswers.journalName)") { return .run(folder: folder) }
    return .texts(folder: folder, answers: try IncludedFolder.answers(in: folder, prompts: prompts))
  }

  private func contestants(_ base: String, _ labels: inout LabelMaker) throws -> [SVGContestant] {
    func open(_ path: String, _ kind: SVGContestant.Kind, _ label: String) throws -> SVGContestant {
      let model = try LoadedModel.open(path: path, isLate: true)
      for warning in model.warnings { Standard.error("Warning: \(warning)") }
      return SVGContestant(
        label: label, kind: kind, mode: mode.mode, model: model,
        tokenizer: try Tokenizer(metadata: try model.metadata()), identity: try ModelFingerprint.ofModel(path)
      )
    }
    let first = try open(base, .base, labels.label(base))
    var result = [first]
    if floor, !model.isEmpty {
      result.append(
        SVGContestant(
          label: labels.label("base, f16 cache"), kind: .floor, mode: mode.mode, model: first.model,
          tokenizer: first.tokenizer, identity: first.identity))
    }
    let (key, value) = try cache.types()
    let wanted = CacheType(key: key, value: value)
    for path in model {
      let next = try open(path, .tested, labels.label(path))
      guard !result.contains(where: { $0.kind == .tested && $0.identity == next.identity }) else {
        throw UsageError("--model", expected: "models that differ", found: "\(path), a copy of another")
      }
      result.append(next)
      // What the cache costs on top of the weights.
      guard wanted != .f32 else { continue }
      try wanted.check(next.model)
      result.append(
        SVGContestant(
          label: labels.label("\(next.label), \(wanted) cache"), kind: .tested, mode: mode.mode,
          model: next.model, tokenizer: next.tokenizer, identity: next.identity, cacheType: wanted))
    }
    return result
  }
}
