internal import BlockQuantization
internal import FileBytes
internal import GGUFFormat
internal import ModelDescriptions
internal import QuantRecipes
internal import TensorTypes

extension ConversionPlanner {
  /// Plans the conversion of a GGUF file, whole or split.
  ///
  /// - Throws: Errors of the readers for a bad file, `RecipeError` for bad rules, ``ConversionError``.
  package static func prepareGGUF(_ request: ConversionRequest) throws -> PreparedConversion {
    try prepareGGUF(request, outputs: [request.choice])[0]
  }

  /// Plans several conversions of one GGUF file, which is read once for all of them.
  ///
  /// - Parameters:
  ///   - request: What the outputs have in common.
  ///   - outputs: What chooses their types.
  /// - Returns: A plan for each of the outputs.
  /// - Throws: As ``prepareGGUF(_:)``; ``ConversionError`` with `badOption` when two outputs have one name.
  package static func prepareGGUF(_ request: ConversionRequest, outputs: [OutputChoice]) throws
    -> [PreparedConversion]
  {
    let mixes = try outputs.map { output in
      guard case .mix(let mix) = output.type else {
        throw ConversionError(
          .badOption, Fault(subject: "type", expected: "a type such as Q4_K_M, or COPY", found: "auto"))
      }
      return mix
    }
    let source = try GGUFSplitSet(path: request.source)
    var draft = try arranged(draft(of: source), request)
    let place = defaultPlace(source: FileSystem.folder(of: request.source), request)
    draft.remarks += place.remarks
    let pruned = try request.prunedLayers.map { try prune(draft, $0) }
    let importance = try importance(request)
    let split = try request.keepSplit ? .asSource(shardCount: source.files.count) : split(request)
    let prepared = try zip(outputs, mixes).map { output, mix in
      var request = request.with(output)
      request.mixOptions.keepsGivenOrder = request.keepSplit
      let path = outputPath(
        request.outputPath,
        typeName: typeName(mix, recipe: output.recipe, intermediate: draft.intermediate),
        folder: place.folder,
        name: "ggml-model-\(output.recipe?.name ?? mix.rawValue).gguf")
      do {
        return try finish(
          pruned?.draft ?? draft, request: request, mix: mix, outputPath: path, split: split,
          importance: importance, pruning: pruned?.metadata)
      } catch let error as RecipeError where error.faultClass == .rejected && error.fault.file.isEmpty {
        throw Self.naming(request.source, in: error)
      }
    }
    try refuseEqualNames(prepared)
    return prepared
  }

  /// Adds the file to an error about what the file holds; errors about rules are about no file.
  private static func naming(_ path: String, in error: RecipeError) -> RecipeError {
    switch error.code {
    case .ruleMatchesNothing, .ruleHasNoEffect, .layerNotPrunable: return error
    default:
      var named = error
      named.fault.file = path
      return named
    }
  }

  /// Lists the tensors of a GGUF as a draft that copies every row.
  private static func draft(of source: GGUFSplitSet) throws -> PlanDraft {
    var sources: [PlannedSource] = []
    var tensors: [PlanDraft.Tensor] = []
    let purposes = source.purposes
    for (index, tensor) in source.tensors.enumerated() {
      let shape = tensor.info.ggmlShape.isEmpty ? [1] : tensor.info.ggmlShape
      sources.append(
        PlannedSource(
          name: tensor.info.name, encoding: encoding(of: tensor.info.type),
          elementCount: tensor.info.elementCount, file: tensor.shard, offset: tensor.position))
      let run = RowRun(source: index, firstRow: 0, rowCount: shape.dropFirst().reduce(1, *))
      tensors.append(
        PlanDraft.Tensor(
          name: tensor.info.name, purpose: purposes[tensor.info.name], ggmlShape: shape,
          content: .feed(TensorFeed(runs: [run])), sourceType: tensor.info.type,
          importanceName: tensor.info.name, sourceShard: tensor.shard))
    }
    let files = try source.files.map { file in
      let header = try file.file.bytes(at: 0, count: min(file.dataStart, file.file.byteCount))
      return PlannedSourceFile(
        path: file.file.path, byteCount: file.file.byteCount, modificationTime: file.file.modificationTime,
        headerHash: header.withUnsafeBytes { XXHash64.hash($0) }, isCompressed: false)
    }
    // The output has the alignment that files without this key have.
    let metadata = source.metadata.filter { $0.key != "general.alignment" }
    let matrices = source.tensors.filter { $0.info.ggmlShape.count > 1 }
    let largest = matrices.max { $0.info.byteCount < $1.info.byteCount }
    return PlanDraft(
      sourceFiles: files, sources: sources, tensors: tensors, metadata: metadata,
      intermediate: largest?.info.type ?? .f32)
  }

  private static func encoding(of type: TensorType) -> SourceEncoding {
    switch type {
    case .f32: .element(.f32)
    case .f16: .element(.f16)
    case .bf16: .element(.bf16)
    default: .block(type)
    }
  }

  private static func prune(
    _ draft: PlanDraft, _ pruning: LayerPruning
  ) throws -> (draft: PlanDraft, metadata: PrunedMetadata) {
    let names = try pruning.apply(to: draft.tensors.map(\.name))
    guard let architecture = draft.metadata.first(where: { $0.key == "general.architecture" })?.value.text
    else {
      throw ConversionError(
        .unknownSource, Fault(subject: "general.architecture", expected: "a name", found: "no such key"))
    }
    var result = draft
    result.tensors = zip(draft.tensors, names.names).compactMap { tensor, name in
      guard let name else { return nil }
      var renamed = tensor
      renamed.name = name
      return renamed
    }
    result.skipped += zip(draft.tensors, names.names).filter { $0.1 == nil }.map {
      ConversionPlan.SkippedTensor(name: $0.0.name, reason: "its layer is pruned")
    }
    let metadata = PrunedMetadata(
      entries: try pruning.apply(to: draft.metadata, names: names),
      blockCount: MetadataEntry(architecture + ".block_count", .uint32(UInt32(names.blockCount))))
    return (result, metadata)
  }

  /// Refuses plans that need types which cannot be decoded or made.
  static func refuseUndecodable(_ plan: ConversionPlan) throws {
    for tensor in plan.tensors where tensor.type != tensor.sourceType {
      if !BlockQuantizer.canQuantize(tensor.type) {
        throw ConversionError(
          .badOption,
          Fault(
            subject: tensor.name, expected: "a type that Pouch can write", found: tensor.type.name,
            remedy: "choose another type for this tensor"))
      }
      if tensor.sourceType.isQuantized, !BlockQuantizer.canDequantize(tensor.sourceType) {
        throw ConversionError(
          .unsupportedSourceType,
          Fault(
            subject: tensor.name, expected: "a source type that Pouch can decode",
            found: tensor.sourceType.name,
            remedy: "start from the 16-bit model"))
      }
    }
  }
}
