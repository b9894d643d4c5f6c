internal import FileBytes
public import TextTokenizers

/// A model family: how its checkpoints are configured, named and stored, and what they become.
///
/// One value per family, in a file of its own under `Families`; adding a family means adding such a
/// file and naming the value in ``all``.
public struct ModelFamily: Sendable {
  /// The name, which is the `model_type` of its checkpoints.
  public let name: String
  /// The class names under `architectures`.
  public let architectures: [String]
  /// The values of `model_type`, including that of the text part of a multimodal checkpoint.
  public let modelTypes: [String]
  /// The value of `general.architecture` in a GGUF.
  public let ggufArchitecture: String
  /// Where the tokenizer is found.
  public let vocabularyStyle: VocabularyMetadata.Style
  /// The values that the family's configuration class gives to absent keys.
  public let defaults: [String: JSONValue]
  /// What the configuration does not say because every model of the family has it.
  let traits: Traits
  /// The tensors of a model.
  let blocks: @Sendable (HyperParameters) -> [BlockRules]

  /// Properties of all models of a family.
  struct Traits: Sendable {
    /// RMS norm weights are stored minus one.
    var normIsOffset = false
    /// Norms on query and key heads.
    var hasQueryKeyNorm = false
    /// Biases on query, key and value projections.
    var inputBias = BiasRule.never
    /// A bias on the output projection.
    var outputBias = BiasRule.never
    /// Dense feed-forward networks have biases when `mlp_bias` is true.
    var hasFeedForwardBiasKey = false
    /// Which layers attend to the last tokens alone.
    var window = WindowRule.never
    /// A sigmoid gate on each head's output.
    var hasOutputGate = false
    /// How the output's weights pair the dimensions of a head.
    var rotaryPairing = Attention.RotaryPairing.halfSplit
    /// Layers mix gated delta nets with softmax attention.
    var isHybrid = false
    /// A GGUF has the value heads of delta nets tiled over the key heads.
    var tilesValueHeads = true
    /// One matrix makes step sizes and decays of delta nets.
    var joinsGates = false
    /// A mixture of experts in every layer.
    var isMixture = false
    /// A shared expert beside the routed ones.
    var hasSharedExpert = false
    /// Where renormalisation of the chosen experts' weights is configured; fixed when there is no key.
    var normalizesTopK = TopKRule.always
    /// Checkpoints may have blocks for next-token prediction.
    var canPredictNextTokens = false
    /// The width of an expert is `intermediate_size`.
    var expertWidthIsFeedForwardSize = false
    /// A part of a layer's names that some programs write instead of the one in the rules.
    var layerAlias: LayerAlias?
  }

  /// Another name for a module of a layer, such as `mlp` for `block_sparse_moe`.
  struct LayerAlias: Sendable {
    /// The name that is replaced.
    var name: String
    /// The name in the rules.
    var canonical: String
  }

  /// When a projection has a bias.
  enum BiasRule: Sendable {
    case never, always
    /// When this key is true.
    case key(String)
  }

  /// When the weights of the chosen experts are renormalised.
  enum TopKRule: Sendable {
    case always
    /// As `norm_topk_prob` says.
    case configured
  }

  /// All families, in the order in which messages list them.
  public static let all: [ModelFamily] = [
    .qwen3_5_moe, .qwen3_5, .qwen3_next, .qwen3_moe, .qwen2_moe, .qwen3, .qwen2, .mixtral, .llama,
  ]

  /// Finds the family of a checkpoint.
  ///
  /// - Throws: ``DescriptionError`` with `notSupported`, naming what is supported and the nearest name, or for
  ///   `architectures` that is no list of names.
  public static func family(of config: ModelConfig) throws -> ModelFamily {
    _ = try config.optionalStrings("architectures")
    let architecture = config.architecture
    if let architecture, let match = all.first(where: { $0.architectures.contains(architecture) }) {
      return match
    }
    if architecture == nil, let type = config.modelType,
      let match = all.first(where: { $0.modelTypes.contains(type) })
    {
      return match
    }
    let known = all.flatMap(\.architectures)
    let found =
      architecture ?? config.modelType.map { "model_type \($0)" } ?? "neither architectures nor model_type"
    let nearest = architecture.flatMap { UnsupportedModel.nearest(to: $0, among: known) }
    let remedy = UnsupportedModel.remedy(
      architecture: architecture, modelType: config.modelType, nearest: nearest)
    throw DescriptionError(
      .notSupported,
      Fault(
        file: config.file, subject: "architectures", expected: "one of " + known.joined(separator: ", "),
        found: found, remedy: remedy))
  }

  /// Finds the family with a GGUF's `general.architecture`; the dense one when several share it.
  public static func family(ggufArchitecture: String, isMixture: Bool) -> ModelFamily? {
    let candidates = all.filter { $0.ggufArchitecture == ggufArchitecture }
    return candidates.first { $0.traits.isMixture == isMixture } ?? candidates.first
  }
}
