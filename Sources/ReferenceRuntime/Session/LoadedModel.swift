internal import FileBytes
internal import ModelDescriptions
internal import SafetensorsFormat
public import TensorTypes
internal import ZstdStreams

/// A model ready to run: its shape, and weights bound to their roles.
public final class LoadedModel: Sendable {
  /// The path as given.
  public let source: String
  /// The numbers of the forward pass.
  public let shape: DecoderShape
  /// Where the weights come from.
  public let store: any TensorStore
  /// Things the user should know, one sentence each.
  public let warnings: [String]
  /// The weights by role.
  let weights: DecoderWeights
  private let metadataResult: Result<[MetadataEntry], any Error>

  /// Opens a GGUF file (or the first shard of one) or a checkpoint folder.
  ///
  /// Nothing but headers, vectors and small tensors is read; matrices are used where they lie.
  ///
  /// - Throws: ``RuntimeError`` for a model that cannot be run, and the errors of the file formats.
  public static func open(path: String) throws -> LoadedModel {
    switch FileSystem.kind(of: path) {
    case .folder: return try openCheckpoint(path)
    case .file: return try openGGUF(path)
    default: throw SourceRecognition.refusal(of: path, wanted: .model)
    }
  }

  private static func openGGUF(_ path: String) throws -> LoadedModel {
    let store = try GGUFTensorStore(path: path)
    let shape = try DecoderShape(
      metadata: store.metadata, embeddingShape: store.ggmlShape(of: "token_embd.weight") ?? [], file: path)
    return try LoadedModel(
      source: path, shape: shape, metadata: .success(store.metadata), store: store,
      warnings: warnings(of: store.metadata, shape))
  }

  /// What a file says that is not followed here.
  private static func warnings(of metadata: [MetadataEntry], _ shape: DecoderShape) -> [String] {
    var result: [String] = []
    let key = shape.architecture + ".attention.sliding_window"
    if let window = metadata.first(where: { $0.key == key })?.value.integer, window > 0 {
      result.append(
        "\(key) is \(window), but llama.cpp does not read it for this architecture; "
          + "as there, every token attends to all before it")
    }
    if shape.architecture.hasPrefix("qwen35"),
      let rope = try? RopeParameters(metadata: metadata, architecture: shape.architecture, file: ""),
      case let count = rope.unturnedPairs(dimensions: shape.rotary.dimensions), count != 0
    {
      result.append(
        "\(shape.architecture).rope.dimension_sections is \(rope.sections ?? []), with which llama.cpp "
          + (count.map { "leaves \($0) of \(shape.rotary.dimensions / 2) pairs unturned in text" } ?? "ends")
          + "; all pairs turn here, as in the checkpoint")
    }
    return result
  }

  private static func openCheckpoint(_ folder: String) throws -> LoadedModel {
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
    return try LoadedModel(
      source: folder,
      shape: try DecoderShape(
        map.model, architecture: map.family.ggufArchitecture, file: folder, causalKey: "is_causal"),
      metadata: metadata.map(\.entries),
      store: try CheckpointTensorStore(checkpoint, map),
      warnings: map.warnings + ((try? metadata.get().notes) ?? []))
  }

  init(
    source: String, shape: DecoderShape, metadata: Result<[MetadataEntry], any Error>, store: any TensorStore,
    warnings: [String]
  ) throws {
    self.source = source
    self.shape = shape
    metadataResult = metadata
    self.store = store
    self.warnings = warnings
    weights = try DecoderWeights(shape: shape, store: store)
  }

  /// GGUF metadata with the tokenizer: the file's own, or what a conversion of the checkpoint would write.
  ///
  /// - Throws: The error of a checkpoint folder whose tokenizer is missing or cannot be read.
  public func metadata() throws -> [MetadataEntry] { try metadataResult.get() }
}
