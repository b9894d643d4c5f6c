internal import FileBytes
internal import TensorTypes
internal import TextTokenizers

/// The entries under the architecture's own name, such as `qwen3moe.block_count`, and the file type, which the
/// converter writes in their midst: the order of llama.cpp's converter.
struct ArchitectureMetadata {
  /// Whether the configuration as the converter sees it has the width of a head.
  private let hasHeadWidth: Bool
  private var keys: KeyWriter

  /// The entries before what all models say of themselves, and those after it.
  private var (before, after): ([MetadataEntry], [MetadataEntry]) = ([], [])

  init(map: CheckpointMap, config rawConfig: ModelConfig, fileType: UInt32) throws {
    keys = KeyWriter(architecture: map.family.ggufArchitecture)
    let model = map.model
    let config = rawConfig.seen(by: map.family)
    // transformers has no class for Kimi K2 that would fill it in.
    hasHeadWidth = (rawConfig.modelType == "kimi_k2" ? rawConfig : config)["head_dim"] != nil
    keys.add(.blockCount, model.blockCount)
    keys.add(.contextLength, model.contextLength)
    keys.add(.hiddenSize, model.hiddenSize)
    keys.add(.feedForwardSize, model.feedForwardSize)
    keys.add(.headCount, model.attention.headCount)
    if model.shortConvolution != nil {
      // Layers without attention have no keys.
      let heads = model.attention.keyValueHeadCount
      keys.add(.keyValueHeadCount, perBlock: model.layerKinds.map { $0 == .attention ? heads : 0 })
    } else if map.family.traits.hasOwnWindowHeads, let sliding = model.slidingAttention,
      sliding.keyValueHeadCount != model.attention.keyValueHeadCount
        || config["num_global_key_value_heads"]?.integer != nil
    {
      keys.add(
        .keyValueHeadCount,
        perBlock: model.windows.map { ($0 == nil ? model.attention : sliding).keyValueHeadCount })
    } else {
      // Queries brought to the latent space share one key.
      keys.add(.keyValueHeadCount, model.latentAttention == nil ? model.attention.keyValueHeadCount : 1)
    }
    if rawConfig["is_causal"]?.flag == false { keys.add(.isCausal, false) }
    let sections = map.family.traits.defaultSections
    model.rope.write(&keys, defaultSections: model.linearAttention == nil ? sections : nil)
    if map.family.traits.hasOwnWindowHeads { keys.add(.windowRotaryBase, model.slidingAttention?.rope.theta) }
    keys.add(.normEpsilon, model.normEpsilon)
    let late = map.family.ownKeys.reduce(into: Set<String>()) { $0.formUnion($1.late) }
    if !late.contains(TypedKey.expertCount.key.name) {
      keys.add(
        .expertCount,
        model.experts?.count ?? config["num_local_experts"]?.integer ?? config["num_experts"]?.integer)
    }
    if !late.contains(TypedKey.expertUsedCount.key.name) {
      keys.add(.expertUsedCount, model.experts?.usedCount ?? config["num_experts_per_tok"]?.integer)
    }
    if let router = model.experts?.router { addRouter(router, map.family, config) }
    addHeadLengths(model)
    let fileTypeEntry = MetadataEntry("general.file_type", .uint32(fileType))
    keys.add(fileTypeEntry)
    let source = ModelFamily.OwnKey.Source(
      model: model, config: config, family: map.family, hasHeadWidth: hasHeadWidth)
    for key in map.family.ownKeys { key.write(source, &keys) }
    guard let order = map.family.keyOrder else {
      after = keys.entries
      return
    }
    func sorted(_ order: [MetadataKey]) -> [MetadataEntry] {
      order.compactMap { key in keys.entries.first { $0.key == key.fullName(keys.architecture) } }
    }
    before = sorted(order.beforeGeneral)
    after = sorted(order.beforeFileType) + [fileTypeEntry] + sorted(order.afterFileType)
  }

  /// All entries of a file but those of its vocabulary.
  func entries(around general: GeneralMetadata) -> [MetadataEntry] {
    [MetadataEntry("general.architecture", .string(keys.architecture))] + before
      + [MetadataEntry("general.type", .string("model"))] + general.entries + after
      + [MetadataEntry("general.quantization_version", .uint32(2))]
  }

  /// Groups of experts, and what makes probabilities of scores.
  private mutating func addRouter(_ router: Router, _ family: ModelFamily, _ config: ModelConfig) {
    if config["n_group"] != nil { keys.add(.expertGroupCount, router.groupCount) }
    if config["topk_group"] != nil { keys.add(.expertGroupUsedCount, router.usedGroupCount) }
    // Without the key, loaders take softmax for latent attention but in models of some sizes.
    if config["scoring_func"] != nil || (family.traits.isLatent && router.scoring == .sigmoid) {
      router.writeScoring(&keys)
    }
  }

  /// The lengths of keys and values, where the configuration says them.
  private mutating func addHeadLengths(_ model: HyperParameters) {
    if let latent = model.latentAttention {
      if hasHeadWidth { latent.writeLengths(&keys) }
    } else if hasHeadWidth || (keys.architecture == "llama" && model.experts == nil) {
      // The class of plain llama configurations fills in the head dimension, that of mixtral does not.
      keys.add(.keyLength, model.attention.headDim)
      keys.add(.valueLength, model.attention.headDim)
    }
  }
}
