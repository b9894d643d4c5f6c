internal import FileBytes
internal import GGUFFormat
internal import ModelDescriptions
internal import QuantRecipes
internal import TensorTypes

/// A plan before types are chosen and offsets are known; both kinds of source lead here.
struct PlanDraft {
  /// An output tensor with the type it has before quantization.
  struct Tensor {
    var name: String
    var purpose: TensorPurpose
    var ggmlShape: [Int]
    var content: TensorContent
    var sourceType: TensorType
    /// The name under which importance data is looked up; differs from `name` after pruning.
    var importanceName: String
    /// The shard of the source, for `--keep-split`.
    var sourceShard = 0
  }

  var sourceFiles: [PlannedSourceFile]
  var sources: [PlannedSource]
  var tensors: [Tensor]
  /// All metadata except what the quantization step sets.
  var metadata: [MetadataEntry]
  var intermediate: TensorType
  /// The layers; `nil` when they are not known.
  var model: Architecture?
  /// The checkpoint's `config.json`; `nil` for a GGUF.
  var configPath: String?
  var skipped: [ConversionPlan.SkippedTensor] = []
  var notices: [ConversionPlan.Notice] = []
  /// See ``ConversionPlan/remarks``.
  var remarks: [String] = []
}

/// How the output is named, split and typed.
struct PlanChoices {
  var mix: StockMix
  var options: MixOptions
  var outputPath: String
  var split: SplitChoice
  /// Entries that replace or follow the model's own, in the order of the command line.
  var overrides: [MetadataEntry]
  /// Entries that describe the importance data.
  var importanceEntries: [MetadataEntry]
  /// Set when layers were pruned.
  var pruning: PrunedMetadata?
  /// Names of tensors that importance data covers; `nil` without data.
  var importanceNames: Set<String>?
  /// Entries that say where the output comes from; `nil` leaves those of the source as they are.
  var provenance: [MetadataEntry]?
  /// The types of the draft's tensors, where other rules than those of mixes choose them.
  var decisions: [TypeDecision]?

  /// Whether the output is as llama-quantize writes it, in place of llama.cpp's converter.
  var isRewritten: Bool { decisions == nil && mix.isQuantizing }
}

/// What the output says of its layers after some were pruned; types are chosen by the metadata of the whole model.
struct PrunedMetadata {
  /// The metadata of the source without what it says of dropped layers.
  var entries: [MetadataEntry]
  /// The new block count, which llama-quantize sets last.
  var blockCount: MetadataEntry
}

/// Whether and how an output is cut into shards.
enum SplitChoice {
  case single
  case limits(maxByteCount: Int?, maxTensorCount: Int?, tensorsInFirst: Bool)
  case asSource(shardCount: Int)
}

extension PlanDraft {
  /// Chooses types, orders tensors and lays out files.
  ///
  /// - Throws: `RecipeError` for rules that do not work, `GGUFError` for what GGUF cannot hold.
  func finish(_ choices: PlanChoices) throws -> ConversionPlan {
    let ordered = sortedForOutput(choices)
    let facts = try MixModelFacts.from(metadata: metadata, overrides: choices.overrides)
    let mixTensors = ordered.map {
      MixTensor(name: $0.name, ggmlShape: $0.ggmlShape, type: $0.sourceType, purpose: $0.purpose)
    }
    let resolution =
      try choices.decisions.map { TypeMixer.Resolution(decisions: $0, notes: []) }
      ?? TypeMixer.resolve(mix: choices.mix, options: choices.options, facts: facts, tensors: mixTensors)
    let base = try choices.options.recipe?.base.map { base in
      var options = choices.options
      options.recipe = base
      return try TypeMixer.decide(mix: choices.mix, options: options, facts: facts, tensors: mixTensors)
    }
    var planned: [PlannedTensor] = []
    planned.reserveCapacity(ordered.count)
    for (tensor, decision) in zip(ordered, resolution.decisions) {
      planned.append(try plan(tensor, decision, choices))
    }
    let entries = outputMetadata(choices)
    var plan = ConversionPlan(
      sourceFiles: sourceFiles, sources: sources, tensors: planned, files: [],
      architecture: facts.architecture, mix: choices.mix, intermediate: intermediate, skipped: skipped,
      notices: notices + resolution.notes.map { Self.notice($0, choices.options) })
    plan.remarks = remarks
    plan.facts = facts
    plan.model = model
    plan.recipe = choices.options.recipe
    plan.rules = RuleReport.list(planned, options: choices.options, base: base)
    plan.notices += importanceNotice(choices)
    plan.notices += fallbackNotices(planned)
    if let text = KeptBlocks(plan).advice(mix: plan.mixName, isGGUF: configPath == nil) {
      plan.advice = [text]
    }
    try layOut(&plan, metadata: entries, choices: choices, shards: ordered.map(\.sourceShard))
    return plan
  }

  private func sortedForOutput(_ choices: PlanChoices) -> [Tensor] {
    if choices.options.keepsGivenOrder { return tensors }
    return TypeMixer.processingOrder(tensors.map(\.name)).map { tensors[$0] }
  }

  private func plan(
    _ tensor: Tensor, _ decision: TypeDecision, _ choices: PlanChoices
  ) throws -> PlannedTensor {
    let covered = choices.importanceNames?.contains(tensor.importanceName) ?? false
    let usesImportance = covered && decision.type.isQuantized && decision.type != tensor.sourceType
    var result = PlannedTensor(
      name: tensor.name, ggmlShape: tensor.ggmlShape, purpose: tensor.purpose, content: tensor.content,
      sourceType: tensor.sourceType, decision: decision,
      importanceName: usesImportance ? tensor.importanceName : nil,
      importanceKey: tensor.importanceName, file: 0, offset: 0, byteCount: 0)
    if decision.importanceRequired, !usesImportance {
      throw ConversionError(
        .badOption,
        Fault(
          subject: "\(tensor.name)", expected: "importance data for \(decision.type.name)",
          found: choices.importanceNames == nil
            ? "no \(.importanceMatrix)" : "none in the file of \(.importanceMatrix)",
          remedy: "give an importance matrix that covers this tensor, or choose a larger type"))
    }
    result.byteCount = result.rowCount * result.rowByteCount
    return result
  }

  /// The metadata of the output in llama-quantize's order: what it sets moves to the end.
  private func outputMetadata(_ choices: PlanChoices) -> [MetadataEntry] {
    var entries = choices.pruning?.entries ?? metadata
    func set(_ entry: MetadataEntry) {
      entries.removeAll { $0.key == entry.key }
      entries.append(entry)
    }
    if choices.isRewritten {
      set(MetadataEntry("general.quantization_version", .uint32(2)))
      // COPY keeps the source's value, yet sets it anew like all others.
      let kept = metadata.first { $0.key == "general.file_type" }
      if let type = choices.mix.fileType.map({ MetadataEntry("general.file_type", .uint32($0)) }) ?? kept {
        set(type)
      }
    }
    for key in ["split.no", "split.count", "split.tensors.count"] { entries.removeAll { $0.key == key } }
    choices.overrides.forEach(set)
    choices.importanceEntries.forEach(set)
    if let pruning = choices.pruning { set(pruning.blockCount) }
    if let provenance = choices.provenance {
      entries.removeAll { $0.key.hasPrefix(Provenance.prefix) }
      entries += provenance
    }
    return entries
  }

  private func layOut(
    _ plan: inout ConversionPlan, metadata: [MetadataEntry], choices: PlanChoices, shards: [Int]
  ) throws {
    let groups = try ShardGroups(choices: choices, tensors: plan.tensors, sourceShards: shards)
    for (number, group) in groups.tensorIndices.enumerated() {
      let path = groups.path(number)
      var entries = number == 0 ? metadata : []
      if groups.isSplit {
        entries += [
          MetadataEntry("split.no", .uint16(UInt16(number))),
          MetadataEntry("split.count", .uint16(UInt16(groups.tensorIndices.count))),
          MetadataEntry("split.tensors.count", .int32(Int32(plan.tensors.count))),
        ]
      }
      let descriptions = group.map {
        GGUFTensorDescription(
          name: plan.tensors[$0].name, type: plan.tensors[$0].type, ggmlShape: plan.tensors[$0].ggmlShape)
      }
      let header = try GGUFHeaderEncoder(
        metadata: entries, tensors: descriptions, dimensions: choices.isRewritten ? .trimmed : .asGiven,
        file: path)
      for (index, info) in zip(group, header.tensors) {
        plan.tensors[index].file = number
        plan.tensors[index].offset = header.dataStart + info.offset
      }
      plan.files.append(PlannedFile(path: path, header: header.bytes, byteCount: header.fileByteCount))
    }
  }

  /// Says when a recipe was made for the other case of importance data.
  private func importanceNotice(_ choices: PlanChoices) -> [ConversionPlan.Notice] {
    guard let recipe = choices.options.recipe else { return [] }
    let text: Wording
    switch (recipe.importanceUse, choices.options.importanceSupplied) {
    case (.expected, false): text = "expects an importance matrix; none is given"
    case (.none, true): text = "was made without an importance matrix; one is given"
    default: return []
    }
    return [ConversionPlan.Notice(subject: "recipe \(recipe.name)", text: text)]
  }

  private func fallbackNotices(_ tensors: [PlannedTensor]) -> [ConversionPlan.Notice] {
    tensors.compactMap { tensor in
      guard let wanted = tensor.decision.fallbackFrom else { return nil }
      let more = tensor.byteCount - tensor.elementCount / wanted.blockLength * wanted.blockByteCount
      return ConversionPlan.Notice(
        subject: tensor.name,
        text:
          "rows of \(tensor.rowLength) are no multiple of \(wanted.blockLength), so \(wanted.name) becomes "
          + "\(tensor.type.name) (\(more >= 0 ? "+" : "")\(more) bytes)")
    }
  }

  private static func notice(_ note: MixNote, _ options: MixOptions) -> ConversionPlan.Notice {
    func place(_ index: Int) -> Wording {
      options.recipe.map { "\($0.rules[index].place): \($0.rules[index].selection)" } ?? ""
    }
    func text(_ index: Int) -> String {
      let rule = options.tensorTypeRules[index]
      return "\(rule.pattern)=\(rule.type.name)"
    }
    switch note {
    case .ruleMatchesOnlyKept(let rule, let tensors):
      return ConversionPlan.Notice(
        subject: "\(.tensorTypeRules) \(text(rule))",
        text: "matches only tensors that are never quantized: \(tensors.prefix(5).joined(separator: ", "))")
    case .ruleShadowed(let rule, let by):
      return ConversionPlan.Notice(
        subject: "\(.tensorTypeRules) \(text(rule))",
        text: "has no effect: earlier rules decide all its tensors (\(by.map(text).joined(separator: ", ")))")
    case .recipeRuleMatchesOnlyKept(let rule, let tensors):
      return ConversionPlan.Notice(
        subject: place(rule),
        text: "catches only tensors that are never quantized: \(tensors.prefix(5).joined(separator: ", "))")
    case .recipeRuleShadowed(let rule, let by):
      let others: Wording =
        by.isEmpty ? "settings" : "earlier rules (\(by.map(place).joined(separator: "; ")))"
      return ConversionPlan.Notice(
        subject: place(rule), text: "has no effect: \(others) decide all its tensors")
    }
  }
}

extension StockMix {
  /// Whether the mix is one that llama-quantize makes from a 16-bit file, as opposed to the 16-bit file itself.
  var isQuantizing: Bool {
    switch self {
    case .copy: true
    default: defaultType?.isQuantized ?? false
    }
  }
}
