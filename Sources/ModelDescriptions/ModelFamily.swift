package import FileBytes
package import TextTokenizers

/// A model family: how its checkpoints are configured, named and stored, and what they become.
///
/// One value per family, in a file of its own under `Families`; adding a family means adding such a
/// file and naming the value in ``all``.
package struct ModelFamily: Sendable {
  /// The name, which is the `model_type` of its checkpoints.
  package let name: String
  /// The class names under `architectures`.
  package let architectures: [String]
  /// Class names that stand for several families, told apart by the `model_type` of the text part.
  package var wrappers: [String] = []
  /// The values of `model_type`, including that of the text part of a multimodal checkpoint.
  package let modelTypes: [String]
  /// The value of `general.architecture` in a GGUF.
  package let ggufArchitecture: String
  /// Where the tokenizer is found.
  package let vocabularyStyle: VocabularyMetadata.Style
  /// A flag of the configuration that must be as said, for families that share their classes.
  var condition: (flag: String, value: Bool)?
  /// The values that the family's configuration class gives to absent keys.
  package let defaults: [String: JSONValue]
  /// The family's own names of keys of a configuration, by the names that most families have.
  var keyNames: [String: String] = [:]
  /// The keys of a configuration that may hold a list of one number for each layer.
  var listedKeys: Set<String> = []
  /// What the configuration does not say because every model of the family has it.
  let traits: Traits
  /// What all models of the family have beyond what a configuration or keys say.
  var parts: @Sendable (inout HyperParameters) -> Void = { _ in }
  /// What a configuration says in keys of the family's own.
  var configured: @Sendable (ModelConfig, inout HyperParameters) throws -> Void = { _, _ in }
  /// What llama.cpp computes otherwise than transformers for every model of the family.
  var differences: [ConfigurationLoss] = []
  /// The keys of a GGUF that not all architectures have, in order.
  var ownKeys: [OwnKey] = []
  /// The order of all keys, where it is not the one that most families have.
  var keyOrder: KeyOrder?
  /// Tensors of numbers that the configuration says.
  var made: @Sendable (HyperParameters) -> [MadeTensor] = { _ in [] }
  /// The tensors of a model.
  let blocks: @Sendable (HyperParameters) -> [BlockRules]

  /// Properties of all models of a family.
  struct Traits: Sendable {
    /// RMS norm weights are stored minus one.
    var normIsOffset = false
    /// Norms on query and key heads.
    var queryKeyNorm = Presence.never
    /// Biases on query, key and value projections.
    var inputBias = Presence.never
    /// A bias on the output projection.
    var outputBias = Presence.never
    /// llama.cpp's loader has a place for the bias of the output projection.
    var takesOutputBias = false
    /// Which layers attend to the last tokens alone.
    var window = WindowRule.never
    /// Layers with a window have heads and a rotary embedding of their own, which both configurations and files say.
    var hasOwnWindowHeads = false
    /// The share of a head's dimensions that turns when the configuration is silent; `nil` in families whose heads
    /// turn as a whole whatever it says.
    var rotaryShare: Double?
    /// The pairs that turn by the position in time, height and width when the configuration is silent; `nil` in
    /// families whose GGUF has no such key.
    var defaultSections: [Int]?
    /// Attention is over latent vectors.
    var isLatent = false
    /// Layers mix gated delta nets with softmax attention.
    var isHybrid = false
    /// A GGUF has the value heads of delta nets tiled over the key heads.
    var tilesValueHeads = true
    /// Layers mix short convolutions with softmax attention.
    var hasShortConvolutions = false
    /// A mixture of experts in every layer, or in all but the first ones.
    var isMixture = false
    /// llama.cpp's loader does not do without the width of experts.
    var needsExpertWidth = false
    /// The first layers, as many as `first_k_dense_replace` says, are dense.
    var hasLeadingDense = false
    /// The shared expert beside the routed ones.
    var sharedExpert = SharedExpert.none
    /// The router that a GGUF has when its keys say nothing.
    var assumedRouter = Router(normalizesTopK: true)
    /// The router that a configuration describes; `nil` when it is always the assumed one.
    var router: (@Sendable (ModelConfig) throws -> Router)?
    /// Where checkpoints have blocks for next-token prediction.
    var nextToken = NextToken.none
    /// The width of an expert is `intermediate_size`.
    var expertWidthIsFeedForwardSize = false
    /// A GGUF has gate and up projections of all experts of a layer as one tensor.
    var joinsExpertGateAndUp = false
    /// What llama.cpp assumes of scores where a GGUF is silent is wrong for most models.
    var needsScoringKey = false
    /// llama.cpp wants as many key heads as query heads in a GGUF.
    var needsEqualHeads = false
    /// llama.cpp wants all dimensions of a head to turn in a GGUF.
    var turnsWholeHeads = false
    /// A GGUF has the factors of rotary pairs for texts up to the original context and for longer ones as tensors.
    var hasLongFactors = false
    /// A GGUF may have sections of rotary pairs, which configurations of text models do not.
    var maySaySections = false
    /// llama.cpp wants an output head in a GGUF, also of models whose embedding serves as one.
    var needsOutputHead = false
    /// The limit of logits that llama.cpp assumes where a GGUF is silent.
    var assumedLogitCap: Double?
    /// The function on the gate of feed-forward networks that a GGUF has, which no key says.
    var activation = Activation.silu
    /// The limits between the kinds of yarn's pairs are whole numbers in a GGUF, which no key says.
    var roundsYarnLimits = true
    /// A part of a layer's names that some programs write instead of the one in the rules.
    var layerAlias: LayerAlias?

    /// Whether llama.cpp reads numbers of key and value heads for each layer.
    var hasHeadsByLayer: Bool { hasShortConvolutions || hasOwnWindowHeads }
    /// Whether a GGUF says what makes probabilities of scores, and whether they are divided by their sum.
    var saysRouter: Bool { isLatent || assumedRouter.scoring == .sigmoid }
    /// Whether checkpoints may have blocks for next-token prediction that are converted.
    var canPredictNextTokens: Bool {
      switch nextToken {
      case .separate, .afterTrunk: true
      case .none, .leftOut: false
      }
    }
  }

  /// A vector of a GGUF whose numbers follow from the configuration.
  struct MadeTensor: Sendable {
    var name: String
    var slot: TensorSlot
    /// The number of its block; `nil` outside of blocks.
    var block: Int?
    var values: [Float]
  }

  /// Another name for a module of a layer, such as `mlp` for `block_sparse_moe`, or for a tensor.
  struct LayerAlias: Sendable {
    /// The name that is replaced.
    var name: String
    /// The name in the rules.
    var canonical: String
  }

  /// When a model has some tensors.
  enum Presence: Sendable {
    case never, always
    /// When this key is true.
    case key(String)
  }

  /// The expert that every token visits.
  enum SharedExpert: Sendable {
    case none
    /// One of its own width (`shared_expert_intermediate_size`), behind a sigmoid.
    case gated
    /// As many as `n_shared_experts` says, each as wide as a routed one, held as one without a gate.
    case counted
    /// The same, or one as wide as `shared_expert_intermediate_size` says; a GGUF says the width, and where it does not,
    /// there may be one as wide as a routed one.
    case sized(isAssumed: Bool)
  }

  /// Where checkpoints have blocks for next-token prediction.
  enum NextToken: Sendable {
    case none
    /// Under `mtp.`, or after the trunk's layers with other names; `mtp_num_hidden_layers` announces them.
    case separate
    /// After the trunk's layers; `num_nextn_predict_layers` announces them.
    case afterTrunk
    /// After the trunk's layers, and nothing that reads a GGUF takes them.
    case leftOut
  }

  /// All families, in the order in which messages list them.
  package static let all: [ModelFamily] = [
    .qwen3_5_moe, .qwen3_5, .qwen3_next, .qwen3_moe, .qwen2_moe, .qwen3, .qwen2, .qwen3_vl_moe, .qwen3_vl,
    .deepseek_v3, .deepseek_v2, .deepseek, .glm4_moe_lite, .glm4_moe, .mistral4, .minimax_m2, .ernie4_5_moe,
    .hunyuan_v1_moe, .bailing_moe_v2, .granitemoe, .exaone_moe, .lfm2_moe, .gpt_oss, .phimoe, .gemma4_moe,
    .gemma4, .dots1, .olmoe, .mixtral, .llama,
  ]

  /// Finds the family of a checkpoint.
  ///
  /// - Throws: ``DescriptionError`` with `notSupported`, naming what is supported and the nearest name, or for
  ///   `architectures` that is no list of names.
  package static func family(of config: ModelConfig) throws -> ModelFamily {
    _ = try config.optionalStrings("architectures")
    let architecture = config.architecture
    if let architecture {
      if let match = all.first(where: {
        $0.architectures.contains(architecture) && $0.meetsCondition(config)
      }) {
        return match
      }
      let type = config.document["text_config"]?["model_type"]?.text ?? config.modelType ?? ""
      if let match = all.first(where: {
        $0.wrappers.contains(architecture) && $0.modelTypes.contains(type)
      }) {
        return match
      }
    }
    if architecture == nil, let type = config.modelType,
      let match = all.first(where: { $0.modelTypes.contains(type) && $0.meetsCondition(config) })
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

  private func meetsCondition(_ config: ModelConfig) -> Bool {
    condition.map { (config[$0.flag]?.flag ?? false) == $0.value } ?? true
  }

  /// The blocks for next-token prediction that a configuration announces; checkpoints may lack them.
  ///
  /// - Throws: ``DescriptionError`` with `invalidConfig`.
  func announcedNextTokenLayers(_ config: ModelConfig) throws -> Int {
    switch traits.nextToken {
    case .none, .leftOut: 0
    case .separate: try config.optionalInteger("mtp_num_hidden_layers", in: 0...64) ?? 0
    case .afterTrunk:
      try config.optionalInteger("num_nextn_predict_layers", in: 0...64)
        ?? config.optionalInteger("num_mtp_layers", in: 0...64) ?? 0
    }
  }

  /// Finds the family with a GGUF's `general.architecture`; the dense one when several share it.
  package static func family(ggufArchitecture: String, isMixture: Bool) -> ModelFamily? {
    let candidates = all.filter { $0.ggufArchitecture == ggufArchitecture }
    return candidates.first { $0.traits.isMixture == isMixture } ?? candidates.first
  }
}
