internal import FileBytes
package import TensorTypes

/// Describes checkpoints: from a configuration and a list of tensors to what they become.
package enum ModelDescription {
  /// Maps a checkpoint.
  ///
  /// Names, types and shapes are looked at, and the values of norm weights where a family has two ways of storing
  /// them. All tensors are checked before anything is reported, so one error names all that is wrong.
  ///
  /// - Parameters:
  ///   - config: The configuration as it is; the family's defaults are applied here.
  ///   - tensors: All tensors of the checkpoint; outputs refer to them by index. For the converter's order list
  ///     them shard by shard in order of file name, each shard's in order of name.
  ///   - options: What to leave out.
  ///   - evidence: What the files say about how values are stored; without it only names, shapes and sizes of the
  ///     result are certain.
  /// - Returns: The output tensors, what is left out, and warnings.
  /// - Throws: ``DescriptionError``, and what reading the evidence throws.
  /// - Complexity: O(tensors); 1,000 tensors take some 0.03 s, 32,000 per-expert ones about 0.2 s of processor time.
  package static func describe(
    config: ModelConfig, tensors: [SourceTensor], options: DescriptionOptions = DescriptionOptions(),
    evidence: CheckpointEvidence? = nil
  ) throws -> CheckpointMap {
    let family = try ModelFamily.family(of: config)
    var model = try HyperParameters(config: config, family: family)

    let verdicts = SourceNames.judge(
      tensors.map(\.name), family: family, layerCount: model.layerCount)
    let quantization =
      try options.tensorsAreExpected
      ? SourceQuantization(expecting: config)
      : SourceQuantization(config, tensors: zip(tensors, verdicts).compactMap { $1.tensor($0) })
    let names = verdicts.compactMap { verdict in if case .use(let name) = verdict { name } else { nil } }
    let present = SourceNames.nextTokenLayerCount(in: names, family: family, layerCount: model.layerCount)
    let mlx = options.isForMLX ? try MLXLayout(of: family, config: config) : nil
    let keeps = family.traits.canPredictNextTokens && options.nextToken != .drop && mlx == nil
    if keeps { model.nextTokenLayerCount = max(present, options.nextToken == .keep ? 1 : 0) }

    let normWarnings = try storage(of: tensors, verdicts, family, &model, evidence, file: config.file)
    var mapper = TensorMapper(
      family.blocks(model), made: mlx == nil ? made(family, model) : [], terms: terms(family, model),
      quantization: quantization, choices: options.choices, mlx: mlx)
    for (index, tensor) in tensors.enumerated() {
      switch verdicts[index] {
      case .skip(let reason): mapper.skipped.append(.init(name: tensor.name, reason: reason))
      case .use(let name):
        if !keeps, SourceNames.isNextToken(name, family: family, layerCount: model.layerCount) {
          let why = mlx == nil ? "dropped on request" : "which mlx-lm leaves out"
          mapper.skipped.append(.init(name: tensor.name, reason: "next-token prediction, \(why)"))
        } else if let mlx, let reason = mlx.reasonToSkip(name, model) {
          mapper.skipped.append(.init(name: tensor.name, reason: reason))
        } else {
          mapper.register(name: name, index: index, tensor)
        }
      }
    }
    var map = CheckpointMap(family: family, model: model, tensors: try mapper.finish(file: config.file))
    map.warnings =
      options.choices + quantization.notes + normWarnings + [tieWarning(config, map)].compactMap(\.self)
      + map.warnings
    guard mlx == nil else { return map }
    let configured = try family.announcedNextTokenLayers(config)
    if family.traits.canPredictNextTokens, options.nextToken == .auto, present == 0, configured > 0 {
      map.warnings.append(
        "the configuration announces \(configured) next-token block, the checkpoint has none; none is written"
      )
    }
    map.losses = ConfigurationLoss.all(
      map.model, family, hasOutputHead: map.outputs.contains { $0.slot == .output })
    // What the configuration announces is among the losses already.
    if let unread = unread(map.outputs.map(\.name), family: family, model: model, besides: map.losses) {
      map.warnings.append(unread)
    }
    return map
  }

  /// Tensors whose values follow from the configuration.
  private static func made(_ family: ModelFamily, _ model: HyperParameters) -> [OutputTensor] {
    family.made(model).map {
      OutputTensor(
        name: $0.name, slot: $0.slot, block: $0.block, ggmlShape: [$0.values.count],
        content: .values($0.values))
    }
  }

  /// What to say of tensors that are not those of a model.
  private static func terms(_ family: ModelFamily, _ model: HyperParameters) -> TensorMapper.Terms {
    TensorMapper.Terms(
      subject: "tensors of \(family.name)",
      expected:
        "the tensors of \(model.layerCount) layers"
        + (model.nextTokenLayerCount > 0 ? " and \(model.nextTokenLayerCount) next-token block" : "")
        + ", hidden size \(model.hiddenSize)",
      remedy: { MismatchRemedy($0, model: model, names: $1).text })
  }

  /// What to say of tensors that llama.cpp's loader has no place for; `nil` without any.
  private static func unread(
    _ names: [String], family: ModelFamily, model: HyperParameters, besides losses: [ConfigurationLoss]
  ) -> String? {
    let apart = family.expectedTensors(model)
    let joint = family.fusedTensors(apart, model).filter(\.isStandard)
    let readable = Set(apart.map(\.name) + joint.map(\.name))
    // One name for all blocks.
    let stems = Set(
      names.filter { !readable.contains($0) }.map { name in
        name.hasPrefix("blk.") ? String(name.split(separator: ".", maxSplits: 2).last ?? "") : name
      }
    )
    .filter { stem in !losses.contains { $0.text.contains(stem) } }
    guard !stems.isEmpty else { return nil }
    return
      "llama.cpp refuses \(family.ggufArchitecture) models with \(stems.sorted().joined(separator: ", ")), "
      + "which this checkpoint has; Pouch runs the file"
  }

  /// Finds out how the norms are stored and notes it in `model`.
  private static func storage(
    of tensors: [SourceTensor], _ verdicts: [SourceNames.Verdict], _ family: ModelFamily,
    _ model: inout HyperParameters, _ evidence: CheckpointEvidence?, file: String
  ) throws -> [String] {
    guard family.storesNormsMinusOne else { return [] }
    let shifted = Set(
      family.blocks(model).flatMap(\.rules).filter { $0.outputs.contains { $0.operation == .addOne } }
        .map(\.source))
    var norms: (trunk: [String], nextToken: [String]) = ([], [])
    for (tensor, verdict) in zip(tensors, verdicts) {
      guard case .use(let name) = verdict, shifted.contains(name) else { continue }
      if name.hasPrefix("mtp.") {
        norms.nextToken.append(tensor.name)
      } else {
        norms.trunk.append(tensor.name)
      }
    }
    let storage = try NormStorage(tensors, norms: norms, evidence: evidence, file: file)
    model.normIsOffset = storage.trunkIsOffset
    if storage.nextTokenIsOffset != storage.trunkIsOffset {
      model.nextTokenNormIsOffset = storage.nextTokenIsOffset
    }
    return storage.warnings
  }

  /// What to say about a model without a head of its own whose configuration is of two minds about it.
  private static func tieWarning(_ config: ModelConfig, _ map: CheckpointMap) -> String? {
    let root = config.document["tie_word_embeddings"]?.flag
    let text = config.document["text_config"]?["tie_word_embeddings"]?.flag
    guard let root, let text, root != text, !map.outputs.contains(where: { $0.slot == .output })
    else {
      return nil
    }
    return
      "tie_word_embeddings is \(root) at the root of config.json and \(text) in text_config; there is no "
      + "lm_head.weight, so the embedding is the output head"
  }
}

extension SourceNames.Verdict {
  /// The tensor under the name that counts; `nil` for one that is left out.
  func tensor(_ tensor: SourceTensor) -> SourceTensor? {
    guard case .use(let name) = self else { return nil }
    return SourceTensor(name: name, elementType: tensor.elementType, shape: tensor.shape)
  }
}
