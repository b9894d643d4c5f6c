internal import FileBytes
internal import QuantRecipes
internal import TensorTypes

/// Turns a request into a plan: all checks that can fail, and no weights read.
package enum ConversionPlanner {
  /// The name that stands for the type in file names.
  static func typeName(_ mix: StockMix, recipe: Recipe?, intermediate: TensorType) -> String {
    mix == .copy ? intermediate.name.uppercased() : recipe?.name ?? mix.rawValue
  }

  /// Puts the type into an output path given by the user.
  static func expand(_ path: String, typeName: String) -> String {
    path
      .replacing("{ftype}", with: typeName.lowercased()).replacing("{outtype}", with: typeName.lowercased())
      .replacing("{FTYPE}", with: typeName).replacing("{OUTTYPE}", with: typeName)
      .replacing("{recipe}", with: typeName)
  }

  /// The path of an output: the one that the user gave, with a name of its own in it where that is a folder.
  ///
  /// - Parameters:
  ///   - given: The user's path; `nil` without one.
  ///   - typeName: What stands for the type in it.
  ///   - folder: The folder without a path of the user's.
  ///   - name: The name in a folder.
  /// - Returns: The path.
  static func outputPath(_ given: String?, typeName: String, folder: String, name: String) -> String {
    let path = given.map { expand($0, typeName: typeName) } ?? folder
    guard given == nil || FileSystem.kind(of: path) == .folder else { return path }
    return path + (path.hasSuffix("/") ? "" : "/") + name
  }

  /// The importance data that a request names.
  static func importance(_ request: ConversionRequest) throws -> ImportanceProvider? {
    try request.importancePath.map {
      try ImportanceProvider(
        path: $0, include: request.includeWeights, exclude: request.excludeWeights,
        blindExperts: request.blindExperts)
    }
  }

  /// Refuses outputs of which two would have one name, also where only their case tells them apart.
  static func refuseEqualNames(_ outputs: [PreparedConversion]) throws {
    var owners: [String: String] = [:]
    for output in outputs {
      for file in output.plan.files {
        guard let other = owners.updateValue(output.plan.mixName, forKey: file.path.lowercased()) else {
          continue
        }
        let both = other == output.plan.mixName ? "\(other) twice" : "\(other) and \(output.plan.mixName)"
        throw ConversionError(
          .badOption,
          Fault(
            file: file.path, subject: "output", expected: "a name of its own for every output", found: both,
            remedy: "put {ftype} into the name, or name an existing folder; ask for every type once"))
      }
    }
  }

  /// The folder of an output whose path is not given, and what to say about it.
  ///
  /// That is the folder of the source, but for sources in a Hugging Face cache, whose programs own what lies there.
  static func defaultPlace(source: String, _ request: ConversionRequest) -> (
    folder: String, remarks: [String]
  ) {
    guard request.outputPath == nil, ModelFolder(source).isInHubCache else { return (source, []) }
    return (
      ".",
      [
        "the source lies in a Hugging Face cache, which is no place for other files; the output goes to the current folder"
      ]
    )
  }

  /// How a request wants its output split.
  static func split(_ request: ConversionRequest) throws -> SplitChoice {
    guard request.splitMaxByteCount != nil || request.splitMaxTensorCount != nil else { return .single }
    guard request.splitMaxByteCount != 0 else {
      throw ConversionError(
        .badOption, Fault(subject: "\(.splitMaxByteCount)", expected: "more than 0 bytes", found: "0"))
    }
    return .limits(
      maxByteCount: request.splitMaxByteCount, maxTensorCount: request.splitMaxTensorCount,
      tensorsInFirst: !request.noTensorFirstSplit)
  }

  /// Completes a draft: importance data, types, layout, fingerprint.
  static func finish(
    _ draft: PlanDraft, request: ConversionRequest, mix: StockMix, outputPath: String, split: SplitChoice,
    importance: ImportanceProvider?, pruning: PrunedMetadata? = nil, decisions: [TypeDecision]? = nil
  ) throws -> PreparedConversion {
    guard !outputPath.isEmpty else {
      throw ConversionError(
        .badOption, Fault(subject: "output", expected: "a file name", found: "an empty text"))
    }
    var importance = importance
    let covered = try importance?.coveredNames(draft.tensors)
    var options = request.mixOptions
    options.importanceSupplied = importance?.isEmpty == false
    // A copy keeps what its source says of itself.
    let provenance =
      !request.writesProvenance
      ? []
      : mix == .copy
        ? nil
        : try Provenance.entries(draft, request: request, mix: mix, importanceHash: importance?.fileHash)
    let choices = PlanChoices(
      mix: mix, options: options, outputPath: outputPath, split: split, overrides: request.overrides,
      importanceEntries: importance?.metadata ?? [], pruning: pruning, importanceNames: covered,
      provenance: provenance, decisions: decisions)
    var plan = try draft.finish(choices)
    if importance != nil { try importance?.settle(&plan) }
    try refuseUndecodable(plan)
    try refuseOverwritingSource(plan)
    let fingerprint = Fingerprint(
      plan: plan, importance: importance?.fingerprint ?? "", version: ConversionPlan.writerVersion)
    return PreparedConversion(
      plan: plan, importance: importance, fingerprint: fingerprint, isTraceable: provenance?.isEmpty == false)
  }

  /// Refuses an output path that is one of the sources.
  static func refuseOverwritingSource(_ plan: ConversionPlan) throws {
    let sources = Set(plan.sourceFiles.map { FileSystem.resolved($0.path) })
    for file in plan.files where sources.contains(FileSystem.resolved(file.path)) {
      throw ConversionError(
        .badOption,
        Fault(
          file: file.path, subject: "output", expected: "another file than the source",
          found: "the source itself",
          remedy: "choose another output name"))
    }
  }
}

extension ConversionPlan {
  /// The version of everything that has an influence on the bytes; a journal of another version is not continued.
  package static let writerVersion = "0.1.0"
}
