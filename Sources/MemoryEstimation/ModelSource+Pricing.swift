internal import CheckpointConversion
internal import FileBytes
internal import GGUFFormat
internal import ModelDescriptions
internal import QuantRecipes
internal import SafetensorsFormat
internal import TensorTypes
internal import ZstdStreams

extension ModelSource {
  /// Whether the source is a GGUF, which has types of its own.
  package var isGGUF: Bool { if case .gguf = kind { true } else { false } }

  /// Finds every size for one choice of types.
  ///
  /// - Throws: Errors of the planner, and ``EstimationError``.
  package func price(_ request: EstimateRequest) throws -> PricedModel {
    var request = request
    // A checkpoint's conversion has no such flag, so it is not in its provenance.
    if !isGGUF { request.wishes.mixOptions.allowRequantize = false }
    switch kind {
    case .gguf(let set):
      let model = try hyperParameters(of: set)
      guard request.mix != nil else { return try asItIs(set, model) }
      let prepared = try requantized(request.conversion(of: name))
      let family = try ModelFamily.known(metadata: set.metadata, file: name)
      return try priced(prepared, model: model.architecture(of: family), basis: "GGUF header")
    case .checkpoint(let folder):
      let prepared = try ConversionPlanner.prepareCheckpoint(request.conversion(of: folder))
      return try priced(prepared, model: try planned(prepared), basis: "checkpoint headers")
    case .outline(var outline, let basis):
      var unknowns: [PricedModel.Unknown: ClosedRange<Int>] = [:]
      let lacksNames = outline.shardNames.isEmpty && request.wishes.writesProvenance
      if lacksNames { outline.shardNames = ShardNames.leanest }
      let prepared = try ConversionPlanner.prepareOutline(outline, request.conversion(of: name))
      let model = try planned(prepared)
      if !outline.hasVocabulary {
        unknowns[.tokenizer] = VocabularySize.interval(tokenCount: model.vocabularySize)
      }
      if lacksNames {
        unknowns[.shardNames] = ShardNames.interval(sourceByteCount: prepared.plan.sourceByteCount)
      }
      return try priced(prepared, model: model, basis: basis, unknowns: unknowns)
    }
  }

  /// The same, or `nil` for rules that work only with what this request leaves out.
  func priceIfRulesWork(_ request: EstimateRequest) throws -> PricedModel? {
    do {
      return try price(request)
    } catch let error as RecipeError where [.ruleMatchesNothing, .ruleHasNoEffect].contains(error.code) {
      return nil
    }
  }

  /// Plans the requantization of a GGUF.
  ///
  /// A GGUF that is quantized already is priced all the same; as the conversion would need `--allow-requantize`, which
  /// provenance records, the plan has the flag then, and only then unless it is asked for.
  private func requantized(_ request: ConversionRequest) throws -> PreparedConversion {
    do {
      return try ConversionPlanner.prepareGGUF(request)
    } catch let error as RecipeError where error.code == .requantizationNotAllowed {
      var request = request
      request.mixOptions.allowRequantize = true
      return try ConversionPlanner.prepareGGUF(request)
    }
  }

  private func hyperParameters(of set: GGUFSplitSet) throws -> HyperParameters {
    var model = try HyperParameters(
      metadata: set.metadata,
      embeddingRows: set.embeddingRows, file: name)
    adjust(&model, to: set)
    try SizeLimits.check(model, file: name)
    return model
  }

  /// The layers that a checkpoint's plan carries.
  private func planned(_ prepared: PreparedConversion) throws -> Architecture {
    guard let model = prepared.plan.model else {
      throw EstimationError(
        .unknownSource, Fault(file: name, expected: "a plan with the layers of its model", found: "none"))
    }
    return model
  }

  /// What only the tensors tell.
  private func adjust(_ model: inout HyperParameters, to set: GGUFSplitSet) {
    let purposes = set.purposes
    let present = Set(set.tensors.map { purposes[$0.info.name] })
    func has(_ slots: TensorSlot..., block: Int?) -> Bool {
      slots.contains { present.contains(TensorPurpose($0, block: block)) }
    }
    model.tiedEmbeddings = !has(.output, block: nil)
    let layer = model.layerKinds.firstIndex(of: .attention) ?? 0
    model.attention.hasInputBias = has(.queryBias, .queryKeyValueBias, block: layer)
    model.attention.hasOutputBias = has(.attentionOutputBias, block: layer)
    model.attention.hasQueryKeyNorm = has(.queryNorm, block: layer)
    model.hasFeedForwardBias = has(.upBias, block: 0)
  }

  private func asItIs(_ set: GGUFSplitSet, _ model: HyperParameters) throws -> PricedModel {
    let purposes = set.purposes
    let tensors = set.tensors.map {
      PricedTensor(
        name: $0.info.name, ggmlShape: $0.info.ggmlShape, type: $0.info.type, byteCount: $0.info.byteCount,
        purpose: purposes[$0.info.name],
        isNextToken: Self.isNextToken(purposes[$0.info.name], layerCount: model.layerCount),
        isOutside: GGUFLayout.Extra(name: $0.info.name) != nil)
    }
    let bytes = try Checked.sum("files", set.files.map(\.file.byteCount))
    let header = bytes - (try Checked.sum("tensors", tensors.map(\.byteCount)))
    let type = set.value("general.file_type")?.integer.flatMap(UInt32.init(exactly:))
    var priced = PricedModel(
      source: name, basis: "GGUF header",
      mix: type.flatMap(Self.mixName) ?? "as stored",
      model: model.architecture(of: try ModelFamily.known(metadata: set.metadata, file: name)),
      tensors: tensors, fileByteCount: bytes...bytes, headerByteCount: header...header,
      notices: notices + reservations(set, model), prepared: nil)
    priced.alignment = set.files[0].alignment
    let foreign = Set(set.tensors.filter { !$0.info.type.isKnown }.map(\.info.type.name)).sorted()
    if !foreign.isEmpty {
      priced.notices.append(
        "llama.cpp does not load tensors of \(foreign.joined(separator: ", ")); their sizes are told from offsets"
      )
    }
    return priced
  }

  /// What keeps llama.cpp from loading a file that is priced all the same.
  private func reservations(_ set: GGUFSplitSet, _ model: HyperParameters) -> [Wording] {
    guard let family = ModelFamily.family(metadata: set.metadata) else { return [] }
    let layout = GGUFLayout(family: family, model: model) { set.tensor($0) != nil }
    var reasons = Set(
      set.tensors.compactMap { GGUFLayout.Extra(name: $0.info.name).map { "tensors of a \($0.rawValue)" } })
    if layout.fused.values.contains(where: { !$0.isStandard }) { reasons.insert("names of other programs") }
    if !model.changesForLlamaCpp(set.metadata, family: family).isEmpty {
      reasons.insert("metadata of another form")
    }
    guard !reasons.isEmpty else { return [] }
    return [
      "llama.cpp does not load this file as it is: \(reasons.sorted().joined(separator: ", ")); "
        + "pouch-quantize FILE OUTPUT COPY writes one that it loads"
    ]
  }

  private func priced(
    _ prepared: PreparedConversion, model: Architecture, basis: String,
    unknowns: [PricedModel.Unknown: ClosedRange<Int>] = [:]
  ) throws -> PricedModel {
    let plan = prepared.plan
    let tensors = plan.tensors.map {
      PricedTensor(
        name: $0.name, ggmlShape: $0.ggmlShape, type: $0.type, byteCount: $0.byteCount,
        purpose: $0.purpose,
        isNextToken: Self.isNextToken($0.purpose, layerCount: model.layers.count))
    }
    let bytes = try Checked.sum("files", plan.files.map(\.byteCount))
    let header = bytes - plan.tensorByteCount
    // A header is padded: what it grows by is a multiple of the alignment.
    let alignment = GGUFConstants.defaultAlignment
    let least = unknowns.values.reduce(0) { $0 + $1.lowerBound } / alignment * alignment
    let most = Checked.padded(unknowns.values.reduce(0) { $0 + $1.upperBound }, to: alignment)
    return PricedModel(
      source: name, basis: basis, mix: Self.title(plan), model: model,
      tensors: tensors, fileByteCount: (bytes + least)...(bytes + most),
      headerByteCount: (header + least)...(header + most), unknowns: unknowns.keys.sorted(),
      notices: notices + plan.advice.map { Wording($0) } + plan.notices.map(\.line), prepared: prepared)
  }

  /// The mix, or the recipe's name, told apart from a stock mix of the same name.
  private static func title(_ plan: ConversionPlan) -> String {
    guard let recipe = plan.recipe else { return plan.mix.rawValue }
    return (try? StockMix(name: recipe.name)) == nil ? recipe.name : "recipe \(recipe.name)"
  }

  private static func isNextToken(_ tensor: TensorPurpose, layerCount: Int) -> Bool {
    tensor.block.map { $0 >= layerCount } ?? false
  }
}

extension ModelSource {
  /// The name of the mix with a file type's number.
  static func mixName(_ fileType: UInt32) -> String? {
    (try? StockMix(name: "\(fileType)"))?.rawValue
  }
}
