internal import FileBytes
internal import ModelDescriptions
package import TensorTypes

/// What the mixture rules need to know of a model besides its tensors.
package struct MixModelFacts: Hashable, Sendable {
  /// The value of `general.architecture`.
  package var architecture: String
  /// Experts per layer; 0 for dense models.
  package var expertCount: Int
  /// Attention heads of layer 0; 0 when the model has none.
  package var headCount: Int
  /// Key and value heads of layer 0.
  package var headCountKV: Int
  /// All layers, next-token-prediction layers included (`block_count`).
  package var layerCount: Int
  /// The next-token-prediction layers among them.
  package var nextTokenLayerCount: Int

  /// Creates facts.
  package init(
    architecture: String, expertCount: Int, headCount: Int, headCountKV: Int, layerCount: Int,
    nextTokenLayerCount: Int = 0
  ) {
    self.architecture = architecture
    self.expertCount = expertCount
    self.headCount = headCount
    self.headCountKV = headCountKV
    self.layerCount = layerCount
    self.nextTokenLayerCount = nextTokenLayerCount
  }

  /// Reads the facts from GGUF metadata.
  ///
  /// - Parameters:
  ///   - metadata: The entries of the file.
  ///   - overrides: Entries that the user set; integers among them replace values here, too, as far as the
  ///     rules read them.
  /// - Returns: The facts; counts that a model need not have are 0.
  /// - Throws: ``RecipeError`` with `badMetadata`.
  package static func from(metadata: [MetadataEntry], overrides: [MetadataEntry] = []) throws -> MixModelFacts
  {
    do {
      return try facts(KeyReader(metadata, file: ""), overrides: overrides)
    } catch let error as DescriptionError {
      throw RecipeError(.badMetadata, error.fault)
    }
  }

  /// Reads the facts of any architecture, also of ones that are not known here.
  private static func facts(_ keys: KeyReader, overrides: [MetadataEntry]) throws -> MixModelFacts {
    let range = 0...Int(Int32.max)
    func count(_ key: TypedKey<Int>) throws -> Int? {
      try overrides.first { $0.key == keys.name(key) }?.value.integer ?? keys.stated(key, in: range)
    }
    // Head counts may be arrays with one element per layer; the rules look at layer 0 alone.
    // An override applies only to a single number that is there.
    func headCount(_ key: TypedKey<Int>) throws -> Int? {
      guard let found = keys.raw(key) else { return nil }
      guard case .array = found else { return try count(key) }
      guard let first = found.integers?.first, range.contains(first) else {
        throw keys.fault(key, expected: "counts")
      }
      return first
    }
    // A projector file holds no language model and no block count under this key.
    let isProjector = keys.architecture == "clip"
    guard let layers = try count(.blockCount) ?? (isProjector ? 0 : nil) else {
      throw keys.fault(.blockCount, expected: "the number of layers")
    }
    let heads = try headCount(.headCount) ?? 0
    return MixModelFacts(
      architecture: keys.architecture,
      expertCount: try count(.expertCount) ?? 0,
      headCount: heads,
      headCountKV: try headCount(.keyValueHeadCount) ?? heads,
      layerCount: layers,
      nextTokenLayerCount: try count(.nextTokenLayerCount) ?? 0)
  }

  /// Query heads per key and value head in layer 0, rounded down; 0 when there are none.
  var queryGroupSize: Int { headCountKV == 0 ? 0 : headCount / headCountKV }

  /// True for the model sizes that llama.cpp calls "70B" and gives better value projections.
  var is70BClass: Bool {
    let trunk = layerCount - nextTokenLayerCount
    switch architecture {
    case "llama", "llama-embed": return trunk == 80 && expertCount != 8 && headCount != headCountKV
    case "qwen2", "deci", "olmo": return trunk == 80
    case "jais2": return trunk == 68
    default: return false
    }
  }
}
