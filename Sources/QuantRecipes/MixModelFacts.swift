internal import FileBytes
public import TensorTypes

/// What the mixture rules need to know of a model besides its tensors.
public struct MixModelFacts: Hashable, Sendable {
  /// The value of `general.architecture`.
  public var architecture: String
  /// Experts per layer; 0 for dense models.
  public var expertCount: Int
  /// Attention heads of layer 0; 0 when the model has none.
  public var headCount: Int
  /// Key and value heads of layer 0.
  public var headCountKV: Int
  /// All layers, next-token-prediction layers included (`block_count`).
  public var layerCount: Int
  /// The next-token-prediction layers among them.
  public var nextTokenLayerCount: Int

  /// Creates facts.
  public init(
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
  public static func from(metadata: [MetadataEntry], overrides: [MetadataEntry] = []) throws -> MixModelFacts
  {
    func value(_ key: String) -> MetadataValue? {
      metadata.first { $0.key == key }?.value
    }
    func override(_ key: String) -> Int? {
      overrides.first { $0.key == key }?.value.integer
    }
    func wrong(_ key: String, _ expected: String, _ found: MetadataValue?) -> RecipeError {
      RecipeError(
        .badMetadata,
        Fault(subject: key, expected: expected, found: found?.typedSummary ?? "no such key")
      )
    }
    guard let architecture = value("general.architecture")?.text, !architecture.isEmpty else {
      throw wrong("general.architecture", "a name", value("general.architecture"))
    }
    func count(_ name: String) throws -> Int? {
      let key = architecture + "." + name
      if let set = override(key) { return set }
      guard let found = value(key) else { return nil }
      guard let number = found.integer, (0...Int(Int32.max)).contains(number) else {
        throw wrong(key, "a count", found)
      }
      return number
    }
    // Head counts may be arrays with one element per layer; the rules look at layer 0 alone.
    // An override applies only to a single number that is there.
    func headCount(_ name: String) throws -> Int? {
      let key = architecture + "." + name
      guard let found = value(key) else { return nil }
      guard case .array = found else { return try count(name) }
      let first = found.integers?.first
      guard let first, (0...Int(Int32.max)).contains(first) else { throw wrong(key, "counts", found) }
      return first
    }
    // A projector file holds no language model and no block count under this key.
    let isProjector = architecture == "clip"
    guard let layers = try count("block_count") ?? (isProjector ? 0 : nil) else {
      throw wrong(architecture + ".block_count", "the number of layers", nil)
    }
    let heads = try headCount("attention.head_count") ?? 0
    return MixModelFacts(
      architecture: architecture,
      expertCount: try count("expert_count") ?? 0,
      headCount: heads,
      headCountKV: try headCount("attention.head_count_kv") ?? heads,
      layerCount: layers,
      nextTokenLayerCount: try count("nextn_predict_layers") ?? 0)
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
