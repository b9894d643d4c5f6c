internal import FileBytes
package import ModelDescriptions
internal import SafetensorsFormat
public import TensorTypes
internal import ZstdStreams

/// A model ready to run: its shape, and weights bound to their roles.
public final class LoadedModel: Sendable {
  /// The path as given.
  public let source: String
  /// The layers and what they are made of.
  package let architecture: Architecture
  /// The value of `general.architecture`.
  public var architectureName: String { architecture.name }
  /// Rows of the embedding.
  public var vocabularySize: Int { architecture.vocabularySize }
  /// The longest context the model was made for, in tokens; `nil` when unknown.
  public var contextLength: Int? { architecture.contextLength }
  /// Routed experts of a layer; `nil` for dense models.
  public var expertCount: Int? { architecture.experts?.count }
  /// Routed experts per token; `nil` for dense models.
  public var usedExpertCount: Int? { architecture.experts?.usedCount }
  /// Where the weights come from.
  package let store: any TensorStore
  /// Things the user should know, one sentence each.
  public let warnings: [String]
  /// The weights by role.
  let weights: DecoderWeights
  private let metadataResult: Result<[MetadataEntry], any Error>

  /// Opens a GGUF file (or the first shard of one) or a checkpoint folder.
  ///
  /// Nothing but headers, vectors and small tensors is read; matrices are used where they lie.
  ///
  /// - Parameters:
  ///   - path: The model.
  ///   - isLate: Whether matrices that cannot be used where they lie are copied when a layer needs them: by a
  ///     ``GroupSession`` layer by layer, by a ``Session`` all at once. Weights on another machine always come late.
  /// - Returns: The model, checked for shapes.
  /// - Throws: ``RuntimeError`` for a model that cannot be run, and the errors of the file formats.
  public static func open(path: String, isLate: Bool = false) throws -> LoadedModel {
    try open(path: path, late: isLate ? .ofLayers : nil)
  }

  /// Opens a model with given rules for late weights; `nil` for none.
  package static func open(path: String, late: LateWeights?) throws -> LoadedModel {
    switch FileSystem.kind(of: path) {
    case .folder: return try openCheckpoint(path, late)
    case .file: return try openGGUF(path)
    default: throw SourceRecognition.refusal(of: path, wanted: .model)
    }
  }

  private static func openGGUF(_ path: String) throws -> LoadedModel {
    let store = try GGUFTensorStore(path: path)
    let (model, family) = try Architecture.description(
      metadata: store.metadata, embeddingShape: store.ggmlShape(of: ModelFamily.tokenEmbeddingName) ?? [],
      file: path)
    let architecture = model.architecture(of: family)
    try architecture.checkRunning(causalKey: TypedKey.isCausal.name(in: architecture.name), file: path)
    return try LoadedModel(
      source: path, architecture: architecture,
      expected: family.expectedTensors(model, allBiases: true), metadata: .success(store.metadata),
      store: store, warnings: warnings(of: store.metadata, architecture))
  }

  /// What a file says that is not followed here.
  private static func warnings(of metadata: [MetadataEntry], _ architecture: Architecture) -> [String] {
    var result: [String] = []
    let key = TypedKey.window.name(in: architecture.name)
    let hasWindows = architecture.attentionLayers.contains { $0.attention.window != nil }
    if !hasWindows, let window = metadata.first(where: { $0.key == key })?.value.integer, window > 0 {
      result.append(
        "\(key) is \(window), but llama.cpp does not read it for this architecture; "
          + "as there, every token attends to all before it")
    }
    if let attention = architecture.attentionLayers.first?.attention, let sections = attention.rope.sections {
      let (rope, dimensions) = (attention.rope, attention.rotaryDimensions)
      let pairs = rope.unturnedPairs(dimensions: dimensions)
      let position = architecture.contextLength ?? 4096
      let angle = rope.largestAngle(of: pairs ?? [], dimensions: dimensions, at: position)
      if pairs == nil || angle >= RopeParameters.smallAngle {
        result.append(
          "\(architecture.name).rope.dimension_sections is \(sections), with which llama.cpp "
            + (pairs.map { "leaves \($0.count) of \(dimensions / 2) pairs unturned in text" } ?? "ends")
            + "; all pairs turn here, as in the checkpoint")
      }
    }
    return result
  }

  private static func openCheckpoint(_ folder: String, _ late: LateWeights?) throws -> LoadedModel {
    let config = try ModelConfig(folder: folder)
    let checkpoint = try SafetensorsCheckpoint(folder: folder, decompressor: { try ZstdReader(path: $0) })
    let map = try ModelDescription.describe(
      config: config, tensors: checkpoint.tensors.map(\.tensor),
      options: DescriptionOptions(nextToken: .drop, choices: checkpoint.choices),
      evidence: CheckpointEvidence(formats: checkpoint.formats) { try checkpoint.values(of: $0) })
    // The metadata is needed for its tokenizer alone; a checkpoint without one can still be fed with ids.
    let metadata = Result {
      try CheckpointMetadata(folder: folder, config: config, map: map, options: .init(fileType: 32))
    }
    let architecture = map.architecture
    try architecture.checkRunning(causalKey: "is_causal", file: folder)
    // Nothing can be mapped of weights on another machine: they are fetched when a layer needs them.
    let isRemote = checkpoint.shards.contains { RemoteFiles.at($0.path) != nil }
    let late = late ?? (isRemote ? .ofLayers : nil)
    return try LoadedModel(
      source: folder, architecture: architecture,
      expected: map.family.expectedTensors(map.model, allBiases: true), metadata: metadata.map(\.entries),
      store: try CheckpointTensorStore(checkpoint, map, late: late),
      warnings: map.warnings + ((try? metadata.get().notes) ?? []))
  }

  /// Binds a description to tensors.
  ///
  /// - Throws: ``RuntimeError`` for tensors that do not fit the description.
  package init(
    source: String, architecture: Architecture, expected: [ExpectedTensor],
    metadata: Result<[MetadataEntry], any Error>, store: any TensorStore, warnings: [String]
  ) throws {
    self.source = source
    self.architecture = architecture
    metadataResult = metadata
    self.store = store
    self.warnings = warnings
    weights = try DecoderWeights(architecture: architecture, expected: expected, store: store)
  }

  /// The same model with other weights.
  init(_ other: LoadedModel, weights: DecoderWeights) {
    source = other.source
    architecture = other.architecture
    metadataResult = other.metadataResult
    store = other.store
    warnings = other.warnings
    self.weights = weights
  }

  /// Makes all late copies, for good.
  ///
  /// - Throws: The errors of copying: ``RuntimeError`` with `nonFinite`; `FileError`, `ZstdError`.
  func makeWhole() throws {
    let all = [weights.embedding.weights, weights.output.weights] + weights.layers.flatMap(\.matrices)
    try (store as? CheckpointTensorStore)?.makeWhole(all)
  }

  /// GGUF metadata with the tokenizer: the file's own, or what a conversion of the checkpoint would write.
  ///
  /// - Throws: The error of a checkpoint folder whose tokenizer is missing or cannot be read.
  public func metadata() throws -> [MetadataEntry] { try metadataResult.get() }
}
