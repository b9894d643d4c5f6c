internal import FileBytes
internal import ModelDescriptions
internal import QuantRecipes
internal import SafetensorsFormat
internal import TensorTypes
internal import TextTokenizers

extension ConversionPlanner {
  /// Plans `mmproj` files of the vision tower of a checkpoint folder, as llama.cpp's converter writes them.
  ///
  /// - Parameters:
  ///   - request: What the outputs have in common; of what chooses types nothing but `overrides` has an influence.
  ///   - outputs: The types: `auto`, f32, f16, bf16 and q8_0.
  /// - Returns: A plan for each of the outputs.
  /// - Throws: Errors of the readers for a bad checkpoint, `DescriptionError` for one whose tower is not understood,
  ///   ``ConversionError``.
  package static func prepareVision(_ request: ConversionRequest, outputs: [OutputChoice]) throws
    -> [PreparedConversion]
  {
    let (config, checkpoint, tensors) = try open(request)
    // What is missing in the model is said before what is missing beside it.
    _ = try VisionFamily.family(of: config)
    let tower = try VisionTower(config: config, pictures: try PictureSettings(folder: request.source))
    let map = try tower.map(tensors.map(\.tensor), config: config, choices: checkpoint.choices)
    var draft = draft(checkpoint, tensors: tensors, map: map, request: request)
    draft.notices = map.warnings.map { .init(subject: "checkpoint", text: $0) } + draft.notices
    for (index, output) in map.outputs.enumerated() {
      draft.tensors[index].sourceType = storedType(of: output, draft.sources)
    }
    let used = Set(map.outputs.flatMap { sources(of: $0) })
    let sixteenBit = sixteenBitType(of: used.sorted().map { tensors[$0] })
    let files = try TokenizerFolder(request.source)
    let split = try split(request)
    let prepared = try outputs.map { output in
      let mix = try visionMix(output, sixteenBit: sixteenBit)
      let metadata = VisionMetadata(
        files: files, tower: tower, outputs: map.outputs, fileType: mix.fileType ?? 0,
        modelName: request.modelName)
      var own = draft
      own.metadata = metadata.entries
      var request = request.with(output)
      request.mixOptions.keepsGivenOrder = true
      return try finish(
        own, request: request, mix: mix,
        outputPath: outputPath(
          request.outputPath, typeName: mix.rawValue,
          folder: defaultPlace(source: request.source, request).folder,
          name: metadata.fileName(typeName: mix.rawValue)),
        split: split, importance: nil, decisions: map.outputs.map { decision(for: $0, mix: mix) })
    }
    try refuseEqualNames(prepared)
    return prepared
  }

  /// The mix that stands for the type of a file.
  private static func visionMix(_ output: OutputChoice, sixteenBit: TensorType?) throws -> StockMix {
    let mix = try mix(for: output.type, keepsBlocks: false, sixteenBit: sixteenBit)
    guard output.recipe == nil, [.f32, .f16, .bf16, .q8_0].contains(mix) else {
      throw ConversionError(
        .badOption,
        Fault(
          subject: "\(.outputType)", expected: "auto, f32, f16, bf16 or q8_0 with \(.visionTower)",
          found: "\(output.recipe?.name ?? mix.rawValue)",
          remedy: "towers are small and lose much in fewer bits; f16 and q8_0 are the usual types"))
    }
    return mix
  }

  /// The type of a tensor: the rules of llama.cpp's converter, which differ from those of llama-quantize.
  private static func decision(for output: OutputTensor, mix: StockMix) -> TypeDecision {
    if output.storage == .alwaysF32 {
      return TypeDecision(
        type: .f32, reason: .notQuantizable(output.slot == .visionVector ? .vector : .marked("positions")))
    }
    let wanted = mix.defaultType ?? .f32
    if output.slot == .visionPatches {
      return TypeDecision(type: mix == .f16 ? .f16 : .f32, reason: .notQuantizable(.marked("patches")))
    }
    let fits = (output.ggmlShape.first ?? 1) % wanted.blockLength == 0
    return TypeDecision(type: fits ? wanted : .f16, reason: .mixDefault, fallbackFrom: fits ? nil : wanted)
  }

  /// The type of an output's values in the checkpoint, f32 where no 16-bit type has them all.
  private static func storedType(of output: OutputTensor, _ planned: [PlannedSource]) -> TensorType {
    let types = Set(sources(of: output).map { planned[$0].encoding.tensorType })
    guard types.count == 1, case let type?? = types.first, [.f16, .bf16].contains(type) else { return .f32 }
    return type
  }

  private static func sources(of output: OutputTensor) -> [Int] {
    guard case .feed(let feed) = output.content else { return [] }
    return feed.runs.map(\.source)
  }
}
