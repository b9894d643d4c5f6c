internal import FileBytes
package import ModelDescriptions
internal import QuantRecipes
internal import SafetensorsFormat
package import TensorTypes
package import TextTokenizers

/// What is known of a checkpoint whose shards are not at hand.
package struct CheckpointOutline: Sendable {
  /// The configuration.
  package var config: ModelConfig
  /// Names, types and shapes of its tensors.
  package var tensors: [SourceTensor]
  /// Where tokenizer, model card and generation settings are looked for.
  package var files: TokenizerFolder
  /// Whether `files` has a tokenizer; without one the plan's header lacks the vocabulary.
  package var hasVocabulary: Bool
  /// The file names of its shards, which provenance lists; empty when they are not known.
  package var shardNames: [String]
  /// Which weights the outline is of where the source holds several sets.
  package var choices: [String]
  /// Whether the tensors were made up from the configuration.
  package var tensorsAreExpected: Bool

  /// Creates an outline.
  package init(
    config: ModelConfig, tensors: [SourceTensor], files: TokenizerFolder, hasVocabulary: Bool,
    shardNames: [String] = [], choices: [String] = [], tensorsAreExpected: Bool = false
  ) {
    self.choices = choices
    self.tensorsAreExpected = tensorsAreExpected
    self.config = config
    self.tensors = tensors
    self.files = files
    self.hasVocabulary = hasVocabulary
    self.shardNames = shardNames
  }
}

extension ConversionPlanner {
  /// Plans the conversion of a checkpoint that is known by its outline alone.
  ///
  /// Every name, shape, type and size of the output is known then. The plan can be priced, not executed: hashes in
  /// its provenance have the right length and no more, since nothing but the outline is read.
  ///
  /// - Parameters:
  ///   - outline: The checkpoint.
  ///   - request: As for ``prepareCheckpoint(_:)``; its source is a name for messages alone.
  /// - Returns: The plan.
  /// - Throws: As ``prepareCheckpoint(_:)``.
  package static func prepareOutline(_ outline: CheckpointOutline, _ request: ConversionRequest) throws
    -> PreparedConversion
  {
    let map = try ModelDescription.describe(
      config: outline.config, tensors: outline.tensors,
      options: DescriptionOptions(
        nextToken: policy(request.nextTokenBlocks), choices: outline.choices,
        tensorsAreExpected: outline.tensorsAreExpected))
    try map.refuseFatalLosses(file: outline.config.file)
    let sixteenBit = sixteenBitType(
      of: outline.tensors.map { CheckpointTensor(tensor: $0, shard: 0, byteOffset: 0, byteCount: 0) })
    let mix = try mix(
      for: request.outputType, keepsBlocks: hasBlocks(map, outline.tensors), sixteenBit: sixteenBit)
    let intermediate = intermediateType(mix: mix, sixteenBit: sixteenBit)
    let options = CheckpointMetadata.Options(
      fileType: fileType(of: intermediate), modelName: request.modelName, preOverride: request.preTokenizer)
    let metadata =
      try outline.hasVocabulary
      ? CheckpointMetadata(files: outline.files, config: outline.config, map: map, options: options) : nil
    let entries =
      try metadata?.entries
      ?? CheckpointMetadata.entriesWithoutVocabulary(
        files: outline.files, config: outline.config, map: map, options: options)
    var request = request
    request.mixOptions.keepsGivenOrder = !mix.isQuantizing
    request.headersOnly = true
    var draft = PlanDraft(
      sourceFiles: outline.shardNames.map {
        PlannedSourceFile(
          path: $0, byteCount: 0, modificationTime: 0, headerHash: 0, isCompressed: $0.hasSuffix(".zst"))
      },
      sources: outline.tensors.enumerated().map { index, tensor in
        PlannedSource(index, tensor, map: map.tensors, file: 0, offset: 0)
      },
      tensors: map.outputs.map {
        PlanDraft.Tensor(
          name: $0.name, purpose: $0.purpose, ggmlShape: $0.ggmlShape, content: $0.content,
          sourceType: $0.storage == .alwaysF32 ? .f32 : intermediate, importanceName: $0.name)
      },
      metadata: entries, intermediate: intermediate, configPath: outline.config.file)
    draft.model = map.architecture
    draft.skipped = map.skipped.map { ConversionPlan.SkippedTensor(name: $0.name, reason: $0.reason) }
    draft.notices = notices(of: map)
    draft.notices += (metadata?.notes ?? []).map { ConversionPlan.Notice(subject: "tokenizer", text: $0) }
    return try finish(
      draft, request: request, mix: mix, outputPath: request.outputPath ?? "model.gguf",
      split: try split(request), importance: try importance(request))
  }
}

extension PreparedConversion {
  /// Bytes of the buffers that running the plan takes.
  ///
  /// - Throws: ``ConversionError`` with `memoryLimitTooSmall` or `badOption`.
  package func bufferByteCount(threadCount: Int, maxMemory: Int) throws -> Int {
    try executor.bufferSizes(
      WorkUnion([self]), ExecutionOptions(threadCount: threadCount, maxMemory: maxMemory)
    ).total
  }
}
