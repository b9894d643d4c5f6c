internal import FileBytes
internal import ModelDescriptions
internal import QuantRecipes
internal import SafetensorsFormat
internal import TensorTypes
internal import ZstdStreams

extension ConversionPlanner {
  /// Plans the conversion of a checkpoint folder to a folder for MLX.
  ///
  /// Names, shapes, types and values are those that mlx-lm 0.32.2 writes; tokenizer files are those of the checkpoint.
  ///
  /// - Throws: Errors of the readers for a bad checkpoint, `DescriptionError` for one that is not understood or whose
  ///   family is not written for MLX, ``ConversionError``.
  package static func prepareMLX(_ request: MLXRequest) throws -> PreparedConversion {
    guard FileSystem.kind(of: request.source) == .folder else {
      throw SourceRecognition.refusal(of: request.source, wanted: .checkpoint)
    }
    let config = try ModelConfig(folder: request.source, wanted: .checkpoint)
    let checkpoint = try SafetensorsCheckpoint(
      folder: request.source, requireData: !request.headersOnly, decompressor: { try ZstdReader(path: $0) })
    let tensors = inConverterOrder(checkpoint)
    var options = DescriptionOptions(choices: checkpoint.choices)
    options.isForMLX = true
    let map = try ModelDescription.describe(
      config: config, tensors: tensors.map(\.tensor), options: options,
      evidence: request.headersOnly ? nil : evidence(of: checkpoint))
    guard let layout = map.mlx else { preconditionFailure("a checkpoint that is described for MLX") }
    let folder = mlxFolder(request)
    var plan = ConversionPlan(
      sourceFiles: checkpoint.shards.map {
        PlannedSourceFile(
          path: $0.path, byteCount: $0.storedByteCount, modificationTime: $0.modificationTime,
          headerHash: $0.headerHash, isCompressed: $0.isCompressed)
      },
      sources: tensors.enumerated().map { index, tensor in
        PlannedSource(index, tensor.tensor, map: map.tensors, file: tensor.shard, offset: tensor.byteOffset)
      },
      tensors: [], files: [], architecture: layout.modelType, mix: .f32, intermediate: .f32,
      skipped: map.skipped.map { ConversionPlan.SkippedTensor(name: $0.name, reason: $0.reason) },
      notices: notices(of: map)
        + checkpoint.warnings.map {
          ConversionPlan.Notice(
            subject: "\($0.file)", text: "\($0.subject): expected \($0.expected), found \($0.found)")
        })
    plan.model = map.architecture
    var types = MLXTypes(
      request, layout, config: config, isTied: !map.outputs.contains { $0.slot == .output })
    var shapes: [[Int]] = []
    for index in layout.order(of: map.outputs) {
      plan.tensors.append(planned(map.outputs[index], sources: plan.sources, &types))
      shapes.append(map.outputs[index].ggmlShape.reversed())
    }
    try types.finish()
    plan.notices += types.notices
    plan.rules = RuleReport.list(plan.tensors, options: MixOptions(), base: nil)
    let index = try MLXFiles.layOut(&plan, shapes: shapes, folder: folder, limit: request.shardByteCount)
    plan.folder = PlannedFolder(
      path: folder, formatName: formatName(request),
      companions: try companions(request, config, map, plan: plan, index: index))
    try refuseOverwritingSource(plan)
    let fingerprint = Fingerprint(plan: plan, importance: "", version: ConversionPlan.writerVersion)
    return PreparedConversion(plan: plan, importance: nil, fingerprint: fingerprint)
  }

  /// One tensor, with its parts but without its places.
  private static func planned(_ output: OutputTensor, sources: [PlannedSource], _ types: inout MLXTypes)
    -> PlannedTensor
  {
    let (groups, reason) = types.groups(of: output)
    var encodings: Set<SourceEncoding> = []
    if case .feed(let feed) = output.content {
      encodings = Set(feed.runs.map { sources[$0.source].encoding })
    }
    let floats = types.floats(of: output, encodings: encodings, isGrouped: groups != nil)
    // A dimension of one in front, as convolutions have it, makes no rows.
    let shape =
      output.ggmlShape.count > 1 && output.ggmlShape[0] == 1
      ? output.ggmlShape.dropFirst() : output.ggmlShape[...]
    var tensor = PlannedTensor(
      name: output.name, ggmlShape: Array(shape), purpose: output.purpose, content: output.content,
      sourceType: floats.rounded, decision: TypeDecision(type: floats.stored, reason: reason),
      importanceName: nil, importanceKey: output.name, file: 0, offset: 0, byteCount: 0)
    if let groups, let type = floats.stored.floatElement {
      tensor.groups = groups
      let scale = PlannedPart(
        file: 0, offset: 0,
        rowByteCount: groups.groupCount(rowLength: tensor.rowLength)
          * groups.scaleType(weights: type).bitCount / 8)
      tensor.groupParts = [PlannedPart](repeating: scale, count: groups.hasBiases ? 2 : 1)
    }
    tensor.byteCount = tensor.rowCount * tensor.rowByteCount
    return tensor
  }

  /// What the folder holds beside weights.
  private static func companions(
    _ request: MLXRequest, _ config: ModelConfig, _ map: CheckpointMap, plan: ConversionPlan, index: JSONValue
  ) throws -> [PlannedFolder.Companion] {
    func place(_ name: String) -> String { request.source + "/" + name }
    let settings = place("generation_config.json")
    let generation = FileSystem.isFile(settings) ? try? JSONValue(contentsOf: settings) : nil
    var configuration = MLXConfiguration(config, map, generation: generation)
    if let layout = map.mlx, let table = quantization(request, layout, plan) {
      configuration.setQuantization(table)
    }
    func bytes(_ name: String, _ document: JSONValue) -> PlannedFolder.Companion {
      .init(name: name, content: .bytes(Array(document.indentedText.utf8)))
    }
    let scripts = FileSystem.contents(of: request.source).filter { $0.hasSuffix(".py") }.sorted()
    let copies = (MLXFiles.copied + scripts).filter { FileSystem.isFile(place($0)) }
    return [
      bytes("config.json", configuration.document), bytes(SafetensorsIndex.fileName, index),
      .init(name: "README.md", content: .bytes(Array(card(request).utf8))),
    ] + copies.map { .init(name: $0, content: .copy(of: place($0))) }
  }

  /// The entry of the configuration on groups: those of most matrices, and the modules that have others.
  private static func quantization(_ request: MLXRequest, _ layout: MLXLayout, _ plan: ConversionPlan)
    -> JSONValue?
  {
    guard let common = request.groups ?? plan.tensors.lazy.compactMap(\.groups).first else { return nil }
    func table(_ groups: GroupFormat) -> [String: JSONValue] {
      [
        "group_size": .integer(groups.groupSize), "bits": .integer(groups.bits),
        "mode": .string(groups.mode.rawValue),
      ]
    }
    var entries = table(common)
    for tensor in plan.tensors {
      // mlx-lm names those that it has a choice for, also where the choice is that of all.
      guard let groups = tensor.groups, groups != common || tensor.purpose.slot.map(layout.isFiner) == true
      else { continue }
      var own = table(groups)
      // mlx-lm's own entries have no mode, which stands for this one.
      if groups.mode == .affine { own["mode"] = nil }
      entries[MLXFiles.module(of: tensor.name)] = .object(own)
    }
    return .object(entries)
  }

  /// The start of a model card.
  private static func card(_ request: MLXRequest) -> String {
    let base = ModelFolder(request.source).hubRepository.map { "base_model: \($0)\n" } ?? ""
    return "---\nlibrary_name: mlx\npipeline_tag: text-generation\n\(base)tags:\n- mlx\n---\n"
  }

  /// The name of the format, such as `4bit`, `8bit-g32` or `mxfp4`.
  private static func formatName(_ request: MLXRequest) -> String {
    guard let groups = request.groups else {
      return request.overrides.isEmpty ? request.floatType?.rawValue.lowercased() ?? "plain" : "mixed"
    }
    let size = groups.groupSize == 64 ? "" : "-g\(groups.groupSize)"
    let name = groups.mode == .affine ? "\(groups.bits)bit\(size)" : groups.mode.rawValue
    return name + (request.overrides.isEmpty ? "" : "-mixed")
  }

  /// The path of the output.
  private static func mlxFolder(_ request: MLXRequest) -> String {
    func trimmed(_ path: String) -> String {
      path.count > 1 && path.hasSuffix("/") ? trimmed(String(path.dropLast())) : path
    }
    if let given = request.outputPath { return trimmed(given) }
    let source = ModelFolder(request.source)
    let name = source.modelName + "-mlx-" + formatName(request)
    guard !source.isInHubCache else { return name }
    let path =
      [".", ".."].contains(FileSystem.name(of: trimmed(request.source)))
      ? FileSystem.resolved(request.source) : trimmed(request.source)
    let folder = FileSystem.folder(of: path)
    return folder == "." ? name : folder + "/" + name
  }
}
