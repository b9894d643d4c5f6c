internal import FileBytes
public import TensorTypes

/// Describes checkpoints: from a configuration and a list of tensors to what they become.
public enum ModelDescription {
  /// Maps a checkpoint.
  ///
  /// Nothing but names, types and shapes is looked at. All tensors are checked before anything is
  /// reported, so one error names all that is wrong.
  ///
  /// - Parameters:
  ///   - config: The configuration as it is; the family's defaults are applied here.
  ///   - tensors: All tensors of the checkpoint; outputs refer to them by index. For the converter's order list
  ///     them shard by shard in order of file name, each shard's in order of name.
  ///   - options: What to leave out.
  /// - Returns: The output tensors, what is left out, and warnings.
  /// - Throws: ``DescriptionError``.
  /// - Complexity: O(tensors); 1,000 tensors take some 0.03 s, 32,000 per-expert ones about 0.2 s of processor time.
  public static func describe(
    config: ModelConfig, tensors: [SourceTensor], options: DescriptionOptions = DescriptionOptions()
  ) throws -> CheckpointMap {
    let family = try ModelFamily.family(of: config)
    var model = try HyperParameters(config: config, family: family)
    let quantization = try SourceQuantization(config)

    let verdicts = tensors.map { SourceNames.judge($0.name) }
    let names = verdicts.compactMap { verdict in if case .use(let name) = verdict { name } else { nil } }
    let present = SourceNames.nextTokenLayerCount(in: names)
    let keeps = family.traits.canPredictNextTokens && options.nextToken != .drop
    if keeps { model.nextTokenLayerCount = max(present, options.nextToken == .keep ? 1 : 0) }

    var mapper = TensorMapper(family: family, model: model, quantization: quantization)
    for (index, tensor) in tensors.enumerated() {
      switch verdicts[index] {
      case .skip(let reason): mapper.skipped.append(.init(name: tensor.name, reason: reason))
      case .use(let name):
        if family.traits.canPredictNextTokens, !keeps, name.hasPrefix("mtp.") {
          mapper.skipped.append(.init(name: tensor.name, reason: "next-token prediction, dropped on request"))
        } else {
          mapper.register(name: name, index: index, tensor)
        }
      }
    }
    var map = try mapper.finish(file: config.file)
    let configured = try config.optionalInteger("mtp_num_hidden_layers", in: 0...64) ?? 0
    if family.traits.canPredictNextTokens, options.nextToken == .auto, present == 0, configured > 0 {
      map.warnings.append(
        "the configuration announces \(configured) next-token block, the checkpoint has none; none is written"
      )
    }
    if let experts = model.experts {
      let assumed = family.ggufArchitecture != "qwen2moe"
      if experts.normalizesTopK != assumed {
        map.warnings.append(
          "norm_topk_prob is \(experts.normalizesTopK), but a GGUF cannot say so and llama.cpp assumes \(assumed)"
        )
      }
    }
    return map
  }
}
