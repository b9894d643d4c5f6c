internal import FileBytes
internal import ModelDescriptions
internal import QuantRecipes
internal import SafetensorsFormat
internal import TensorTypes
internal import ZstdStreams

extension ConversionPlanner {
  /// Plans the conversion of a checkpoint folder.
  ///
  /// - Throws: Errors of the readers for a bad checkpoint, `DescriptionError` for one that is not understood,
  ///   `TokenizerError`, `RecipeError` for bad rules, ``ConversionError``.
  package static func prepareCheckpoint(_ request: ConversionRequest) throws -> PreparedConversion {
    try prepareCheckpoint(request, outputs: [request.choice])[0]
  }

  /// Plans several conversions of one checkpoint folder, whose headers and tokenizer are read once for all of them.
  ///
  /// - Parameters:
  ///   - request: What the outputs have in common.
  ///   - outputs: What chooses their types.
  /// - Returns: A plan for each of the outputs.
  /// - Throws: As ``prepareCheckpoint(_:)``; ``ConversionError`` with `badOption` when two outputs have one name.
  package static func prepareCheckpoint(_ request: ConversionRequest, outputs: [OutputChoice]) throws
    -> [PreparedConversion]
  {
    guard request.prunedLayers == nil, !request.keepSplit else {
      throw ConversionError(
        .badOption,
        Fault(subject: "\(.prunedLayers), \(.keepSplit)", expected: "a GGUF source", found: "a checkpoint"))
    }
    let (config, checkpoint, tensors) = try open(request)
    let map = try ModelDescription.describe(
      config: config, tensors: tensors.map(\.tensor),
      options: DescriptionOptions(
        nextToken: policy(request.nextTokenBlocks), choices: checkpoint.choices),
      // Without data there are no values to look at, and sizes do not depend on them.
      evidence: request.headersOnly ? nil : evidence(of: checkpoint))
    try map.refuseFatalLosses(file: config.file)
    let sixteenBit = sixteenBitType(of: tensors)
    let keepsBlocks = hasBlocks(map, tensors.map(\.tensor))
    var source = draft(checkpoint, tensors: tensors, map: map.tensors, request: request)
    source.model = map.architecture
    source.notices = notices(of: map) + source.notices
    let split = try split(request)
    // The metadata name the 16-bit type in between, which most outputs share.
    var metadata: [TensorType: CheckpointMetadata] = [:]
    let importance = try importance(request)
    let prepared = try outputs.map { output in
      var request = request.with(output)
      let mix = try mix(for: output.type, keepsBlocks: keepsBlocks, sixteenBit: sixteenBit)
      let intermediate = intermediateType(mix: mix, sixteenBit: sixteenBit)
      let entries =
        try metadata[intermediate]
        ?? CheckpointMetadata(
          folder: request.source, config: config, map: map,
          options: CheckpointMetadata.Options(
            fileType: fileType(of: intermediate), modelName: request.modelName,
            preOverride: request.preTokenizer))
      metadata[intermediate] = entries
      // A plain file keeps the converter's order; a quantized one has llama-quantize's.
      request.mixOptions.keepsGivenOrder = !mix.isQuantizing
      let name = entries.entries.first { $0.key == "general.name" }?.value.text
      return try finish(
        source.described(by: entries, map: map, intermediate: intermediate), request: request, mix: mix,
        outputPath: outputPath(
          request.outputPath, typeName: output.recipe?.name ?? mix.rawValue,
          folder: defaultPlace(source: request.source, request).folder, name: defaultName(request, name, mix)),
        split: split, importance: importance)
    }
    try refuseEqualNames(prepared)
    return prepared
  }

  /// Opens a checkpoint folder.
  ///
  /// - Returns: Its configuration, its files, and its tensors in the order of llama.cpp's converter.
  /// - Throws: Errors of the readers for a bad checkpoint.
  static func open(_ request: ConversionRequest) throws
    -> (config: ModelConfig, checkpoint: SafetensorsCheckpoint, tensors: [CheckpointTensor])
  {
    guard FileSystem.kind(of: request.source) == .folder else {
      throw SourceRecognition.refusal(of: request.source, wanted: .checkpoint)
    }
    let config = try ModelConfig(folder: request.source, wanted: .checkpoint)
    let checkpoint = try SafetensorsCheckpoint(
      folder: request.source, requireData: !request.headersOnly, decompressor: { try ZstdReader(path: $0) })
    // The converter goes through shards by file name and through each shard by tensor name.
    return (config, checkpoint, inConverterOrder(checkpoint))
  }

  /// What the files of a checkpoint say beside names and shapes.
  static func evidence(of checkpoint: SafetensorsCheckpoint) -> CheckpointEvidence {
    CheckpointEvidence(formats: checkpoint.formats) { try checkpoint.values(of: $0) }
  }

  static func inConverterOrder(_ checkpoint: SafetensorsCheckpoint) -> [CheckpointTensor] {
    let ranks = checkpoint.shards.indices.sorted { checkpoint.shards[$0].name < checkpoint.shards[$1].name }
    var rank = [Int](repeating: 0, count: ranks.count)
    for (position, shard) in ranks.enumerated() { rank[shard] = position }
    return checkpoint.tensors.sorted { a, b in
      if a.shard != b.shard { return rank[a.shard] < rank[b.shard] }
      return a.tensor.name.utf8.lexicographicallyPrecedes(b.tensor.name.utf8)
    }
  }

  /// What the user should know of a checkpoint: oddities, and what its configuration says and a GGUF cannot.
  static func notices(of map: CheckpointMap) -> [ConversionPlan.Notice] {
    map.warnings.map { ConversionPlan.Notice(subject: "checkpoint", text: $0) }
      + map.losses.map { ConversionPlan.Notice(subject: $0.key, text: $0.text) }
  }

  static func policy(_ choice: ConversionRequest.NextTokenBlocks) -> NextTokenPolicy {
    switch choice {
    case .ifPresent: .auto
    case .keep: .keep
    case .drop: .drop
    }
  }

  /// The type that `--outtype auto` stands for: that of the first 16-bit matrix; `nil` when there is none.
  static func sixteenBitType(of tensors: [CheckpointTensor]) -> TensorType? {
    for tensor in tensors where tensor.tensor.shape.count >= 2 {
      switch tensor.tensor.elementType {
      case .bf16: return .bf16
      case .f16: return .f16
      default: continue
      }
    }
    return nil
  }

  /// Whether a checkpoint has experts as blocks of MXFP4.
  static func hasBlocks(_ map: CheckpointMap, _ tensors: [SourceTensor]) -> Bool {
    map.outputs.contains { output in
      KeptBlocks.has(output.purpose, output.content) { map.encoding(of: $0, tensors[$0]) }
    }
  }

  /// The mix that a checkpoint is converted to; there is nothing that COPY could copy.
  static func mix(
    for outputType: ConversionRequest.OutputType, keepsBlocks: Bool, sixteenBit: TensorType?
  ) throws -> StockMix {
    switch outputType {
    case .auto where keepsBlocks: return .mxfp4_MOE
    case .auto: return sixteenBit == .bf16 ? .bf16 : .f16
    case .mix(.copy):
      throw ConversionError(
        .badOption,
        Fault(
          subject: "\(.outputType)", expected: "a type or auto", found: "copy",
          remedy: "auto keeps the checkpoint's 16-bit type"))
    case .mix(let chosen): return chosen
    }
  }

  /// The type of the file that a two-step conversion would have in between; f32 checkpoints lose nothing.
  static func intermediateType(mix: StockMix, sixteenBit: TensorType?) -> TensorType {
    if !mix.isQuantizing, let plain = mix.defaultType { return plain }
    return sixteenBit ?? .f32
  }

  static func fileType(of type: TensorType) -> UInt32 {
    switch type {
    case .bf16: 32
    case .f16: 1
    default: 0
    }
  }

  /// What all outputs have in common.
  static func draft(
    _ checkpoint: SafetensorsCheckpoint, tensors: [CheckpointTensor], map: TensorMapping,
    request: ConversionRequest
  ) -> PlanDraft {
    let files = checkpoint.shards.map {
      PlannedSourceFile(
        path: $0.path, byteCount: $0.storedByteCount, modificationTime: $0.modificationTime,
        headerHash: $0.headerHash, isCompressed: $0.isCompressed)
    }
    let sources = tensors.enumerated().map { index, tensor in
      PlannedSource(
        index, tensor.tensor, map: map, file: tensor.shard, offset: tensor.byteOffset)
    }
    let outputs = map.outputs.map { output in
      PlanDraft.Tensor(
        name: output.name, purpose: output.purpose, ggmlShape: output.ggmlShape, content: output.content,
        sourceType: .f32, importanceName: output.name)
    }
    var draft = PlanDraft(
      sourceFiles: files, sources: sources, tensors: outputs, metadata: [], intermediate: .f32)
    draft.configPath = request.source + "/config.json"
    draft.skipped = map.skipped.map { ConversionPlan.SkippedTensor(name: $0.name, reason: $0.reason) }
    draft.notices = checkpoint.warnings.map {
      ConversionPlan.Notice(
        subject: "\($0.file)", text: "\($0.subject): expected \($0.expected), found \($0.found)")
    }
    draft.remarks = defaultPlace(source: request.source, request).remarks
    return draft
  }

  private static func defaultName(_ request: ConversionRequest, _ name: String?, _ mix: StockMix) -> String {
    let base = name ?? ModelFolder(request.source).modelName
    let safe = base.map { $0 == "/" || $0 == " " ? "-" : $0 }
    return String(safe) + "-" + (request.mixOptions.recipe?.name ?? mix.rawValue) + ".gguf"
  }
}

extension PlanDraft {
  /// The draft with the metadata of an output, and the types that its tensors have before quantization.
  fileprivate func described(by metadata: CheckpointMetadata, map: CheckpointMap, intermediate: TensorType)
    -> PlanDraft
  {
    var draft = self
    draft.metadata = metadata.entries
    draft.intermediate = intermediate
    draft.notices += metadata.notes.map { ConversionPlan.Notice(subject: "tokenizer", text: $0) }
    for (index, output) in map.outputs.enumerated() {
      draft.tensors[index].sourceType = output.storage == .alwaysF32 ? .f32 : intermediate
    }
    return draft
  }
}
