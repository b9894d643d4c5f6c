package import CheckpointConversion
internal import FileBytes
internal import ImportanceData
internal import ModelDescriptions
package import ModelEvaluation
package import ReferenceRuntime
package import TensorTypes

/// Measures the sensitivities of a model: from a model and a text to a table.
///
/// First the unperturbed model reads the text, layer by layer; the residual streams of some windows stay on disk at every boundary
/// between branches, and importance data are collected on the way when they are wanted. Then, layer by layer, groups are quantized,
/// to the bytes that a file would hold, and the kept windows are taken through one branch (``SensitivityTable/Method/local``) or
/// through all that follow.
package struct SensitivityMeasurement {
  /// Where importance data come from.
  package enum Importance: Hashable, Sendable {
    /// From a file.
    case file(String)
    /// They are collected on the way, and written to a file.
    case collected(String)
    /// There are none.
    case none

    /// The file.
    package var path: String? {
      switch self {
      case .file(let path), .collected(let path): path
      case .none: nil
      }
    }
  }

  /// How far a measurement is.
  package struct Progress: Hashable, Sendable {
    /// What is counted: `windows` while the text is read, then `measurements`.
    package var unit: String
    /// How many are done, those of an earlier run included.
    package var done: Int
    /// How many there are.
    package var total: Int
    /// What is being measured.
    package var note: String
  }

  private let model: LoadedModel
  private let text: EvaluationText
  private let windows: TokenWindows
  private let types: [TensorType]
  private let importance: Importance
  private let options: SensitivityOptions
  /// Where unfinished work lies: `PATH.state` and `PATH.streams`.
  private let workPath: String

  /// Describes a measurement.
  ///
  /// - Parameters:
  ///   - model: The model, at 16 bits, opened late.
  ///   - text: The text.
  ///   - windows: Its windows, those for calibration alone.
  ///   - types: The candidate types.
  ///   - importance: Where importance data come from.
  ///   - workPath: The start of the names of files for unfinished work.
  ///   - options: How it is done.
  /// - Throws: ``TuningError`` with `textTooShort`.
  package init(
    model: LoadedModel, text: EvaluationText, windows: TokenWindows, types: [TensorType],
    importance: Importance, workPath: String, options: SensitivityOptions
  ) throws {
    guard windows.count >= 2 else {
      throw TuningError(
        .textTooShort,
        Fault(
          file: text.path, expected: "at least two windows of \(windows.length) tokens for calibration",
          found: "\(windows.count)",
          remedy: "use a longer text, more \(.windowCount) or a shorter \(.windowLength)"))
    }
    self.model = model
    self.text = text
    self.windows = windows
    self.types = types
    self.importance = importance
    self.workPath = workPath
    self.options = options
  }

  /// Bytes on disk that residual streams take until the table is done.
  package var streamByteCount: Int {
    let kept = SensitivityRun.keptWindows(windows.count, options: options).count
    return 4 * model.architecture.hiddenSize * windows.length * kept
      * (2 * model.architecture.layers.count + 1)
  }

  /// What is asked of conversions.
  package var request: ConversionRequest {
    var request = ConversionRequest(source: model.source, outputType: .auto)
    request.importancePath = importance.path
    return request
  }

  /// Measures, or goes on with a measurement that was interrupted.
  ///
  /// - Parameters:
  ///   - version: The version of Pouch.
  ///   - onProgress: Called between pieces of work.
  ///   - check: Called often; throws to end the measurement, which the same call goes on with.
  /// - Returns: The table, settled, and the plan that it is of.
  /// - Throws: `RuntimeError`, `EvaluationError`, `ResumeLogError`, `FileError`, ``TuningError``, what the closures throw.
  package func table(
    version: String, onProgress: @escaping (Progress) -> Void, check: @escaping () throws -> Void
  ) throws -> (table: SensitivityTable, plan: TuningPlan) {
    // What cannot be planned is not worth reading a text for.
    var unweighted = request
    if case .collected = importance { unweighted.importancePath = nil }
    _ = try TuningPlan(request: unweighted, types: types, model: model)
    let modelHash = try ModelFingerprint.ofModel(model.source)
    var fingerprint = Fingerprint(
      version: version, task: "sensitivities",
      procedure: "\(windows.protocolText), mode \(options.mode)", text: text, windows: [windows],
      models: [modelHash])
    fingerprint.add("the method", options.method.rawValue)
    fingerprint.add("the types", types.map(\.name).joined(separator: " "))
    fingerprint.add("the windows for gains", options.gainWindows.map { "\($0)" } ?? "usual")
    switch importance {
    case .file(let path):
      fingerprint.add("the importance data", XXHash64.text(try ConversionPlanner.importanceHash(of: path)))
    case .collected: fingerprint.add("the importance data", "collected")
    case .none: fingerprint.add("the importance data", "none")
    }
    let journal = try SensitivityJournal(path: workPath + ".state", fingerprint: fingerprint)
    let kept = SensitivityRun.keptWindows(windows.count, options: options)
    let runner = try BranchRunner(
      model, windows, kept: kept, streamPath: workPath + ".streams", options: options)
    runner.check = check
    try trace(runner, journal, onProgress)
    let plan = try TuningPlan(request: request, types: types, model: model)
    let run = SensitivityRun(plan, runner, journal, options: options) { done, total, note in
      try check()
      onProgress(Progress(unit: "measurements", done: done, total: total, note: note))
    }
    let (rows, gains) = try run.rows()
    let table = SensitivityTable(
      pouchVersion: version,
      model: SensitivityTable.Model(
        name: FileSystem.name(of: model.source), fingerprint: modelHash,
        architecture: plan.plan.architecture,
        layers: model.architecture.layers.count, weights: plan.plan.weightCount),
      text: SensitivityTable.Text(
        name: FileSystem.name(of: text.path), hash: text.hashText, windows: windows.count,
        windowLength: windows.length),
      importance: try importance.path.map {
        SensitivityTable.Importance(
          name: FileSystem.name(of: $0), hash: XXHash64.text(try ConversionPlanner.importanceHash(of: $0)))
      }, method: options.method, fixedByteCount: plan.fixedByteCount, rows: rows, gains: gains)
    return (table.settled(), plan)
  }

  /// Removes what was kept for the case of an interruption.
  package func removeWork() {
    for ending in [".state", ".streams"] { FileSystem.remove(workPath + ending) }
  }

  /// Reads the text with the unperturbed model, unless an earlier run did.
  private func trace(
    _ runner: BranchRunner, _ journal: SensitivityJournal, _ onProgress: (Progress) -> Void
  ) throws {
    let hasStreams = runner.streams.file.currentByteCount() == runner.streams.byteCount
    var hasImportance = true
    if case .collected(let path) = importance {
      // The hash was recorded with the file: another one in its place is not used.
      let hash = try? ConversionPlanner.importanceHash(of: path)
      hasImportance = hash.map { journal["importance \($0)"] != nil } ?? false
    }
    guard journal["trace"] == nil || !hasStreams || !hasImportance else { return }
    var collector: ImportanceCollector?
    if case .collected = importance {
      collector = ImportanceCollector(expertCount: model.expertCount ?? 0)
      collector?.addDataset(FileSystem.name(of: text.path))
    }
    let total = collector == nil ? runner.kept.count : windows.count
    onProgress(Progress(unit: "windows", done: 0, total: total, note: "reading the text"))
    try runner.trace(collector) {
      onProgress(Progress(unit: "windows", done: $0, total: total, note: "reading the text"))
    }
    if let collector, case .collected(let path) = importance {
      try WritableFile.replace(
        path, with: try collector.file(chunkSize: windows.length).encodedAsGGUF())
      try journal.add("importance \(try ConversionPlanner.importanceHash(of: path))", [])
    }
    try journal.add("trace", [])
  }
}
