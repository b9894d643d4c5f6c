import CheckpointConversion
import CommandSupport
import FileBytes
import MixTuning
import ModelEvaluation
import QuantRecipes
import ReferenceRuntime
import TensorTypes
import TextTokenizers

/// A run of the command: a table, mixes of it, and what is made of them.
struct Tuning {
  /// The user asked to stop.
  struct Interrupted: Error {}

  let command: Command
  /// The start of the names of files that are written.
  let name: String

  init(_ command: Command) {
    self.command = command
    name = command.output ?? Self.defaultName(command.model)
  }

  /// The model's name without its ending.
  private static func defaultName(_ model: String) -> String {
    let name = FileSystem.name(of: FileSystem.resolved(model))
    return name.hasSuffix(".gguf") ? String(name.dropLast(5)) : name
  }

  /// The text as windows: those for calibration, and those that are left for measuring.
  struct Windows {
    var text: EvaluationText
    var calibration: TokenWindows
    var rest: TokenWindows?
  }

  func run() throws {
    let budgets = try command.budgets.budgets()
    let recipes = budgets.map { "\(name)-\($0.name).yaml" }
    try checkOutputs(recipes)
    let model = try LoadedModel.open(path: command.model, isLate: true)
    for warning in model.warnings { Standard.error("Warning: \(warning)") }
    let windows = try command.text.map { try self.windows($0, model) }
    let (table, plan) = try command.table.map { try read($0, model, windows) } ?? measure(model, windows)
    let tuner = try MixTuner(
      table, plan: plan, constraints: try command.constraints.constraints(table),
      base: command.constraints.base)
    var results: [TuneReport.Mix] = []
    var mixes: [(name: String, mix: TunedMix)] = []
    for ((ending, budget), path) in zip(budgets, recipes) {
      let recipeName = RecipeName.of(FileSystem.name(of: name) + "-" + ending)
      var found = try tuner.solve(budget, name: recipeName, file: path)
      try WritableFile.replace(path, with: Array(found.written.text.utf8))
      var converted: String?
      if let convert = command.convert {
        let output = convert.replacing("{recipe}", with: recipeName)
        converted = output
        try self.convert(found.written.recipe, plan, to: output, size: found.mix.fileByteCount)
        found.mix.actual = try compare(output, model, windows)
      }
      mixes.append((recipeName, found.mix))
      let result = TuneReport.Mix(
        table, found.mix, name: recipeName, recipe: path, output: converted)
      results.append(result)
      if !command.json { TunePrinter.print(result) }
    }
    if let html = command.html { try writePage(html, table, plan, mixes) }
    if command.json {
      try JSONSchema.tuning.print(
        TuneReport(table, path: command.table ?? tablePath, mixes: results))
    } else if budgets.isEmpty {
      TunePrinter.print(table, path: command.table ?? tablePath)
    }
  }

  // MARK: - Files

  private var tablePath: String { name + ".sensitivity.json" }
  private var importancePath: String { name + ".imatrix.gguf" }

  private func checkOutputs(_ recipes: [String]) throws {
    var paths = recipes.map { ($0, "recipe") }
    if command.table == nil { paths.append((tablePath, "table")) }
    if let html = command.html { paths.append((html, "--html")) }
    for (path, subject) in paths {
      try OutputPlace.check(
        path, subject: Wording(subject), replaces: command.force,
        remedy: subject == "table"
          ? "reuse it with --table, replace it with --force, or choose another name with --output"
          : "replace it with --force, or choose another name")
    }
    guard let twice = recipes.first(where: { name in recipes.count { $0 == name } > 1 }) else { return }
    throw UsageError("budgets", expected: "budgets that differ", found: "\(twice) twice")
  }

  // MARK: - The table

  private func windows(_ path: String, _ model: LoadedModel) throws -> Windows {
    let text = try EvaluationText(path: path)
    let cut = try cutter(text, model)
    let all = try cut(0, nil)
    let count = min(command.chunks ?? (command.test == nil ? all.count / 2 : all.count), all.count)
    return Windows(
      text: text, calibration: try cut(0, count), rest: count < all.count ? try cut(count, nil) : nil)
  }

  /// Cuts a text into windows that the model can read.
  ///
  /// - Returns: A function of the windows that are left out at the start, and of the most windows.
  private func cutter(_ text: EvaluationText, _ model: LoadedModel) throws -> (Int, Int?) throws ->
    TokenWindows
  {
    let tokenizer = try Tokenizer(metadata: try model.metadata())
    let tokens = try text.tokens(tokenizer)
    let length = command.windowLength
    try WindowEvaluator.checkContext(model, length)
    return { skip, limit in
      let windows = try TokenWindows(
        tokens: tokens, length: length, skip: skip, limit: limit,
        beginning: tokenizer.addBOS ? tokenizer.bos : nil, file: text.path)
      try WindowEvaluator.check(model, windows)
      return windows
    }
  }

  private func measure(_ model: LoadedModel, _ windows: Windows?) throws -> (SensitivityTable, TuningPlan) {
    guard let windows else { throw UsageError("-f", expected: "a text", found: "none") }
    let types = try command.constraints.typeNames.map(CandidateTypes.types) ?? CandidateTypes.usual
    var options = SensitivityOptions()
    options.method = command.method.method
    options.mode = command.mode.mode
    options.threads = command.threads
    options.batchLength = command.batchSize
    options.gainWindows = command.gainChunks
    options.limits = limits
    let importance: SensitivityMeasurement.Importance =
      command.noImatrix ? .none : command.imatrix.map { .file($0) } ?? .collected(importancePath)
    let measurement = try SensitivityMeasurement(
      model: model, text: windows.text, windows: windows.calibration, types: types, importance: importance,
      workPath: name, options: options)
    Standard.error(
      "text \(windows.text.path): \(windows.text.byteCount) bytes, xxh64 \(windows.text.hashText); "
        + "\(windows.calibration.protocolText) for calibration"
        + (windows.rest.map { ", \($0.count) left for measuring" } ?? "")
        + "; mode \(command.mode.rawValue), method \(command.method.rawValue)")
    Standard.error(
      "residual streams take \(ByteSize.text(measurement.streamByteCount)) in \(name).streams until the table is done"
    )
    if windows.calibration.count < 32 {
      Standard.error(
        "note: \(windows.calibration.count) windows are few: what a mix loses on other text may be far from what is predicted"
      )
    }
    let bars = ProgressBars(isEnabled: true)
    defer { bars.clear() }
    let clock = ProgressBar(isEnabled: false)
    let (table, plan) = try measurement.table(
      version: pouchVersionNumber,
      onProgress: { bars.update($0) },
      check: { if Interrupt.isRequested { throw Interrupted() } })
    try WritableFile.replace(tablePath, with: try table.encoded())
    measurement.removeWork()
    bars.clear()
    Standard.error("\(tablePath): \(table.rows.count) groups, \(decimals(clock.elapsedSeconds, 1)) s")
    return (table, plan)
  }

  /// The memory.
  private var limits: MeasuringPlan.Limits {
    MeasuringPlan.Limits(
      allowed: command.maxMemory?.byteCount, available: MachineMemory.availableByteCount,
      total: MachineMemory.totalByteCount, held: ProcessMemory.anonymousByteCount)
  }

  private func read(_ path: String, _ model: LoadedModel, _ windows: Windows?) throws -> (
    SensitivityTable, TuningPlan
  ) {
    let table = try SensitivityTable(path: path)
    let importance = try command.imatrix ?? table.importancePath(besides: path)
    try table.check(
      file: path, modelFingerprint: try ModelFingerprint.ofModel(command.model),
      textHash: windows?.text.hashText,
      importanceHash: try importance.map { try SensitivityTable.importanceHash(of: $0) })
    var request = ConversionRequest(source: command.model, outputType: .auto)
    request.importancePath = importance
    let plan = try TuningPlan(request: request, types: table.types, model: model)
    try table.check(file: path, plan: plan)
    return (table, plan)
  }

  // MARK: - The result

  private func convert(_ recipe: Recipe, _ plan: TuningPlan, to path: String, size: Int) throws {
    let prepared = try plan.conversion(to: recipe, path: path)
    let bar = ProgressBar(isEnabled: !command.json)
    defer { bar.clear() }
    let options = ExecutionOptions(
      threadCount: command.threads ?? Processor.threadCount,
      maxMemory: min(command.maxMemory?.byteCount ?? 512_000_000, 512_000_000), force: command.force,
      onProgress: {
        bar.update(done: $0.doneByteCount, total: $0.totalByteCount, alreadyDone: $0.resumedByteCount)
      }, isCancelled: { Interrupt.isRequested })
    _ = try prepared.executor.run(options)
    if Interrupt.isRequested { throw Interrupted() }
  }

  /// Measures a file on text that had no part in the choice.
  private func compare(_ path: String, _ base: LoadedModel, _ windows: Windows?) throws -> TunedMix.Actual {
    let held =
      try command.test.map { try cutter(try EvaluationText(path: $0), base)(0, nil) } ?? windows?.rest
    guard let held else {
      throw UsageError(
        "--convert", expected: "windows of text that are not used for calibration", found: "none",
        remedy: "use fewer --chunks, a longer text, or another one with --test")
    }
    let tested = try LoadedModel.open(path: path, isLate: true)
    let bar = CountProgress(isEnabled: !command.json, unit: "windows")
    defer { bar.clear() }
    let measurement = HeldOutMeasurement(
      windows: held,
      options: EvaluationOptions(
        mode: command.mode.mode, threads: command.threads, batchLength: command.batchSize), limits: limits)
    let actual = try measurement.divergence(of: tested, from: base) { done in
      bar.update(done: done, total: held.count, note: path)
      return !Interrupt.isRequested
    }
    guard let actual else { throw Interrupted() }
    return actual
  }

  private func writePage(
    _ path: String, _ table: SensitivityTable, _ plan: TuningPlan, _ mixes: [(name: String, mix: TunedMix)]
  ) throws {
    let known = try KnownMixes.all(table, plan: plan)
    let page = FrontierPage(table, mixes: mixes, known: known)
    try WritableFile.replace(path, with: Array(page.html.utf8))
  }
}
