package import GGUFFormat
package import ModelDescriptions
package import SafetensorsFormat

/// A model of which only names, types, shapes and places of tensors are known.
///
/// It cannot be run, but what ``GroupMemory``, ``GroupWeights``, ``LoadedModel/work(tokens:logits:mode:)`` and
/// ``LoadedModel/inflation(groupCount:givesWeightsBack:)`` say of it is what they say of the model with its weights:
/// the same code binds and counts them, at addresses with nothing behind.
package struct ModelOutline: Sendable {
  /// The model.
  package let model: LoadedModel
  private let description: HyperParameters
  private let family: ModelFamily

  /// Describes a checkpoint by its configuration and the headers of its shards, as if it were opened late.
  ///
  /// - Parameters:
  ///   - checkpoint: Where tensors lie in which shards.
  ///   - config: The configuration.
  ///   - tensorsAreExpected: Whether the tensors were made up from the configuration.
  /// - Throws: As ``LoadedModel/open(path:isLate:)``; ``RuntimeError`` with `outOfMemory` where addresses are short.
  package init(
    _ checkpoint: SafetensorsCheckpoint, config: ModelConfig, tensorsAreExpected: Bool = false
  ) throws {
    let map = try ModelDescription.describe(
      config: config, tensors: checkpoint.tensors.map(\.tensor),
      options: DescriptionOptions(
        nextToken: .drop, choices: checkpoint.choices, tensorsAreExpected: tensorsAreExpected))
    try map.architecture.checkRunning(causalKey: "is_causal", file: checkpoint.folder)
    (description, family) = (map.model, map.family)
    model = try LoadedModel(
      source: checkpoint.folder, architecture: map.architecture,
      expected: map.family.expectedTensors(map.model, allBiases: true), metadata: .success([]),
      store: try CheckpointTensorStore(checkpoint, map, late: .ofLayers, isOutline: true), warnings: [])
  }

  /// Describes a GGUF by its header.
  ///
  /// - Parameters:
  ///   - set: The header of the file, or those of its shards.
  ///   - source: The name for messages.
  /// - Throws: As ``init(_:config:tensorsAreExpected:)``.
  package init(_ set: GGUFSplitSet, source: String) throws {
    (description, family) = try Architecture.description(
      metadata: set.metadata,
      embeddingShape: set.tensor(ModelFamily.tokenEmbeddingName)?.info.ggmlShape ?? [], file: source)
    model = try Self.file(of: set.tensors.map(\.info), description, family, source)
  }

  /// Describes a GGUF of the same model that is still to be made.
  ///
  /// - Parameters:
  ///   - tensors: Its tensors in file order; offsets do not matter.
  ///   - source: A name for it.
  /// - Returns: The model.
  /// - Throws: As ``init(_:config:tensorsAreExpected:)``.
  package func file(of tensors: [GGUFTensorInfo], source: String) throws -> LoadedModel {
    try Self.file(of: tensors, description, family, source)
  }

  private static func file(
    of tensors: [GGUFTensorInfo], _ model: HyperParameters, _ family: ModelFamily, _ source: String
  ) throws -> LoadedModel {
    let names = Set(tensors.map(\.name))
    let architecture = model.architecture(of: family)
    try architecture.checkRunning(causalKey: TypedKey.isCausal.name(in: architecture.name), file: source)
    return try LoadedModel(
      source: source, architecture: architecture,
      expected: family.expectedTensors(model, allBiases: true), metadata: .success([]),
      store: try GGUFTensorStore(
        outline: tensors, layout: GGUFLayout(family: family, model: model, contains: names.contains),
        source: source), warnings: [])
  }
}
