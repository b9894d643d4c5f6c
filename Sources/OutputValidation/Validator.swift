internal import BlockQuantization
internal import CheckpointConversion
internal import Dispatch
internal import FileBytes
internal import Foundation
internal import GGUFFormat
internal import ModelDescriptions
public import QuantRecipes
internal import TensorTypes

/// What is validated, and how.
public struct ValidationOptions: Sendable {
  /// What is going on, for progress.
  public enum Stage: String, Sendable {
    case blocks, source, hashes
  }

  /// Threads.
  public var threadCount: Int
  /// The checkpoint folder or GGUF that the file is compared with.
  public var source: String?
  /// How many tensors are compared with the source; `nil` for all.
  public var sampleCount: Int?
  /// The importance matrix that the file was made with.
  public var importancePath: String?
  /// The recipe that the file should have been made by.
  public var recipe: Recipe?
  /// Whether the blocks are read; without it headers alone are checked.
  public var scansBlocks = true
  /// Where a manifest is written.
  public var manifestOutput: String?
  /// The hash functions of a manifest that is written.
  public var manifestHashes: [ManifestHash] = [.xxh64, .sha256]
  /// A manifest that the file is compared with.
  public var manifestInput: String?
  /// Called while bytes are read, from any thread.
  public var onProgress: (@Sendable (_ stage: Stage, _ done: Int, _ total: Int) -> Void)?
  /// Asked between pieces of work.
  public var isCancelled: @Sendable () -> Bool = { false }

  /// Creates options.
  package init(threadCount: Int) { self.threadCount = threadCount }
}

/// Checks a GGUF model: its container, metadata, tensors and blocks, and whether it is what it says it is.
package struct Validator: Sendable {
  /// The file, or the first shard of a set.
  package let path: String
  /// What is done.
  package let options: ValidationOptions

  /// Creates a validator.
  package init(path: String, options: ValidationOptions) {
    self.path = path
    self.options = options
  }

  /// Makes all checks.
  ///
  /// What is wrong with the file is in the report, whatever it is.
  ///
  /// - Throws: `FileError` when the file cannot be read, errors about the *source* or the manifest,
  ///   ``ValidationError`` with `interrupted`, `cannotWrite`, `badManifest` or `foreignManifest`.
  package func run() throws -> ValidationReport {
    var report = ValidationReport(file: path)
    let set: GGUFSplitSet
    switch try StructureCheck.open(path) {
    case .success(let opened): set = opened
    case .failure(let error):
      report.files = [path]
      report.fileBytes = (try? ReadableFile(path: path))?.byteCount ?? 0
      report.add([StructureCheck.finding(error, path: path)])
      return report
    }
    describe(set, in: &report)
    let (record, complaints) = ProvenanceRecord.read(set.metadata)
    report.provenance = record
    report.add(complaints)
    let expected = ExpectedTypes.find(given: options.recipe, record: &report.provenance)
    report.add(Finding.condensed(try headerFindings(set, expected, &report)))
    var zeros: [ZeroWeights] = []
    if options.scansBlocks {
      let start = DispatchTime.now().uptimeNanoseconds
      let scan = BlockScan(
        set: set, threadCount: options.threadCount, onProgress: progress(.blocks),
        isCancelled: options.isCancelled)
      let result = try scan.run()
      report.scan = ValidationReport.Scan(
        bytes: scan.totalByteCount, blocks: result.scans.reduce(0) { $0 + $1.blocks },
        seconds: Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9, tensors: result.scans)
      report.add(Finding.condensed(result.findings))
      zeros = result.zeros
    }
    var tallies: [SourceComparer.Tally] = []
    let hasForeignTypes = set.tensors.contains { !$0.info.type.isKnown }
    if hasForeignTypes, options.source != nil {
      report.add([
        Finding(
          .note, .notChecked, "\(.source)", expected: "types whose values are known",
          found: "types of other programs", remedy: "the file is not compared with the source")
      ])
    }
    if let source = options.source, !hasForeignTypes {
      tallies = try compare(set, with: source, expected, in: &report)
    }
    let check = ZeroCheck(
      zeros: zeros, layout: GGUFLayout(set), purposes: set.purposes,
      madeWithImportance: Self.wasMadeWithImportance(set), tallies: tallies)
    report.add(Finding.condensed(check.findings()))
    try manifests(set, &report)
    return report
  }

  private func progress(_ stage: ValidationOptions.Stage) -> (@Sendable (Int, Int) -> Void)? {
    guard let callback = options.onProgress else { return nil }
    return { done, total in callback(stage, done, total) }
  }

  private func describe(_ set: GGUFSplitSet, in report: inout ValidationReport) {
    report.files = set.files.map(\.file.path)
    report.fileBytes = set.files.reduce(0) { $0 + $1.file.byteCount }
    report.format = "GGUF v\(set.files[0].version)"
    report.architecture = set.value("general.architecture")?.text
    report.tensorCount = set.tensors.count
    report.weights = set.tensors.reduce(0) { $0 + $1.info.elementCount }
  }

  /// Checks that need headers (and padding) alone.
  private func headerFindings(
    _ set: GGUFSplitSet, _ expected: ExpectedTypes?, _ report: inout ValidationReport
  ) throws -> [Finding] {
    var findings = try StructureCheck.padding(set) + StructureCheck.mapping(set)
    let infos = set.tensors.map(\.info)
    let kind = set.value("general.type")?.text
    if kind == VisionTower.fileKind || report.architecture == VisionTower.architecture {
      return findings + VisionCheck(set: set).findings(file: path)
    }
    guard kind == nil || kind == "model" else {
      findings.append(
        Finding(
          .note, .notChecked, "general.type", expected: "a model", found: kind ?? "another kind of file",
          remedy: "its metadata and tensors are not checked"))
      return findings
    }
    let family = ModelFamily.family(metadata: set.metadata)
    let purposes = set.purposes
    var metadata = MetadataCheck(metadata: set.metadata)
    metadata.run(family: family, hasQuantizedTensors: infos.contains { $0.type.isQuantized })
    findings += metadata.findings
    var tokenizer = TokenizerCheck(metadata: set.metadata)
    tokenizer.run(embeddingRows: set.embeddingRows)
    findings += tokenizer.findings
    findings += TensorTypeCheck(tensors: infos, purposes: purposes).findings(
      isKnownArchitecture: family != nil)
    if let family {
      let brokenKeys = metadata.findings.contains { $0.severity == .error && $0.kind != .wrongValue }
      if !brokenKeys {
        var tensors = TensorSetCheck(
          family: family, metadata: set.metadata, tensors: infos, purposes: purposes)
        tensors.run(file: path)
        // What a copy puts right is said with that remedy, whatever else is wrong with the key.
        let mended = Swift.Set(
          tensors.findings.filter { $0.remedy.description == TensorSetCheck.rewriteRemedy }.map(\.subject))
        findings.removeAll { mended.contains($0.subject) }
        findings += tensors.findings.filter { new in !findings.contains { $0.subject == new.subject } }
      }
    } else {
      let known = Swift.Set(ModelFamily.all.map(\.ggufArchitecture)).sorted().joined(separator: ", ")
      findings.append(
        Finding(
          .note, .unknownArchitecture, "general.architecture", expected: "one of \(known)",
          found: report.architecture ?? "no such key", remedy: "names and shapes of tensors are not checked"))
    }
    let recognizer = MixRecognizer(metadata: set.metadata, tensors: infos, purposes: purposes)
    let mix = expected.map { recognizer.run(expecting: $0) } ?? recognizer.run()
    report.mix = mix.mix
    return findings + recipeFindings(report.provenance, expected, mix.findings)
  }

  /// Findings about types, as far as a recipe that is not at hand does not explain them.
  private func recipeFindings(
    _ record: ProvenanceRecord?, _ expected: ExpectedTypes?, _ ofTypes: [Finding]
  ) -> [Finding] {
    guard let record, record.describesFile, let recipe = record.recipe else { return ofTypes }
    let key = "pouch.recipe.name"
    if let given = options.recipe {
      let isSame = given.name == recipe.name && recipe.status != .otherHash && recipe.status != .unknown
      guard !isSame else { return ofTypes }
      let other = Finding(
        .note, .recipe, Wording(key), expected: "\(given.name), as \(.recipe) says",
        found: "\(recipe.name), \(recipe.hash)", remedy: "the file was made by another recipe")
      return ofTypes + [other]
    }
    guard expected == nil else { return ofTypes }
    let found =
      recipe.status == .otherHash
      ? "another text than the built-in recipe \(recipe.name): \(recipe.hash)"
      : "\(recipe.name), which is not built in"
    let note = Finding(
      .note, .recipe, Wording(key), expected: "a recipe that is at hand", found: Wording(found),
      remedy: "give it with \(.recipe) FILE; without it the types are not checked")
    return ofTypes.filter { $0.kind != .mixDeviation && $0.kind != .fileType } + [note]
  }

  private static func wasMadeWithImportance(_ set: GGUFSplitSet) -> Bool {
    set.metadata.contains { $0.key.hasPrefix("quantize.imatrix.") }
  }

  private func compare(
    _ set: GGUFSplitSet, with source: String, _ expected: ExpectedTypes?, in report: inout ValidationReport
  ) throws -> [SourceComparer.Tally] {
    let start = DispatchTime.now().uptimeNanoseconds
    let record = report.provenance
    var plan = try SourcePlan(
      source: source, set: set, importancePath: options.importancePath, recipe: expected?.options.recipe,
      record: record)
    if let finding = options.sampleCount.flatMap({ plan.sample($0) }) { report.add([finding]) }
    var importance = try options.importancePath.map { try SourceImportance(path: $0, record: record) }
    try importance?.settle(plan.pairs, plan: plan.plan)
    let types = Dictionary(plan.pairs.map { ($0.tensor.info.name, $0.tensor.info.type) }) { first, _ in first
    }
    let rows = try PlanRows(plan: plan.plan) { plan.isGGUF && types[$0.name] == $0.sourceType }
    let comparer = SourceComparer(
      set: set, source: plan, importance: importance, threadCount: options.threadCount,
      onProgress: progress(.source), isCancelled: options.isCancelled)
    let (tallies, bufferByteCount) = try comparer.run(rows: rows)
    let madeWithImportance = Self.wasMadeWithImportance(set)
    let judged = SourceJudge(
      tallies: tallies, plan: plan.plan, madeWithImportance: madeWithImportance,
      hasImportance: importance != nil
    ).run()
    let diagnosed = try diagnose(judged, set: set, rows: rows, plan)
    var findings = plan.findings.filter { new in
      !report.findings.contains { $0.kind == new.kind && $0.subject == new.subject }
    }
    findings += diagnosed.findings
    if madeWithImportance, importance == nil, diagnosed.tensors.contains(where: { $0.verdict == .sameRecipe })
    {
      let file = set.value("quantize.imatrix.file")?.text ?? "an importance matrix"
      findings.append(
        Finding(
          .note, .otherRounding, "quantize.imatrix.file",
          expected: "\(.importanceMatrix) with the data that the file was made with",
          found: "none; the file names \(file)", remedy: "with it, the verdict can be \"exact\""))
    }
    let inputs = try record.map {
      try ProvenanceCheck(
        record: $0, sourcePath: source, isGGUF: plan.isGGUF, files: plan.plan.sourceFiles,
        importancePath: options.importancePath
      ).run()
    }
    findings += inputs?.findings ?? []
    let hasOtherTypes = expected != nil && report.mix?.deviations.isEmpty == false
    let compared = diagnosed.tensors
    let verdicts = compared.map(\.verdict)
    let isForeign = verdicts.contains(.notFromSource) || plan.findings.contains { $0.severity == .error }
    let order: [SourceComparison.Verdict] = [.damaged, .sameRecipe]
    let verdict: SourceComparison.Verdict =
      isForeign
      ? .notFromSource : order.first(where: verdicts.contains) ?? (hasOtherTypes ? .otherTypes : .exact)
    let (xx, ee) = tallies.reduce((0.0, 0.0)) { ($0.0 + $1.whole.sums.xx, $0.1 + $1.whole.sums.ee) }
    let exactTensors = verdicts.count { $0 == .exact }
    let weights = tallies.reduce(0) { $0 + $1.pair.tensor.info.elementCount }
    let seconds = Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
    report.against = SourceComparison(
      source: source, verdict: verdict, withImportance: importance != nil, comparedTensors: compared.count,
      exactTensors: exactTensors, weights: weights,
      relativeError: xx > 0 ? (ee / xx).squareRoot() : 0,
      seconds: seconds, bufferBytes: bufferByteCount, inputs: inputs?.match,
      tensors: compared.sorted(by: Self.isWorse))
    report.add(Finding.condensed(findings))
    return tallies
  }

  /// Mismatches first, then by relative error.
  private static func isWorse(_ a: SourceComparison.Tensor, _ b: SourceComparison.Tensor) -> Bool {
    func rank(_ tensor: SourceComparison.Tensor) -> Int {
      switch tensor.verdict {
      case .notFromSource: 0
      case .damaged: 1
      case .sameRecipe, .otherTypes, .exact: 2
      }
    }
    if rank(a) != rank(b) { return rank(a) < rank(b) }
    return a.relativeError == b.relativeError ? a.name < b.name : a.relativeError > b.relativeError
  }

  /// The most tensors that are explained one by one; more than that is another model.
  private static let explainedTensors = 64

  private func diagnose(
    _ judged: [SourceJudge.Judged], set: GGUFSplitSet, rows: PlanRows, _ source: SourcePlan
  ) throws -> (tensors: [SourceComparison.Tensor], findings: [Finding]) {
    let diagnosis = Diagnosis(
      reader: ProbeReader(
        set: set, rows: rows, threadCount: options.threadCount, isCancelled: options.isCancelled),
      maker: HypothesisMaker(source), plan: source.plan)
    var tensors: [SourceComparison.Tensor] = []
    var findings: [Finding] = []
    var explained = 0
    var others: [String] = []
    for item in judged {
      var tensor = item.tensor
      if let damage = item.damage {
        tensor.diagnosis = "damaged: " + damage.place
        findings.append(damage)
      }
      if let mismatch = item.mismatch {
        if explained < Self.explainedTensors {
          let finding = try diagnosis.explain(mismatch)
          tensor.diagnosis = finding.found.description
          findings.append(finding)
          explained += 1
        } else {
          others.append(tensor.name)
        }
      }
      tensors.append(tensor)
    }
    if !others.isEmpty {
      findings.append(
        Finding(
          .error, .notFromSource, shortList(others, limit: 5), expected: "the values that the source gives",
          found: "\(others.count) more tensors with other values",
          remedy: "the file was made from another model"))
    }
    return (tensors, Self.summarized(findings, of: judged.count))
  }

  /// Many tensors without an explanation are one finding.
  private static func summarized(_ findings: [Finding], of count: Int) -> [Finding] {
    let plain = findings.filter { $0.kind == .notFromSource }
    guard plain.count > 5, let first = plain.first else { return findings }
    var merged = first
    merged.subject = Wording(shortList(plain.map(\.subject.description), limit: 5))
    merged.found = "\(plain.count) of \(count) tensors hold other values; the first one: " + first.found
    return findings.filter { $0.kind != .notFromSource } + [merged]
  }

  private func manifests(_ set: GGUFSplitSet, _ report: inout ValidationReport) throws {
    func make(_ hashes: [ManifestHash]) throws -> Manifest {
      try ManifestMaker(
        set: set, hashes: hashes, threadCount: options.threadCount, onProgress: progress(.hashes),
        isCancelled: options.isCancelled
      ).run()
    }
    if let input = options.manifestInput {
      let bytes = try ReadableFile(path: input)
      guard bytes.byteCount < 1 << 28 else {
        throw ValidationError(
          .badManifest,
          Fault(file: input, expected: "a manifest", found: "a file of \(bytes.byteCount) bytes"))
      }
      let text = String(decoding: try bytes.bytes(at: 0, count: bytes.byteCount), as: UTF8.self)
      let stated = try Manifest(parsing: text, file: input)
      let hashes = ManifestHash.allCases.filter { hash in stated.lines.contains { $0.hash == hash } }
      let (result, findings) = try stated.check(against: try make(hashes), path: input)
      report.manifest = result
      report.add(findings)
    }
    if let output = options.manifestOutput {
      do {
        try Data(try make(options.manifestHashes).text.utf8).write(
          to: URL(fileURLWithPath: output), options: .atomic)
      } catch let error as any FaultError {
        throw error
      } catch {
        throw ValidationError(
          .cannotWrite,
          Fault(file: output, expected: "to write the manifest", found: "\(error.localizedDescription)"))
      }
    }
  }
}
