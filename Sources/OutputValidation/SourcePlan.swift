internal import BlockQuantization
internal import CheckpointConversion
internal import FileBytes
internal import GGUFFormat
internal import ModelDescriptions
internal import QuantRecipes
internal import TensorTypes

/// What converting the source would give, laid beside the file.
struct SourcePlan {
  /// A tensor of the file with the one of the plan.
  struct Pair {
    /// The index in the plan.
    var planned: Int
    /// The tensor in the file, wherever that keeps its rows.
    var tensor: PlacedTensor
  }

  /// The conversion of the source.
  let plan: ConversionPlan
  /// The metadata that it writes.
  let metadata: [MetadataEntry]
  /// Whether the source is a GGUF.
  let isGGUF: Bool
  /// What can be compared, in the order of the plan.
  private(set) var pairs: [Pair] = []
  /// Keys that the file says were set by hand.
  private let overriddenKeys: Set<String>
  /// Differences in tensors and metadata.
  private(set) var findings: [Finding] = []

  /// Plans the conversion of `source` to what `set` holds.
  ///
  /// - Throws: Every error that planning a conversion has.
  init(
    source: String, set: GGUFSplitSet, importancePath: String?, recipe: Recipe?, record: ProvenanceRecord?
  ) throws {
    overriddenKeys = Set(record?.values(of: "--override-kv") ?? [])
    isGGUF = FileSystem.kind(of: source) == .file
    let dummy = set.files[0].file.path + ".as-from-source"
    func request(_ type: ConversionRequest.OutputType) -> ConversionRequest {
      var request = ConversionRequest(source: source, outputType: type)
      request.outputPath = dummy
      request.importancePath = importancePath
      return request
    }
    if isGGUF {
      var request = request(.mix(.copy))
      // Two files may keep together what the other has apart: both are compared tensor by tensor.
      request.takesTensorsApart = true
      if record?.describesFile == true, let layers = record?.values(of: "--prune-layers").first {
        request.prunedLayers = try? LayerPruning(parsing: layers)
      }
      plan = try ConversionPlanner.prepareGGUF(request).plan
    } else {
      let number = set.value("general.file_type")?.integer
      let stated = StockMix.allCases.first {
        $0 != .copy && $0.fileType.map(Int.init) == number && number != nil
      }
      let architecture = set.value("general.architecture")?.text ?? ""
      let hasNextToken = (set.value(TypedKey.nextTokenLayerCount.name(in: architecture))?.integer ?? 0) > 0
      func prepare(_ type: ConversionRequest.OutputType, _ recipe: Recipe? = nil) throws -> ConversionPlan {
        var request = request(type)
        request.mixOptions.recipe = recipe
        if !hasNextToken { request.nextTokenBlocks = .drop }
        request.modelName = set.value("general.name")?.text
        if architecture == VisionTower.architecture {
          return try ConversionPlanner.prepareVision(request, outputs: [request.choice])[0].plan
        }
        return try ConversionPlanner.prepareCheckpoint(request).plan
      }
      do {
        plan = try prepare((recipe?.stockMix ?? stated).map { .mix($0) } ?? .auto, recipe)
      } catch  where error is RecipeError || (error as? ConversionError)?.code == .badOption {
        // The mix does not suit this model, or wants importance data; any quantizing mix goes through the same 16-bit values.
        guard stated != nil || recipe != nil else { throw error }
        plan = try prepare(.mix(.q8_0))
      }
    }
    metadata = try GGUFHeader(parsing: plan.files[0].header, file: dummy, requireData: false).metadata
    match(set)
    compareMetadata(set.metadata)
    // What the planner says about the source itself; its other notices are about types, which the file decides.
    for notice in plan.notices where ["checkpoint", "tokenizer"].contains(notice.subject) {
      findings.append(
        Finding(
          .note, .sourceFile, Wording(source), expected: "a source that needs no explanation",
          found: notice.text))
    }
  }

  /// Keeps the pairs at some positions alone.
  mutating func keep(_ positions: [Int]) { pairs = positions.map { pairs[$0] } }

  private mutating func match(_ set: GGUFSplitSet) {
    let layout = GGUFLayout(set)
    var names: Set<String> = []
    var undecodable: Set<String> = []
    var missing: [String] = []
    for (index, planned) in plan.tensors.enumerated() {
      names.insert(layout?.place(of: planned.name)?.tensor ?? planned.name)
      guard let tensor = PlacedTensor(planned.name, in: set, layout) else {
        missing.append(planned.name)
        continue
      }
      let shapes = (TensorSetCheck.trimmed(tensor.info.ggmlShape), TensorSetCheck.trimmed(planned.ggmlShape))
      guard shapes.0 == shapes.1 else {
        findings.append(
          Finding(
            .error, .wrongShape, planned.name, expected: "shape \(shapes.1), as the source has it",
            found: "\(shapes.0)",
            remedy: "the file was made from another model"))
        continue
      }
      let isAsStored = isGGUF && planned.sourceType == tensor.info.type
      let canDecode =
        !planned.sourceType.isQuantized && [.f32, .f16, .bf16].contains(planned.sourceType)
        || BlockQuantizer.canDequantize(planned.sourceType)
      guard isAsStored || canDecode && BlockQuantizer.canQuantize(tensor.info.type) else {
        undecodable.insert(tensor.info.type.name)
        continue
      }
      pairs.append(Pair(planned: index, tensor: tensor))
    }
    for name in missing {
      findings.append(
        Finding(
          .error, .missingTensor, name, expected: "a tensor, since the source has it",
          found: "none of this name",
          remedy: "convert the model again"))
    }
    for tensor in set.tensors where !names.contains(tensor.info.name) {
      findings.append(
        Finding(
          .error, .extraTensor, tensor.info.name, expected: "only tensors that the source gives",
          found: "one that it does not have", remedy: "the file was made from another model"))
    }
    if !undecodable.isEmpty {
      findings.append(
        Finding(
          .note, .notChecked, undecodable.sorted().joined(separator: ", "),
          expected: "types that can be made here", found: "types that cannot be compared with the source"))
    }
  }

  private mutating func compareMetadata(_ actual: [MetadataEntry]) {
    let found = Dictionary(actual.map { ($0.key, $0.value) }) { first, _ in first }
    let architecture = plan.architecture + "."
    if let stated = found["general.architecture"]?.text, stated != plan.architecture {
      findings.append(
        Finding(
          .error, .sourceMetadata, "general.architecture",
          expected: "\(plan.architecture), as the source says",
          found: stated))
    }
    for entry in metadata {
      let isTokenizer = entry.key.hasPrefix("tokenizer.")
      guard isTokenizer || entry.key.hasPrefix(architecture) else { continue }
      guard let value = found[entry.key] else {
        findings.append(
          Finding(
            .warning, .sourceMetadata, entry.key, expected: "the key that the converter writes",
            found: "no such key",
            remedy: "an older or other converter made the file"))
        continue
      }
      guard !Self.same(value, entry.value) else { continue }
      if overriddenKeys.contains(entry.key) {
        findings.append(
          Finding(
            .note, .sourceMetadata, Wording(entry.key),
            expected: "\(entry.value.summary), as the source says",
            found: "\(value.summary), set with \(.overrides) as the file says"))
        continue
      }
      var finding = difference(entry, value, isTokenizer: isTokenizer)
      // Beside a list of recurrent layers no reader looks at the interval.
      if entry.key == TypedKey.fullAttentionInterval.name(in: plan.architecture),
        found[TypedKey.recurrentLayers.name(in: plan.architecture)] != nil
      {
        finding.severity = .warning
      }
      findings.append(finding)
    }
  }

  private func difference(_ entry: MetadataEntry, _ value: MetadataValue, isTokenizer: Bool) -> Finding {
    let remedy = "convert the model again"
    switch (entry.value, value) {
    case (.array(.string(let wanted)), .array(.string(let found))) where isTokenizer:
      let first = zip(wanted, found).enumerated().first {
        !$0.element.0.utf8.elementsEqual($0.element.1.utf8)
      }
      let number =
        zip(wanted, found).count { !$0.utf8.elementsEqual($1.utf8) } + abs(wanted.count - found.count)
      return Finding(
        .error, .otherTokenizer, entry.key,
        place: first.map { "entry \($0.offset)" } ?? "entry \(min(wanted.count, found.count))",
        expected: "the tokenizer of the source"
          + (first.map { ": \"\($0.element.0.prefix(40))\" here" } ?? ", \(wanted.count) entries"),
        found: (first.map { "\"\($0.element.1.prefix(40))\"; " } ?? "")
          + "\(number) of \(wanted.count) entries differ",
        remedy: "the vocabulary is another model's; " + remedy)
    case (.array(let wanted), .array(let found)) where isTokenizer:
      return Finding(
        .error, .otherTokenizer, entry.key,
        expected: "the values of the source's tokenizer (\(wanted.count))",
        found: "others (\(found.count))", remedy: remedy)
    case (.string, .string) where entry.key == "tokenizer.chat_template":
      return Finding(
        .warning, .sourceMetadata, entry.key, expected: "the chat template of the source",
        found: "another one",
        remedy: "templates are often corrected after a release")
    default:
      let severity: Finding.Severity =
        isTokenizer && !entry.key.hasSuffix("_token_id") && entry.key != "tokenizer.ggml.model"
        ? .warning : .error
      return Finding(
        severity, .sourceMetadata, entry.key, expected: "\(entry.value.summary), as the source says",
        found: value.summary, remedy: remedy)
    }
  }

  /// Equal, floats within what a decimal notation loses.
  private static func same(_ a: MetadataValue, _ b: MetadataValue) -> Bool {
    if case (.float32(let x), .float32(let y)) = (a, b) {
      return x == y || abs(x - y) <= 1e-6 * max(abs(x), abs(y))
    }
    // One number may be a list with one for each layer.
    if let x = a.integer ?? a.commonInteger, let y = b.integer ?? b.commonInteger,
      a.integer ?? b.integer != nil
    {
      return x == y
    }
    if let x = a.integers, let y = b.integers { return x == y }
    return a == b
  }
}
