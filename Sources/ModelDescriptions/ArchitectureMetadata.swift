internal import TensorTypes
internal import TextTokenizers

/// The entries under the architecture's own name, such as `qwen3moe.block_count`, and the file type, which the
/// converter writes in their midst: the order of llama.cpp's converter.
struct ArchitectureMetadata {
  /// Whether the configuration as the converter sees it has the width of a head.
  private let hasHeadWidth: Bool
  private var keys: KeyWriter

  /// The entries.
  var entries: [MetadataEntry] { keys.entries }

  init(map: CheckpointMap, config rawConfig: ModelConfig, fileType: UInt32) throws {
    keys = KeyWriter(architecture: map.family.ggufArchitecture)
    let model = map.model
    let config = rawConfig.filled(with: map.family.defaults)
    // transformers has no class for Kimi K2 that would fill it in.
    hasHeadWidth = (rawConfig.modelType == "kimi_k2" ? rawConfig : config)["head_dim"] != nil
    keys.add(.blockCount, model.blockCount)
    keys.add(.contextLength, model.contextLength)
    keys.add(.hiddenSize, model.hiddenSize)
    keys.add(.feedForwardSize, model.feedForwardSize)
    keys.add(.headCount, model.attention.headCount)
    // Queries brought to the latent space share one key.
    keys.add(.keyValueHeadCount, model.latentAttention == nil ? model.attention.keyValueHeadCount : 1)
    if rawConfig["is_causal"]?.flag == false { keys.add(.isCausal, false) }
    let sections = map.family.traits.defaultSections
    model.rope.write(&keys, defaultSections: model.linearAttention == nil ? sections : nil)
    keys.add(.normEpsilon, model.normEpsilon)
    let experts =
      model.experts?.count ?? config["num_local_experts"]?.integer ?? config["num_experts"]?.integer
    keys.add(.expertCount, experts)
    keys.add(.expertUsedCount, model.experts?.usedCount ?? config["num_experts_per_tok"]?.integer)
    if let router = model.experts?.router { addRouter(router, map.family, config) }
    addHeadLengths(model)
    keys.add(MetadataEntry("general.file_type", .uint32(fileType)))
    for key in map.family.ownKeys { add(key, model, config, map.family) }
  }

  /// Writes keys that not all architectures have, as far as the model has what they tell.
  private mutating func add(
    _ key: ModelFamily.OwnKey, _ model: HyperParameters, _ config: ModelConfig, _ family: ModelFamily
  ) {
    let (experts, latent) = (model.experts, model.latentAttention)
    switch key {
    case .vocabularySize: keys.add(.vocabularySize, model.vocabularySize)
    case .rotaryDimensions: keys.add(.rotaryDimensions, model.attention.rotaryDimensions)
    case .noRotaryScaling: keys.add(.rotaryScaling, "none")
    case .expertWidth: keys.add(.expertWidth, experts?.width)
    case .sharedExpertWidth: keys.add(.sharedExpertWidth, experts?.sharedWidth)
    case .sharedExpertCount: keys.add(.sharedExpertCount, experts?.sharedCount)
    case .leadingDense: keys.add(.leadingDenseCount, model.leadingDenseCount)
    // Elsewhere already, where the configuration names it.
    case .scoring: if config["scoring_func"] == nil { experts?.router.writeScoring(&keys) }
    case .expertScale: keys.add(.expertScale, experts?.router.scale)
    case .expertSum(let isWrittenAlways):
      if let router = experts?.router, router.normalizesTopK || isWrittenAlways {
        keys.add(.normalizesExperts, router.normalizesTopK)
      }
    case .latentWidths:
      latent?.writeWidths(&keys, layerCount: model.layerCount, hasLengths: hasHeadWidth)
    case .latentRotation: latent?.writeRotation(&keys)
    case .deltaNet:
      guard let net = model.linearAttention else { return }
      net.write(&keys)
      model.writeLayerKinds(&keys)
      keys.add(.rotaryDimensions, model.attention.rotaryDimensions)
      if model.rope.sections == nil { RopeParameters.write(family.traits.defaultSections, &keys) }
    case .deepstack: keys.add(.deepstackLayerCount, model.deepstackLayerCount)
    case .nextToken(let saysNone):
      let isSaidToBeNone = saysNone && config["num_nextn_predict_layers"]?.integer == 0
      if model.nextTokenLayerCount > 0 || isSaidToBeNone {
        keys.add(.nextTokenLayerCount, model.nextTokenLayerCount)
      }
    }
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
